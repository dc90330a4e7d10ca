"""Linkage (ATTACKS A5): which row of another release was made of the same image as a row of this one."""

from dataclasses import dataclass

from torch import Tensor
from typing_extensions import override

from collab.attacks import options
from collab.attacks.base import Attack, Compute, Knowledge, Progress, Stream
from collab.attacks.likeness import all_rows, similarities


@dataclass(frozen=True)
class Linkage(Attack):
    """Compares what C makes of the rows of both, and what no rotation of channels changes; it needs no image.

    Two parties may hold the same image, or one may publish again, with a new module or after an edit. Rows without a
    counterpart are then those that were added or taken away: the largest score of a row says how sure one may be.
    """

    Options = options.Linkage
    needs = frozenset({"decider", "second"})

    second: str
    candidates: int
    views: tuple[options.View, ...]

    @override
    def rebuild(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> Tensor:
        scores = similarities(known, all_rows(known), known.second, self.views, compute)
        return scores[: len(known.features)]
