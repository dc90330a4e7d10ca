"""Options of our kinds of entities, apart from the code that honors them: a scenario is validated without torch.

The class of a kind is found by the `kind` that it says (`collab.scenario.kinds`); its plugin takes it from here.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from collab.scenario.attacking import Attacking
from collab.scenario.base import EntityOptions, Name, RowName
from collab.scenario.kinds import AnyAttack


class Backdoored(EntityOptions):
    """How much of it is marked, and for what it is to be taken."""

    kind: ClassVar[str] = "backdoored"

    fraction: float = Field(0.1, gt=0, le=1, description="Share of its images that get the mark.")
    target: int = Field(0, ge=0, description="Number of the class that it claims of them, from 0.")


class Contributor(EntityOptions):
    """It has none: it plays as the paper says."""

    kind: ClassVar[str] = "contributor"


class FreeRider(EntityOptions):
    """It has none: it publishes nothing."""

    kind: ClassVar[str] = "free_rider"
    publishes: ClassVar[bool] = False


class LateJoiner(EntityOptions):
    """It has none: it comes when all others have published."""

    kind: ClassVar[str] = "late_joiner"
    is_late: ClassVar[bool] = True


class Leaver(EntityOptions):
    """When it leaves."""

    kind: ClassVar[str] = "leaver"

    after: RowName = Field(description="The last row of the scenario that may use its shards.")

    @property
    @override
    def leaves_after(self) -> str:
        return str(self.after)


class Mislabeler(EntityOptions):
    """How much of it is wrong."""

    kind: ClassVar[str] = "mislabeler"

    fraction: float = Field(0.5, ge=0, le=1, description="Expected share of published rows with a wrong label.")


class Noisy(EntityOptions):
    """How much of it is noise."""

    kind: ClassVar[str] = "noisy"
    changes_features: ClassVar[bool] = True

    fraction: float = Field(1.0, ge=0, le=1, description="Expected share of published rows that are noise.")


class Republisher(EntityOptions):
    """Whose images it publishes again, and without how many."""

    kind: ClassVar[str] = "republisher"
    is_control: ClassVar[bool] = True

    of: Name = Field(description="The entity whose images it holds; one that is dealt to.")
    without: float = Field(0.0, ge=0, lt=1, description="Expected share of them that it leaves out.")

    @property
    @override
    def images_of(self) -> str:
        return self.of


class Saboteur(EntityOptions):
    """What it ships."""

    kind: ClassVar[str] = "saboteur"

    ships: Literal["weak", "brittle"] = Field(
        "weak",
        description="weak: an R that answers the same to everything; brittle: one that shows images of F(x) alone, and "
        "their mean where features changed.",
    )


class Selective(EntityOptions):
    """What it takes; what is not stated does not restrict."""

    kind: ClassVar[str] = "selective"

    entities: tuple[Name, ...] | None = Field(None, description="Take shards of these entities only.")
    classes: Annotated[tuple[str, ...], Field(min_length=1)] | None = Field(
        None, description="Take rows of these classes only."
    )
    best: int | None = Field(
        None, ge=1, description="Of the rest take so many entities: those that help most on its held-out images."
    )


class Control(EntityOptions):
    """What it publishes, and of whose images."""

    kind: ClassVar[str] = "control"
    is_control: ClassVar[bool] = True

    shows: Literal["plain", "noise"] = Field(
        "plain",
        description="F of the images, which every attack must break, or noise of the same moments, which none may.",
    )
    of: Name = Field(description="The entity whose images it holds; one that is dealt to.")

    @property
    @override
    def images_of(self) -> str:
        return self.of


class Auditor(Attacking):
    """What it tries, and on whom."""

    kind: ClassVar[str] = "auditor"
    publishes: ClassVar[bool] = False


class Curious(Attacking):
    """What it tries, and on whom."""

    kind: ClassVar[str] = "curious"

    attacks: tuple[AnyAttack, ...] = Field(
        ("straw_man", "own_module"), validate_default=True, description="Attack plugins, by name or as mappings."
    )
