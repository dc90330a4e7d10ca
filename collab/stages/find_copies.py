"""Which images stand twice, before anything is trained: among entities, held-out, validation and public ones."""

from collections.abc import Iterator

from collab.data.copies import VALIDATION, Holder, describe_copies, read_blocks, refuse_test_split_of_training_images
from collab.participants.assignment import ORACLE
from collab.participants.layout import map_images
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
        heldout, validation = Holder.of(assignment.heldout.rows, read_blocks(map_images(layout.heldout))), None
        public = Holder.of(assignment.public.rows, read_blocks(map_images(layout.public)))
        if len(unscored := assignment.unscored):
            validation = Holder.of(unscored.rows, gather(playing, unscored, {}))
            if playing.scenario.data.is_for_choosing:
                heldout, validation = validation, heldout
            refuse_test_split_of_training_images(entities, validation, VALIDATION)
        refuse_test_split_of_training_images(entities, heldout)
        return Report(facts=describe_copies(entities, heldout, public, validation))
