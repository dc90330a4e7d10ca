"""Reads images of the source into a run's folder: those of an entity, of the oracle, held-out ones, public ones."""

from collections.abc import Iterator
from typing import Literal

import numpy as np

from collab.participants.assignment import ORACLE, Assignment, Holding
from collab.participants.entity import Entity
from collab.participants.oracle import Oracle
from collab.scenario.model import Scenario
from collab.stages.base import Job, Planning, Playing, Stage, Urgency
from collab.stages.keys import Keys, digest, remember
from collab.training.progress import Progress
from collab.types import Measure, Report

Part = Literal["own", "heldout", "public"]
"""Whose images: those of whoever decodes, the held-out ones, or those of the public classes."""

EVERYTHING = "all images"
"""What the private images of everybody together are called here; no entity may have a space in its name."""

NUMBERS = ("labels", "groups", "private", "identities")
"""Files beside `images.npy` that tell something of each image."""


class Decode(Stage[Entity | Oracle]):
    """Each host reads its rows itself, block by block; never more than a block in memory."""

    name, version, runs = "decode", 2, ("sources",)

    def jobs(self, planning: Planning) -> Iterator[Job]:
        """The held-out and the public images, those of every entity, and the oracle's where somebody asks it."""
        leader = planning.leader
        yield self._job("decode heldout", ORACLE, (Urgency.DECODE, 0), "heldout")
        yield self._job(f"decode {leader}", leader, (Urgency.DECODE, 1))
        yield self._job("decode public", leader, (Urgency.DECODE, 2), "public")
        for entity in planning.scenario.entities:
            if entity.name != leader:
                yield self._job(f"decode {entity.name}", entity.name, (Urgency.DECODE, 3))
        if asks_oracle(planning):
            yield self._job("decode oracle", ORACLE, (Urgency.JUDGES, 0))

    def key(self, keys: Keys, job: Job) -> str:
        """The rows and their labels, the size of the images, and the source."""
        return decoded(keys, job.who if job.order == "own" else job.order)

    def play(self, player: Entity | Oracle, job: Job, playing: Playing, progress: Progress, /) -> Report:
        """Draws or reads the images, and writes what the scenario asks of each beside them."""
        part: Part = job.order
        folder = {"own": player.private, "heldout": player.layout.heldout, "public": player.layout.public}[part]
        holding = _holding(playing.assignment, playing.scenario, job.who if part == "own" else part)
        source, asked = playing.source(), playing.assignment.asked
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("images", *NUMBERS):
            (folder / f"{name}.npy").unlink(missing_ok=True)  # never written into: the cache may hold the same file
        side = playing.scenario.data.image_size
        target = np.lib.format.open_memmap(
            folder / "images.npy", mode="w+", dtype=np.uint8, shape=(len(holding), 3, side, side)
        )
        at = 0
        for block in source.images(holding.split, holding.rows):
            target[at : at + len(block)] = block
            at += len(block)
        target.flush()
        for name, numbers in asked.numbers(source, holding.split, holding.rows, holding.labels).items():
            np.save(folder / f"{name}.npy", numbers)
        return Report((Measure("images", len(holding)),))

    def _job(self, name: str, who: str, place: tuple[int, ...], part: Part = "own") -> Job:
        return Job(name, who, self.name, place, order=part)


@remember
def decoded(keys: Keys, whose: str) -> str:
    """The key of the images of an entity, of `oracle`, `heldout`, `public`, or `EVERYTHING`."""
    return digest(Decode.name, Decode.version, keys.images(_holding(keys.given, keys.scenario, whose)))


def asks_oracle(planning: Planning) -> bool:
    """Whether the oracle needs images of its own: upper bounds, scores of attacks, disclosure and inference."""
    scenario = planning.scenario
    is_asked = scenario.disclosure is not None or scenario.inference is not None
    return is_asked or any(row.is_bound for row in planning.rows) or bool(planning.attacks)


def _holding(given: Assignment, scenario: Scenario, whose: str) -> Holding:
    if whose == ORACLE:
        return given.oracle(scenario)
    others = {"heldout": given.heldout, "public": given.public, EVERYTHING: given.everything}
    return given.entities[whose] if whose in given.entities else others[whose]
