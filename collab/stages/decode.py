"""Reads images of the source into a run's folder: those of an entity, of the oracle, held-out ones, public ones."""

from collections.abc import Iterator
from itertools import chain, islice
from typing import Literal

import numpy as np

from collab.data.source import BLOCK
from collab.mapped import let_go
from collab.participants.assignment import ORACLE, Assignment, Holding
from collab.participants.layout import map_images
from collab.scenario.model import Scenario
from collab.stages.base import Job, Planning, Playing, Stage, Urgency
from collab.stages.keys import Keys, digest, remember
from collab.store.image_files import write_images
from collab.store.private import private_folder
from collab.training.progress import Progress
from collab.types import Measure, Report

Part = Literal["own", "heldout", "public"]
"""Whose images: those of whoever decodes, the held-out ones, or those of the public classes."""

EVERYTHING, UNSCORED = "all images", "unscored images"
"""The private images of everybody together, and those set apart; no entity may have a space in its name."""

NUMBERS = ("labels", "groups", "private", "identities")
"""Files beside `images.npy` that tell something of each image."""


class Decode(Stage[None]):
    """Each host reads its rows itself, block by block, without torch; never more than a few blocks in memory."""

    name, version, runs = "decode", 2, ("sources",)
    computes = False

    def jobs(self, planning: Planning) -> Iterator[Job]:
        """The held-out and the public images, those of every entity, and the oracle's where somebody asks it."""
        leader, names = planning.leader, [entity.name for entity in planning.scenario.entities]
        yield self._job("decode heldout", ORACLE, (Urgency.DECODE, 0), "heldout")
        yield self._job(f"decode {leader}", leader, (Urgency.DECODE, 1))
        yield self._job("decode public", leader, (Urgency.DECODE, 2), "public")
        for name in names:
            if name != leader:
                yield self._job(f"decode {name}", name, (Urgency.DECODE, 3))
        is_asked = planning.scenario.disclosure or planning.scenario.inference or planning.attacks
        if is_asked or any(row.is_bound for row in planning.rows):
            needs = tuple(f"decode {name}" for name in names)
            yield self._job("decode oracle", ORACLE, (Urgency.JUDGES, 0), needs=needs)

    def key(self, keys: Keys, job: Job) -> str:
        """The rows and their labels, the size of the images, and the source."""
        return decoded(keys, job.participant if job.order == "own" else job.order)

    def play(self, player: None, job: Job, playing: Playing, progress: Progress, /) -> Report:
        """Draws or reads the images, and writes what the scenario asks of each beside them."""
        part: Part = job.order
        own = private_folder(playing.run, job.participant)
        folder = {"own": own, "heldout": playing.layout.heldout, "public": playing.layout.public}[part]
        holding = _holding(playing.assignment, playing.scenario, job.participant if part == "own" else part)
        source, asked = playing.source(), playing.assignment.asked
        is_of_everybody = part == "own" and job.participant == ORACLE
        blocks = _gather(playing, holding) if is_of_everybody else source.images(holding.split, holding.rows)
        shape = (len(holding), 3, *[playing.scenario.data.image_size] * 2)
        write_images(folder, shape, blocks)
        for name in NUMBERS:
            (folder / f"{name}.npy").unlink(missing_ok=True)  # never written into: the cache may hold the same file
        for name, numbers in asked.numbers(source, holding.split, holding.rows, holding.labels).items():
            np.save(folder / f"{name}.npy", numbers)
        return Report((Measure("images", len(holding)),))

    def _job(
        self, name: str, player: str, place: tuple[int, ...], part: Part = "own", needs: tuple[str, ...] = ()
    ) -> Job:
        return Job(name, player, self.name, place, needs, order=part)


@remember
def decoded(keys: Keys, whose: str) -> str:
    """The key of the images of an entity, of `oracle`, `heldout`, `public`, `UNSCORED` or `EVERYTHING`."""
    return digest(Decode.name, Decode.version, keys.images(_holding(keys.given, keys.scenario, whose)))


def _gather(playing: Playing, holding: Holding) -> Iterator[np.ndarray]:
    """The images that the oracle holds, in blocks: as an entity has decoded them, or else from the source.

    The oracle may see everything; an entity never reads what another has decoded.
    """
    owner, place, decoded_by = np.full(len(holding), -1), np.zeros(len(holding), np.int64), []
    for number, (name, own) in enumerate(playing.assignment.entities.items()):
        at = np.searchsorted(holding.rows, own.rows)
        owner[at], place[at] = number, np.arange(len(own))
        decoded_by.append(map_images(private_folder(playing.run, name)))
    others = chain.from_iterable(playing.source().images(holding.split, holding.rows[owner < 0]))
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


def _holding(assignment: Assignment, scenario: Scenario, whose: str) -> Holding:
    if whose == ORACLE:
        return assignment.oracle(scenario)
    others = {
        "heldout": assignment.heldout, UNSCORED: assignment.unscored, "public": assignment.public,
        EVERYTHING: assignment.everything,
    }  # fmt: skip
    return assignment.entities[whose] if whose in assignment.entities else others[whose]
