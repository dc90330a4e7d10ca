"""Options of attacks on what is exchanged in place of rows, answers and weights; `options` has those of all others."""

from typing import ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from collab.scenario.base import Answers, AttackOptions, Form, HandOut, RowName, Schedule

ALONE = "The attack plugin; its name alone is short for all defaults."


class Students(Schedule, AttackOptions):
    """How networks learn from answers."""

    learning_rate: float = Field(0.02, gt=0, description="Its largest value; a loss that is not finite ends the run.")
    weight_decay: float = Field(5e-4, ge=0, description="L2 penalty (adamw: decoupled).")

    @property
    @override
    def of_answers(self) -> bool:
        return True


class OfMembers(Students):
    """Of which images it is asked."""

    answers: ClassVar[Answers] = "members"

    candidates: int = Field(2000, ge=16, le=1_000_000, description="Images of which it is asked.")
    present: float = Field(1.0, ge=0, le=1, description="Share of the rows whose images are among them.")
    rows: int = Field(500, ge=2, le=65_536, description="Images of the victim's that are members where present.")

    @property
    @override
    def hand_out(self) -> HandOut:
        return HandOut(candidates=self.candidates, present=self.present)


class AnswerMembership(OfMembers):
    """How its students learn, and how many shadows there are."""

    kind: Literal["answer_membership"] = Field(description=ALONE)
    shadows: int = Field(
        0, ge=0, le=1024, description="Teachers of the adversary's own, and a student of each; 0: C alone is compared."
    )

    @property
    @override
    def setting(self) -> str:
        return f"{self.shadows} shadows" if self.shadows else ""


class RoundDifference(OfMembers):
    """Whose rounds are looked at."""

    kind: Literal["round_difference"] = Field(description=ALONE)
    row: RowName | None = Field(
        None,
        description="A row of `federated`, whose weights are looked at; unless given, answers of a victim with "
        "`rounds`.",
    )

    @property
    @override
    def setting(self) -> str:
        return "" if self.row is None else str(self.row)

    @property
    @override
    def looks_at_rounds(self) -> bool:
        return True

    @property
    @override
    def federated_row(self) -> RowName | None:
        return self.row

    @override
    def is_tried_on(self, form: Form) -> bool:
        return self.row is not None or super().is_tried_on(form)


class LabelDistribution(Students):
    """How many teachers of its own it learns from."""

    answers: ClassVar[Answers] = "classes"

    kind: Literal["label_distribution"] = Field(description=ALONE)
    shadows: int = Field(
        0,
        ge=0,
        le=1024,
        description="Teachers of the adversary's own, each of images with other shares of the classes: how far answers "
        "follow these; 0: as far as Bayes' rule says.",
    )

    @property
    @override
    def setting(self) -> str:
        return f"{self.shadows} shadows" if self.shadows else ""
