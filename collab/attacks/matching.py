"""Matching (ATTACKS A5): which of many candidate images lies behind a row; then sure matches serve as pairs."""

from dataclasses import dataclass

import torch
from torch import Tensor
from typing_extensions import override

from collab.attacks import options
from collab.attacks.base import Attack, Compute, Knowledge, Progress, Stream
from collab.attacks.likeness import all_rows, cosines, similarities, standardize
from collab.attacks.linear import Grams
from collab.training.recipes import outputs_of

FEWEST = 8
"""Pairs below which no map is fitted."""


@dataclass(frozen=True)
class Matching(Attack):
    """Compares what C makes of rows and of candidates; then takes the surest matches for pairs, maps back, looks again.

    A round is kept if it leaves more rows and candidates that are each other's best: the attack's own score. All
    rows of the shard are compared, those too whose images are nowhere among the candidates.
    """

    Options = options.Matching
    needs = frozenset({"featurizer", "decider", "candidates"})

    views: tuple[options.View, ...]
    boost: int

    @override
    def rebuild(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> Tensor:
        plain = outputs_of(known.featurizer, known.candidates, compute)
        published = all_rows(known)
        scores = similarities(known, published, plain, self.views, compute)
        kept = len(mutual(scores))
        for _ in range(self.boost):
            rows = mutual(scores)
            rows = rows[: max(len(rows) // 2, FEWEST)]
            if len(rows) < FEWEST:
                break
            _, channels, height, width = plain.shape
            # Over 3×3 places where there are pairs enough for such a map, else over single places.
            side = 3 if len(rows) * height * width > 2 * (9 * channels + 1) else 1
            ridge = Grams.of(published[rows], plain[scores[rows].argmax(1)], side).solve(0.1, side)
            again = standardize(cosines(ridge(published), plain))
            if len(mutual(again)) <= kept:
                break
            scores, kept = again, len(mutual(again))
        return scores[: len(known.features)]


def mutual(scores: Tensor) -> Tensor:
    """Rows that are the best of their best candidate, the surest (by lead over the second best) first."""
    best, rows = scores.argmax(1), torch.arange(len(scores))
    is_mutual = scores.argmax(0)[best] == rows
    top = scores.topk(2, dim=1).values
    lead = (top[:, 0] - top[:, 1]).masked_fill(~is_mutual, -1)
    return lead.argsort(descending=True, stable=True)[: int(is_mutual.sum())]
