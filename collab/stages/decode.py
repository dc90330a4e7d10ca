"""Reads images of the sources into a run's folder: those of an entity, of the oracle, held-out ones, public ones."""

from collections.abc import Iterator, Mapping
from functools import partial
from hashlib import sha256
from itertools import chain, islice
from pathlib import Path
from typing import Literal

import numpy as np

from collab.data.broken import BrokenImages, read_whole_ones
from collab.data.copies import read_blocks
from collab.data.partition import LEAST
from collab.data.source import BLOCK
from collab.data.words import say_count
from collab.errors import DataError
from collab.mapped import let_go
from collab.participants.assignment import ORACLE, Assignment
from collab.participants.holding import Holding
from collab.participants.layout import map_images
from collab.participants.left_out import GONE, list_broken, name_broken, note_gone
from collab.scenario.model import Scenario
from collab.scenario.stage_rows import LEFT_OUT, LEFT_OUT_OF_ALL
from collab.stages.base import Job, Planning, Playing, Stage, Urgency
from collab.stages.keys import Keys, digest, remember
from collab.store.image_files import write_images
from collab.store.private import private_folder
from collab.training.progress import Progress
from collab.types import EVERYONE, Crossing, Measure, Report

Part = Literal["own", "own heldout", "heldout", "public"]
"""Whose images: those of whoever decodes, those held out of its source, all held-out ones, or the public ones."""

HELDOUT = "heldout"
"""What is held out: of all, and in an entity's private folder of its own source."""

EVERYTHING, UNSCORED = "all images", "unscored images"
"""The private images of everybody together, and those set apart; no entity may have a space in its name."""

NUMBERS = ("labels", "groups", "private", "identities")
"""Files beside `images.npy` that tell something of each image."""


class Decode(Stage[None]):
    """Each host reads its rows itself, block by block, without torch; never more than a few blocks in memory."""

    name, version, runs = "decode", 2, ("sources",)
    computes, fails_whole, tells = False, True, True

    def jobs(self, planning: Planning) -> Iterator[Job]:
        """The held-out and the public images, those of every entity, and the oracle's where somebody asks it."""
        leader, names = planning.leader, [entity.name for entity in planning.scenario.entities]
        job = partial(self._job, counts=planning.scenario.data.broken == "skip")
        apart = planning.scenario.own_heldout
        for name in apart:
            yield job(f"decode heldout of {name}", name, (Urgency.DECODE, 0), "own heldout")
        needs = tuple(f"decode heldout of {name}" for name in apart)
        yield job("decode heldout", ORACLE, (Urgency.DECODE, 0), "heldout", needs)
        yield job(f"decode {leader}", leader, (Urgency.DECODE, 1))
        yield job("decode public", leader, (Urgency.DECODE, 2), "public")
        for name in names:
            if name != leader:
                yield job(f"decode {name}", name, (Urgency.DECODE, 3))
        is_asked = planning.scenario.disclosure or planning.scenario.inference or planning.attacks
        if is_asked or any(row.is_bound for row in planning.rows):
            needs = tuple(f"decode {name}" for name in names)
            yield job("decode oracle", ORACLE, (Urgency.JUDGES, 0), needs=needs)

    def key(self, keys: Keys, job: Job) -> str:
        """The rows and their labels, the size of the images, and the source."""
        return decoded(keys, _name(job))

    def play(self, player: None, job: Job, playing: Playing, progress: Progress, /) -> Report:
        """Draws or reads the images, and writes what the scenario asks of each beside them."""
        part: Part = job.order
        own = private_folder(playing.run, job.participant)
        folders = {"own": own, "own heldout": own / HELDOUT}
        folder = {**folders, "heldout": playing.layout.heldout, "public": playing.layout.public}[part]
        holding = _holding(playing.assignment, playing.scenario, _name(job))
        source, asked = playing.source(), playing.assignment.asked
        for name in (GONE, *(f"{name}.npy" for name in NUMBERS)):
            (folder / name).unlink(missing_ok=True)  # never written into: the cache may hold the same file

        def read(places: np.ndarray) -> Iterator[np.ndarray]:
            wanted = holding.part(places)
            if job.participant == ORACLE:
                return gather(playing, wanted, playing.assignment.holders if part == "own" else {})
            return source.images(wanted.split, wanted.rows)

        everything, broken, told = np.arange(len(holding)), dict[int, str](), dict[str, str]()
        is_skipping = playing.scenario.data.broken == "skip"
        try:
            blocks = read_whole_ones(read, everything, broken) if is_skipping else read(everything)
            side = playing.scenario.data.image_size
            if job.participant in playing.assignment.spectators and part == "own":
                blocks, broken = _fill_up(read_whole_ones(read, everything, broken), len(holding), side), {}
            write_images(folder, (len(holding), 3, side, side), blocks)
        except BrokenImages as error:
            raise DataError(name_broken(own, _say(job), error.reasons, error.count)) from error
        if broken:
            told["left out"] = list_broken(own, _say(job), broken, len(holding)) + ": left out."
            note_gone(folder, playing.assignment, holding.part(np.array(sorted(broken))))
            holding = holding.part(np.delete(everything, list(broken)))
            if len(holding) < LEAST:
                raise DataError(
                    f"{told['left out']} {say_count(len(holding), 'image')} left; at least {LEAST} must be."
                )
        for name, numbers in asked.numbers(source, holding.split, holding.rows, holding.labels).items():
            np.save(folder / f"{name}.npy", numbers)
        crossed = _cross(job.participant, folder / "images.npy") if part == "own heldout" else ()
        left_out = {"own": "images", "public": "public"}.get(part, HELDOUT) + "_left_out"
        measure = Measure(left_out, len(broken)) if is_skipping else Measure("images", len(holding))
        return Report((measure,), crossed, told)

    def _job(
        self,
        name: str,
        player: str,
        place: tuple[int, ...],
        part: Part = "own",
        needs: tuple[str, ...] = (),
        *,
        counts: bool,
    ) -> Job:
        is_of_all = part in ("heldout", "public") or player == ORACLE
        label = (LEFT_OUT_OF_ALL, "") if is_of_all else (LEFT_OUT, player)
        return Job(name, player, self.name, place, needs, (label,) if counts else (), order=part)


