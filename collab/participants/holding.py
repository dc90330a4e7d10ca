"""Rows that somebody holds, and their labels: what is dealt, and what stages read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from collab.data.partition import find_rows, relabel
from collab.data.source import Split


@dataclass(frozen=True)
class Holding:
    """Rows of one split in the numbers of a run (`collab.data.joined`), labels counted in private or public classes."""

    split: Split
    rows: np.ndarray
    labels: np.ndarray

    @classmethod
    def of(cls, split: Split, labels: np.ndarray, classes: tuple[int, ...]) -> Self:
        """All rows of `classes` in a split of which these are the `labels`."""
        rows = find_rows(labels, classes)
        return cls(split, rows, relabel(labels[rows], classes))

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, at: np.ndarray) -> "Holding":
        """The rows at positions `at` of this holding."""
        return Holding(self.split, self.rows[at], self.labels[at])

    def without(self, other: "Holding") -> "Holding":
        """Those that `other`, of the same split, does not have."""
        return self.part(np.flatnonzero(~np.isin(self.rows, other.rows)))

    def draw(self, most: int | None, rng: np.random.Generator) -> "Holding":
        """At most so many of the rows."""
        if most is None or most >= len(self):
            return self
        return self.part(np.sort(rng.choice(len(self), most, replace=False)))


def join(holdings: Sequence[Holding]) -> Holding:
    """The rows of all `holdings`, of one split and each of its own, in the order of their numbers."""
    rows, labels = (
        np.concatenate(parts) for parts in zip(*((each.rows, each.labels) for each in holdings), strict=True)
    )
    order = np.argsort(rows, kind="stable")
    return Holding(holdings[0].split, rows[order], labels[order])
