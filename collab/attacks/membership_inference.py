"""Whether an image is among those that an entity has published features of (ATTACKS A7)."""

from dataclasses import dataclass
from typing import ClassVar

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


@dataclass(frozen=True)
class MembershipInference(Attack):
    """A candidate that one row is far more like than all others are is taken for a member."""

    class Options(Candidates):
        """Of which images it is asked."""

        answers: ClassVar[Answers] = "members"

        rows: int = Field(500, ge=2, le=65_536, description="Rows whose images are members where they are present.")

    kind: ClassVar[str] = "membership_inference"
    needs: ClassVar[frozenset[Need]] = frozenset({"featurizer", "decider", "candidates"})

    views: tuple[View, ...]

    @override
    def rebuild(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> Tensor:
        return similarities(known, self.views, compute).max(0).values
