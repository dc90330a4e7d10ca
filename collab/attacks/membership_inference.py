"""Whether an image is among those that an entity has published features of (ATTACKS A7)."""

from dataclasses import dataclass

import torch
from torch import Tensor
from typing_extensions import override

from collab.attacks import options
from collab.attacks.base import Attack, Compute, Knowledge, Progress, Stream
from collab.attacks.likeness import similarities
from collab.training.recipes import outputs_of


@dataclass(frozen=True)
class MembershipInference(Attack):
    """A candidate that one row is far more like than all others are is taken for a member.

    By `span`: one whose features lie in the directions in which the published rows vary, as far as they do. That needs
    no row that is like any image: what is drawn or mixed from members varies as they do.
    """

    Options = options.MembershipInference
    needs = frozenset({"featurizer", "decider", "candidates"})

    views: tuple[options.View, ...]
    by: options.By
    directions: int

    @override
    def rebuild(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> Tensor:
        candidates = outputs_of(known.featurizer, known.candidates, compute)
        if self.by == "span":
            return explain_share(known.features, candidates, self.directions)
        return similarities(known, candidates, self.views, compute).max(0).values


def explain_share(features: Tensor, candidates: Tensor, directions: int) -> Tensor:
    """The share of each candidate's squared distance from the mean row that lies in the rows' main directions."""
    rows, away = features.flatten(1), candidates.flatten(1)
    mean = rows.mean(0)
    axes = torch.linalg.svd(rows - mean, full_matrices=False)[2][: max(1, min(directions, len(rows) // 4))]
    away = away - mean
    return (away @ axes.T).square().sum(1) / away.square().sum(1).clamp(min=1e-12)
