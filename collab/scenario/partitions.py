"""How private images are dealt to the entities: the kinds of partition, and what one entity may hold on purpose."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from collab.scenario.base import Name, Part, long_form


class Iid(Part):
    """Every entity has the same share of every class."""

    kind: Literal["iid"] = Field(description="`partition: iid` is short for it.")


class Dirichlet(Part):
    """Label skew (Hsu et al. 2019): each entity draws labels from its own q ~ Dir(alpha p), p the private images'."""

    kind: Literal["dirichlet"] = Field(description="Sizes stay what `share` says; classes differ.")
    alpha: float = Field(
        ge=1e-6, le=1e6, description="Concentration, all classes together: small gives one class each, large no skew."
    )


class Quantity(Part):
    """Quantity skew (Li et al. 2022): shares are drawn; their total and their means stay what `share` says."""

    kind: Literal["quantity"] = Field(description="Classes stay alike; sizes differ.")
    alpha: float = Field(
        ge=1e-6, le=1e6, description="Concentration for each entity: small gives one nearly all, large what was stated."
    )
    least: int | None = Field(
        None,
        ge=2,
        description="Shares are drawn again until everybody has so many images, and one of each class; unless given, a "
        "draw that leaves somebody without a class is an error.",
    )


AnyPartition = Annotated[Iid | Dirichlet | Quantity, Field(discriminator="kind"), BeforeValidator(long_form)]


class Overlap(Part):
    """Images that two entities hold."""

    entity: Name = Field(alias="with", description="Who holds them too; an entity that stands before this one.")
    fraction: float = Field(gt=0, le=1, description="How much of this entity's images they are.")
