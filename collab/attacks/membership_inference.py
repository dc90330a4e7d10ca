"""Whether an image is among those that an entity has published features of (ATTACKS A7)."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import override

from collab.attacks.base import Attack, Knowledge, Need
from collab.attacks.likeness import View, similarities
from collab.attacks.matching import Candidates
from collab.scenario.base import Answers
from collab.seeding import Stream
from collab.training.precision import Compute
from collab.training.progress import Progress
from collab.training.recipes import outputs_of

By = Literal["likeness", "span"]
"""A row that is like a candidate, or the directions in which all rows vary."""


@dataclass(frozen=True)
class MembershipInference(Attack):
    """A candidate that one row is far more like than all others are is taken for a member.

    By `span`: one whose features lie in the directions in which the published rows vary, as far as they do. That needs
    no row that is like any image: what is drawn or mixed from members varies as they do.
    """

    class Options(Candidates):
        """Of which images it is asked."""

        answers: ClassVar[Answers] = "members"

        by: By = Field("likeness", description="What a candidate is known by.")
        directions: int = Field(
            256, ge=1, le=65_536, description="Of `span`: those in which rows vary most; a quarter of the rows at most."
        )
        rows: int = Field(500, ge=2, le=65_536, description="Rows whose images are members where they are present.")

        @property
        @override
        def setting(self) -> str:
            return "span" if self.by == "span" else ""

    kind: ClassVar[str] = "membership_inference"
    needs: ClassVar[frozenset[Need]] = frozenset({"featurizer", "decider", "candidates"})

    views: tuple[View, ...]
    by: By
    directions: int

    @override
    def rebuild(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> Tensor:
        if self.by == "span":
            candidates = outputs_of(known.featurizer, torch.split(known.candidates, 256), compute)
            return explained(known.features, candidates, self.directions)
        return similarities(known, self.views, compute).max(0).values


def explained(features: Tensor, candidates: Tensor, directions: int) -> Tensor:
    """The share of each candidate's squared distance from the mean row that lies in the rows' main directions."""
    rows, away = features.flatten(1), candidates.flatten(1)
    mean = rows.mean(0)
    axes = torch.linalg.svd(rows - mean, full_matrices=False)[2][: max(1, min(directions, len(rows) // 4))]
    away = away - mean
    return (away @ axes.T).square().sum(1) / away.square().sum(1).clamp(min=1e-12)