@remember
def decoded(keys: Keys, whose: str) -> str:
    """The key of the images of an entity, of `oracle`, `heldout`, `public`, `UNSCORED` or `EVERYTHING`."""
    return digest(Decode.name, Decode.version, keys.images(_holding(keys.given, keys.scenario, whose)))


def count_images(job: Job, assignment: Assignment, scenario: Scenario) -> int:
    """How many images a job decodes: none if it is of another stage."""
    return len(_holding(assignment, scenario, _name(job))) if job.stage == Decode.name else 0


def gather(playing: Playing, holding: Holding, holders: Mapping[str, Holding]) -> Iterator[np.ndarray]:
    """Images that the oracle needs, in blocks: as `holders` have decoded theirs, or else from the source.

    What is held out of entities' own sources these have decoded too. The oracle may see everything; an entity never
    reads what another has decoded.
    """
    rooms = [(held, private_folder(playing.run, name)) for name, held in holders.items()]
    rooms += [
        (playing.assignment.held_out_of(name), private_folder(playing.run, name) / HELDOUT)
        for name in (playing.scenario.own_heldout if not holders else ())
    ]
    owner, place, decoded_by = np.full(len(holding), -1), np.zeros(len(holding), np.int64), []
    for number, (held, folder) in enumerate(rooms):
        at = np.searchsorted(held.rows, holding.rows)
        at[at == len(held)] = 0
        is_there = np.isin(holding.rows, held.rows)
        owner[is_there], place[is_there] = number, at[is_there]
        decoded_by.append(map_images(folder))
    rest = np.flatnonzero(owner < 0)
    others = _take_others(playing.source().images(holding.split, holding.rows[rest]), rest, len(holding))
    for start in range(0, len(holding), BLOCK):
        owners, places = owner[start : start + BLOCK], place[start : start + BLOCK]
        block = np.empty((len(owners), 3, *[playing.scenario.data.image_size] * 2), np.uint8)
        for number in np.unique(owners).tolist():
            at = np.flatnonzero(owners == number)
            if number < 0:
                block[at] = list(islice(others, len(at)))
            else:
                block[at] = decoded_by[number][places[at]]
                let_go(decoded_by[number])
        yield block


def _fill_up(blocks: Iterator[np.ndarray], count: int, side: int) -> Iterator[np.ndarray]:
    """As many images, black ones in the place of broken ones: a spectator's tell it nothing, and nobody counts them."""
    read = list(blocks)
    yield from read
    yield np.zeros((count - sum(map(len, read)), 3, side, side), np.uint8)


def _take_others(blocks: Iterator[np.ndarray], places: np.ndarray, count: int) -> Iterator[np.ndarray]:
    """Images one by one, which have `places` among `count`: so broken ones are named by these."""
    try:
        yield from chain.from_iterable(blocks)
    except BrokenImages as broken:
        raise BrokenImages({int(places[at]): why for at, why in broken.reasons.items()}, count) from broken


def _cross(name: str, images: Path) -> tuple[Crossing, ...]:
    """The line of the ledger for images that an entity has held out: everybody is scored on them."""
    content = np.load(images, mmap_mode="r", allow_pickle=False)
    digest, size = sha256(), images.stat().st_size
    for block in read_blocks(content):
        digest.update(block.data)
    return (Crossing(Decode.name, name, EVERYONE, "held-out images", digest.hexdigest(), size, "uint8", content.shape),)


def _name(job: Job) -> str:
    """Whose images a job decodes, as `decoded` has it."""
    return {"own": job.participant, "own heldout": f"{HELDOUT} of {job.participant}"}.get(job.order, job.order)


def _say(job: Job) -> str:
    """Whose images a job decodes, in words."""
    own = "images of nobody" if job.participant == ORACLE else job.participant
    whose = {"own": own, "own heldout": f"held-out images of {job.participant}", "public": "public images"}
    return whose.get(job.order, "held-out images")


def _holding(assignment: Assignment, scenario: Scenario, whose: str) -> Holding:
    if whose == ORACLE:
        return assignment.oracle(scenario)
    others = {
        HELDOUT: assignment.heldout, UNSCORED: assignment.unscored, "public": assignment.public,
        EVERYTHING: assignment.everything,
    }  # fmt: skip
    if whose in others:
        return others[whose]
    return assignment.held_out_of(whose.removeprefix(f"{HELDOUT} of ")) if " " in whose else assignment.entities[whose]
