"""The simulator's own participant: upper bounds that no real collaboration could compute, and the held-out set."""

from collections.abc import Mapping
from functools import cached_property

import numpy as np
from torch import Tensor

from collab.data.subsets import deal_stratified
from collab.participants.assignment import Assignment
from collab.participants.holding import Holding
from collab.participants.layout import load_images
from collab.participants.participant import Mixture, Participant
from collab.scenario.model import Refinement
from collab.seeding import Stream
from collab.store.private import private_folder
from collab.store.shards import ShardReader
from collab.training.feeds import ImageSet
from collab.training.progress import Progress
from collab.types import Measure, Report

Beside = tuple[Mapping[str, Tensor], Mapping[str, Mapping[str, Tensor]], tuple[Measure, ...]]
"""What stands beside an attack: scores of plain features, of each guess, and the measures of the guesses."""


class Oracle(Participant):
    """Holds what no entity may hold, images of all entities, and reads them from the source itself.

    `beside` is what stands beside all attacks on so many rows of a victim, computed once in this process.
    """

    assignment: Assignment
    holding: Holding

    @cached_property
    def beside(self) -> dict[tuple[str, int], Beside]:
        """By victim and number of rows."""
        return {}

    def refine(self, row: Refinement, most_rows: int, progress: Progress) -> Report:
        """From scratch on a share of all images, or the released C on unpoisoned features of several entities."""
        if row.share is not None:
            rng = Stream(self.scenario.data_seed, self.name, "share").numpy(str(row.share))
            drawn = deal_stratified(self.assignment.strata, {"all": row.share}, rng)
            images = self.images_at(self.assignment.everything.rows[np.sort(drawn["all"])])
            return self.train_from_scratch(row, images, self.stream("refine"), progress)
        entity = str(row.entity)
        own = [] if row.own == "none" else [self.features_of_entity(entity)]
        readers = [*own, *(self.features_of_entity(name) for name in sorted(row.unpoisoned))]
        stream = self.stream_of(entity, "refine")  # the entity's own, so that only poisoning differs
        return self.refine_on(Mixture(readers, own[0] if own else None, most_rows), row, stream, progress)[1]

    def published_order(self, victim: str) -> np.ndarray:
        """The number among the victim's own of each row that it published."""
        return np.load(private_folder(self.layout.run, victim) / "published.npy", allow_pickle=False)

    def published_rows(self, victim: str) -> np.ndarray:
        """The row of the source behind each row that the victim published."""
        return self.assignment.entities[victim].rows[self.published_order(victim)]

    def features_of_entity(self, name: str) -> ShardReader:
        """Unpoisoned features of an entity's images, computed here from what the entity has decoded."""
        folder = self.private / name
        if not (folder / "features").exists():
            self.write_features(folder, load_images(private_folder(self.layout.run, name)))
        return self.own_features(folder)

    def images_at(self, rows: np.ndarray) -> ImageSet:
        """The images of these rows of the source, in their order."""
        at = np.searchsorted(self.holding.rows, rows)
        is_all = np.array_equal(at, np.arange(len(self.images)))  # not copied: they may be more than fit into memory
        return self.images if is_all else self.images.at(at)
