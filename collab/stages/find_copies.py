"""Which images stand twice, before anything is trained: among entities, held-out, validation and public ones."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from collab.data.broken import BrokenImages, read_whole_ones
from collab.data.copies import VALIDATION, Holder, describe_copies, read_blocks, refuse_test_split_of_training_images
from collab.errors import DataError
from collab.participants.assignment import ORACLE
from collab.participants.holding import Holding
from collab.participants.layout import map_images
from collab.participants.left_out import list_broken, name_broken
from collab.stages.base import Job, Planning, Playing, Stage, Urgency
from collab.stages.decode import UNSCORED, decoded, gather
from collab.stages.keys import Keys, digest
from collab.store.private import private_folder
from collab.training.progress import Progress
from collab.types import Report

COPIES = "find copies"
"""The name of the job; whatever trains on images waits until it has ended."""


class FindCopies(Stage[None]):
    """Only the oracle's host may compare images of different entities; what it answers is counts in words."""

    name, version, runs = "find_copies", 1, ("sources",)
    computes, tells = False, True

    def jobs(self, planning: Planning) -> Iterator[Job]:
        """One, after all images but those that the oracle has of others."""
        others = [entity.name for entity in planning.scenario.entities if entity.name != planning.leader]
        needs = ["decode heldout", *(f"decode {name}" for name in (planning.leader, *others)), "decode public"]
        yield Job(COPIES, ORACLE, self.name, (Urgency.DECODE, 4), tuple(needs))

    def key(self, keys: Keys, job: Job) -> str:
        """All these images, and whose they are; nothing is computed, so no setting."""
        held = [[name, decoded(keys, name)] for name in keys.given.holders]
        unscored = [decoded(keys, UNSCORED)] if len(keys.given.unscored) else []
        return digest(self.name, self.version, held, decoded(keys, "heldout"), decoded(keys, "public"), *unscored)

    def play(self, player: None, job: Job, playing: Playing, progress: Progress, /) -> Report:
        """Counts images that stand twice, before anything is trained; DataError if held-out ones are training images.

        What it answers is counts in words; digests stay here.
        """
        assignment, layout = playing.assignment, playing.layout
        entities = {
            name: Holder.of(holding.rows, read_blocks(map_images(private_folder(playing.run, name))))
            for name, holding in assignment.holders.items()
        }
        left_out = dict[str, str]()
        heldout, validation = Holder.of(assignment.heldout.rows, read_blocks(map_images(layout.heldout))), None
        public = Holder.of(assignment.public.rows, read_blocks(map_images(layout.public)))
        if len(unscored := assignment.unscored):
            validation, left_out = _look_at(playing, unscored)
            if playing.scenario.data.is_for_choosing:
                heldout, validation = validation, heldout
            refuse_test_split_of_training_images(entities, validation, VALIDATION)
        refuse_test_split_of_training_images(entities, heldout)
        return Report(facts=describe_copies(entities, heldout, public, validation) | left_out)


def _look_at(playing: Playing, unscored: Holding) -> tuple[Holder, dict[str, str]]:
    """Images that nobody decodes for a run, without the broken ones where these are left out; and how many those are.

    Raises DataError with all of them where they are not.
    """
    broken, own = dict[int, str](), private_folder(playing.run, ORACLE)
    everything, whose = np.arange(len(unscored)), "images that are not scored"

    def read(places: np.ndarray) -> Iterator[np.ndarray]:
        return gather(playing, unscored.part(places), {})

    try:
        is_skipping = playing.scenario.data.broken == "skip"
        blocks = read_whole_ones(read, everything, broken) if is_skipping else read(everything)
        looked_at = Holder.of(np.empty(0, np.int64), blocks)
    except BrokenImages as error:
        raise DataError(name_broken(own, whose, error.reasons, error.count)) from error
    told = {"left out": list_broken(own, whose, broken, len(unscored)) + ": left out."} if broken else {}
    return replace(looked_at, rows=tuple(np.delete(unscored.rows, list(broken)).tolist())), told
