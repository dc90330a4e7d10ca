"""Options of attacks with pairs or among candidates; `options` has those of all others."""

from typing import ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from collab.attacks.answer_options import ALONE
from collab.scenario.base import Answers, AttackOptions, HandOut, Name, OptionalPairs

View = Literal["logits", "penultimate", "blocks", "frame_free"]
"""What of a feature map is compared: C's answer, its last pooled map, the maps of each of its blocks, or what no
rotation of channels changes."""


class LeakedPairs(OptionalPairs):
    """How many pairs, and what is fitted on them."""

    kind: Literal["leaked_pairs"] = Field(description=ALONE)
    pairs: int = Field(64, ge=0, le=65_536, description="Images of the victim's that the adversary has: k.")
    sides: tuple[int, ...] = Field((1, 3), min_length=1, description="Places that a linear map sees; odd.")
    epochs: int = Field(
        20, ge=0, le=10_000, description="Passes of the residual blocks over the pairs; 0: linear maps alone."
    )


class Candidates(AttackOptions):
    """How many images the adversary looks among, and how many of the attacked are there."""

    candidates: int = Field(2000, ge=16, le=1_000_000, description="Images among which it looks for each row's.")
    present: float = Field(1.0, ge=0, le=1, description="Share of the attacked rows whose images are among them.")
    views: tuple[View, ...] = Field(
        ("logits", "penultimate", "blocks", "frame_free"), min_length=1, description="What of a row is compared."
    )

    @property
    @override
    def hand_out(self) -> HandOut:
        return HandOut(candidates=self.candidates, present=self.present)


class Matching(Candidates):
    """What is compared, and how often it looks again."""

    answers: ClassVar[Answers] = "matches"

    kind: Literal["matching"] = Field(description=ALONE)
    boost: int = Field(5, ge=0, le=100, description="Rounds in which sure matches are taken for pairs.")

    @property
    @override
    def setting(self) -> str:
        return "boosted" if self.boost else "+".join(self.views)


class PlantedImages(AttackOptions):
    """How many images it got into the victim's collection, and how it finds them again."""

    kind: Literal["planted_images"] = Field(description=ALONE)
    images: int = Field(64, ge=1, le=65_536, description="Images of its own that the victim publishes with the rest.")
    views: tuple[View, ...] = Field(
        ("logits", "penultimate", "blocks", "frame_free"), min_length=1, description="What of a row is compared."
    )
    sides: tuple[int, ...] = Field((1, 3), min_length=1, description="Places that a linear map sees; odd.")
    rounds: int = Field(3, ge=0, le=100, description="How often the rows that were found help to find others.")

    @property
    @override
    def hand_out(self) -> HandOut:
        return HandOut(pairs=self.images, is_planted=True)

    @property
    @override
    def setting(self) -> str:
        return str(self.images)


class Linkage(AttackOptions):
    """With which other release, and what is compared."""

    answers: ClassVar[Answers] = "matches"

    kind: Literal["linkage"] = Field(description=ALONE)
    second: Name = Field(description="The entity whose rows are looked among; it publishes features too.")
    candidates: int = Field(2000, ge=2, le=1_000_000, description="Rows of it, from its first, at most.")
    views: tuple[View, ...] = Field(
        ("logits", "penultimate", "blocks", "frame_free"), min_length=1, description="What of a row is compared."
    )

    @property
    @override
    def second_release(self) -> tuple[str, int]:
        return self.second, self.candidates

    @property
    @override
    def setting(self) -> str:
        return self.second


By = Literal["likeness", "span", "means", "loss", "relative", "ratio"]
"""A row that is like a candidate, the directions in which all rows vary, the mean of its class; or C's loss, alone or
beside that of deciders that the adversary trains itself (RMIA, LiRA)."""

OF_RELEASE: tuple[By, ...] = ("loss", "relative", "ratio")
"""Those that ask whose images C has learned."""

Reference = Literal["public", "none"]
"""Whose main directions are subtracted from those of the published rows."""


class MembershipInference(Candidates):
    """Of which images it is asked."""

    answers: ClassVar[Answers] = "members"

    kind: Literal["membership_inference"] = Field(description=ALONE)
    by: By = Field("likeness", description="What a candidate is known by.")
    directions: int = Field(
        128, ge=1, le=65_536, description="Of `span`: those in which rows vary most; a quarter of the rows at most."
    )
    reference: Reference = Field(
        "public", description="Of `span`: images whose share in their own main directions is subtracted."
    )
    rows: int = Field(500, ge=2, le=65_536, description="Rows whose images are members where they are present.")
    shadows: int = Field(16, ge=2, le=1024, description="Of `relative` and `ratio`: deciders that it trains.")
    shadow_epochs: int = Field(15, ge=1, le=10_000, description="Passes of each over half of the candidates.")

    @property
    @override
    def of_release(self) -> bool:
        return self.by in OF_RELEASE

    @property
    @override
    def setting(self) -> str:
        if self.by == "span":
            return "span" if self.reference == "public" else "span alone"
        return "" if self.by == "likeness" else self.by
