"""What may be said of any source of images: of the one that is dealt, and of those beside it."""

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, create_model

from collab.scenario.base import ClassName, Kind, Part
from collab.tasks import TASKS, MainMetric

if TYPE_CHECKING:
    from collab.scenario.sources import AnyOwnSource

Told = Literal["attributes", "pose", "identities"]
"""What a source may tell of an image besides its class; `collab.data.targets` says with which methods."""

_ANSWERS = "; ".join(f"`{kind}`, {about.answers}" for kind, about in TASKS.items())


_ABOUT_NAMES = (
    "Other names for classes of this source: `{Cat: cat, cats: cat}`. Classes that get one name are one class."
)
_ABOUT_GROUP = (
    "With `hold_out`: images of one group are all held out, or none. A column of the source, `identity` where it knows "
    "whom images show, or a regular expression that is looked for in file names (`patient(\\d+)`)."
)
HoldOut = Annotated[float, Field(gt=0, le=0.5)]


class OwnSource(Part):
    """A source beside the one that is dealt: an entity's own, that of the public set, or of the held-out images."""

    part: "ClassVar[type[Data]]"
    """What it is where it is the source that is dealt."""

    class_names: Mapping[ClassName, ClassName] = Field({}, description=_ABOUT_NAMES)
    hold_out: HoldOut | None = Field(
        None,
        description="Of an entity's source without a test split: so large a share of each class is held out; that of "
        "`data` unless given.",
    )
    group: str | None = Field(None, min_length=1, description=f"{_ABOUT_GROUP} That of `data` unless given.")
    source: Kind = Field(description="The source plugin.")

    @property
    def opened_by(self) -> str:
        """The class that reads these images, as `module:Class`."""
        return self.part.opens[self.source]

    @property
    def is_drawn(self) -> bool:
        """Whether its images are drawn, so that figures from them say nothing about photographs."""
        return self.part.is_drawn

    def source_options(self) -> dict[str, Any]:
        """What that class takes besides image size and seed."""
        return {name: getattr(self, name) for name in type(self).model_fields if name not in OwnSource.model_fields}

    def __reduce__(self) -> Any:
        return _own_source_of, (self.part, dict(self))  # a pickle finds no class that is made here by its name


class Data(Part):
    """What every source has; the options of a plugin subclass it."""

    opens: ClassVar[Mapping[str, str]] = {}
    """For each `source` that has this part, the class that reads it, as `module:Class`; a plugin fills it in."""
    tells: ClassVar[tuple[Told, ...]] = ()
    """What it tells of an image besides its class."""
    is_drawn: ClassVar[bool] = False
    """Whether its images are drawn, so that figures from them say nothing about photographs."""

    image_size: int = Field(
        32, ge=16, le=512, description="Side of the square images, in pixels; time and disk grow with its square."
    )
    private_classes: Literal["half"] | tuple[ClassName, ...] = Field(
        "half",
        description="Private classes S: a seeded random half, or names; the rest is the public set Q, unless that is a "
        "source of its own (`public`): then all are private that are not left out by name.",
    )
    class_names: Mapping[ClassName, ClassName] = Field({}, description=_ABOUT_NAMES)
    public: "AnyOwnSource | None" = Field(
        None,
        description="A source of its own for the public set Q, all of whose images are public; every class of the "
        "parties is private then, unless `private_classes` names some.",
    )
    heldout: "AnyOwnSource | None" = Field(
        None, description="A source of its own for the held-out images, one for all; of private classes they are taken."
    )
    hold_out: HoldOut | None = Field(
        None,
        description="Of sources without a test split, the one that is dealt and each entity's own: so large a share of "
        "each private class is held out, drawn by the seed; one image at least and never all.",
    )
    group: str | None = Field(None, min_length=1, description=_ABOUT_GROUP)
    broken: Literal["refuse", "skip"] = Field(
        "refuse",
        description="What is done about images that do not decode: nothing is played before all of them are mended, or "
        "they are left out, counted in the report and in the results.",
    )
    task: Literal[tuple(TASKS)] = Field(  # type: ignore[valid-type]
        "classification", description=f"What the network answers: {_ANSWERS}."
    )
    utility_attributes: Annotated[tuple[str, ...], Field(min_length=1)] | None = Field(
        None, description="For `task: attributes`: those that it answers, the first half unless given (CelebA: 20)."
    )
    private_attributes: Annotated[tuple[str, ...], Field(min_length=1)] | None = Field(
        None, description="Attributes to be hidden; for `task: attributes` the last half unless given."
    )
    public_images: int | None = Field(
        None,
        ge=2,
        description="At most so many images of Q for the reconstructor, all unless given; its time grows with them.",
    )
    test_images: int | None = Field(
        None,
        ge=2,
        description="At most so many held-out images of the private classes, all unless given; fewer widen intervals.",
    )
    validation: int | None = Field(
        None,
        ge=2,
        description="So many images of the private classes, of the source's test split, are set apart for choices that "
        "are made by looking (rates, strengths, ranks): no entity has them, and they are not held out.",
    )
    seed: int | None = Field(
        None,
        ge=0,
        lt=2**63,
        description="What is drawn of the data follows from it: classes, subsets, held-out images, drawn pictures; the "
        "scenario's `seed` unless given. Held fixed while `seed` varies, it shows what training alone varies by.",
    )
    score_on: Literal["heldout", "validation"] = Field(
        "heldout",
        description="validation: everything is scored on those in place of the held-out images, and nothing is judged; "
        "`--on validation` is short for it. Choose there, then look at the held-out images once.",
    )
    source: Kind = Field(description="The source plugin.")

    @property
    def is_for_choosing(self) -> bool:
        """Whether a run is scored on validation images, so that nothing may be concluded from it."""
        return self.score_on == "validation"

    @property
    def main_metric(self) -> MainMetric:
        """The figure that says how well the task is done."""
        return TASKS[self.task].main

    @property
    def opened_by(self) -> str:
        """The class that reads these images, as `module:Class`."""
        return self.opens[self.source]

    def source_options(self) -> dict[str, Any]:
        """What that class takes besides image size and seed."""
        return {name: getattr(self, name) for name in type(self).model_fields if name not in Data.model_fields}


@cache
def as_own_source(part: type[Data]) -> type[OwnSource]:
    """The part of a source where it stands beside another: the same keys without those of a scenario's data."""
    keys: dict[str, Any] = {
        name: (field.annotation, field)
        for name, field in part.model_fields.items()
        if name not in Data.model_fields or name == "source"
    }
    made = create_model(f"Own{part.__name__}", __base__=OwnSource, __doc__=part.__doc__, **keys)
    made.part = part
    return made


def _own_source_of(part: type[Data], values: Mapping[str, Any]) -> OwnSource:
    return as_own_source(part).model_construct(**values)


def list_parts(module: str) -> tuple[type[Data], ...]:
    """The parts that a module has, as they stand there: a new one needs no line elsewhere."""
    return tuple(part for part in Data.__subclasses__() if part.__module__ == module)
