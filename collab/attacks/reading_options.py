"""Options of attacks that read private attributes, or link rows of one individual (ATTACKS A7); free of torch."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator
from typing_extensions import override

from collab.attacks.answer_options import ALONE
from collab.scenario.base import Answers, AttackOptions, HandOut, OneCycle, OptionalPairs, Rehearses

Through = Literal["decider", "shadows"]
"""What rows are read behind: blocks of C, or the moments of shadow modules."""

ABOUT_THROUGH = (
    "decider: a network behind the first blocks of C, trained on F of public images; shadows: one trained on public "
    "images as shadow modules show them, standardized as the whole shard is."
)


def trains_modules(through: Through | None, depth: int | None) -> bool:
    """Whether whoever reads so trains modules of the victim's recipe: shadows, or one to choose a depth by."""
    return through == "shadows" or (through == "decider" and depth is None)


class Reading(AttackOptions, OneCycle):
    """What a reader is trained behind, and how; a subclass says what it reads and whether it must."""

    through: Through | None = Field("decider", description=ABOUT_THROUGH)
    depth: int | None = Field(
        None,
        ge=0,
        le=64,
        description="Of `decider`: blocks of C before the reader, 0 for none; null: as many as read best what a module "
        "of the adversary's own made of public images.",
    )
    modules: int = Field(4, ge=1, le=64, description="Of `shadows`: modules that it trains; time grows with them.")
    module_images: int = Field(1250, ge=16, le=1_000_000, description="Public images that each module is fitted on.")
    module_epochs: int | None = Field(None, ge=1, le=10_000, description="Passes for each; the recipe's if null.")
    epochs: int = Field(8, ge=1, le=10_000, description="Passes of a reader over the public images.")

    @property
    def trains_modules(self) -> bool:
        """Whether it trains modules of the victim's recipe."""
        return trains_modules(self.through, self.depth)

    @property
    @override
    def rehearses(self) -> Rehearses:  # type: ignore[override]  # of others it is the same whatever they state
        if self.through is None:
            return "never"
        return "for each recipe" if self.trains_modules else "once"

    @property
    @override
    def of_feature_modules(self) -> bool:
        return self.trains_modules

    @property
    def way(self) -> str:
        """How it reads, in results."""
        return f"{self.through}" + ("" if self.depth is None else f",{self.depth}")

    @model_validator(mode="after")
    def _depth_is_of_the_decider(self) -> Self:
        if self.depth is not None and self.through != "decider":
            raise ValueError("depth has no effect without `through: decider`")
        return self


class AttributeInference(Reading, OptionalPairs):
    """What it reads, and how it learns to."""

    kind: Literal["attribute_inference"] = Field(description=ALONE)
    of: Literal["colors", "attributes"] = Field(
        "colors", description="Brightness and mean color, or the private attributes of the scenario."
    )
    through: Through | None = Field(
        None,
        description=f"{ABOUT_THROUGH} null: ridge on the channel means of what each block of C makes of F of public "
        "images, or with `pairs` of the rows of these.",
    )
    images: int = Field(
        2000, ge=16, le=1_000_000, description="Public images that the ridge learns from, where there are no pairs."
    )

    @property
    @override
    def answers(self) -> Answers:  # type: ignore[override]  # of others it is the same whatever they state
        return "attributes" if self.of == "colors" else "private"

    @property
    @override
    def setting(self) -> str:
        how = str(self.pairs) if self.through is None else self.way
        return how if self.of == "colors" else f"attributes,{how}"

    @property
    @override
    def hand_out(self) -> HandOut | None:
        return HandOut(pairs=self.pairs, attributes=self.of == "attributes") if self.pairs else None

    @model_validator(mode="after")
    def _pairs_are_of_the_ridge(self) -> Self:
        if self.pairs and self.through is not None:
            raise ValueError("pairs have no effect with `through`")
        return self


class IdentityInference(Reading):
    """Whom it links, and what the embedding is trained behind."""

    answers: ClassVar[Answers] = "embeddings"

    kind: Literal["identity_inference"] = Field(description=ALONE)
    of: Literal["identities", "classes"] = Field(
        "identities",
        description="Rows of one individual, or of one class; the latter is a question only where rows do not tell "
        "their class, so with another task than `classification`.",
    )
    through: Through = Field("decider", description=ABOUT_THROUGH)

    @property
    @override
    def links_classes(self) -> bool:
        return self.of == "classes"

    @property
    @override
    def setting(self) -> str:
        return f"{self.of},{self.way}"
