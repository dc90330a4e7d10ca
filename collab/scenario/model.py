"""A scenario: one declared experiment, checked as a whole."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from collab.architectures import ARCHITECTURES
from collab.scenario.parts import (
    AnyData,
    Dpm,
    Entity,
    Expect,
    ImageSchedule,
    Kind,
    Model,
    NoDefense,
    Part,
    Reconstructor,
    Refine,
    Refinement,
    Resources,
    StoreOptions,
)

__all__ = ["Dpm", "Entity", "NoDefense", "Refinement", "Scenario", "mistakes"]

Mistake = tuple[tuple[str | int, ...], str]
"""Where in the scenario, and what is wrong and allowed."""

_SMALL = tuple(name for name, kind in ARCHITECTURES.items() if kind.sides[1] < 512)
_RESERVED = {"oracle", "public", "store", "release", "heldout", "con", "prn", "aux", "nul"} | {
    f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10)
}


class Scenario(Part):
    """One experiment: the three steps of the regime are fixed, the scenario says with what."""

    name: Kind = Field(description="Names the run directories.")
    about: str = Field("", description="What it shows, in a sentence.")
    seed: int = Field(0, ge=0, lt=2**63, description="All randomness follows from it.")
    precision: Literal["auto", "bf16", "fp32"] = Field(
        "auto", description="Type of the arithmetic; auto takes bf16 where hardware multiplies it faster."
    )
    data: AnyData
    model: Model
    scratch: ImageSchedule | None = Field(
        None, description="Schedule of rows from raw images; pretrain's unless given."
    )
    reconstructor: Reconstructor = Reconstructor()
    entities: tuple[Entity, ...] = Field(description="The parties.")
    refine: Refine = Refine()
    refinements: tuple[Refinement, ...] = Field(description="The rows of Table 5.")
    controls: bool = Field(
        True, description="Adds rows that separate causes: own features only, unpoisoned, all poisoned."
    )
    expect: Expect | None = Field(None, description="A table of the papers to stand beside the results.")
    store: StoreOptions = StoreOptions()
    resources: Resources = Resources()


def mistakes(scenario: Scenario) -> Iterator[Mistake]:
    """What is wrong between parts that are each right."""
    yield from _about_entities(scenario)
    yield from _about_model(scenario)
    yield from _about_refinements(scenario)


def _about_entities(scenario: Scenario) -> Iterator[Mistake]:
    if not scenario.entities:
        yield ("entities",), "there is none; at least one entity is needed"
    seen: set[str] = set()
    for index, entity in enumerate(scenario.entities):
        if entity.name.casefold() in seen:
            yield ("entities", index, "name"), f"{entity.name!r} is the name of an entity before it; names differ"
        if entity.name in _RESERVED:
            yield ("entities", index, "name"), f"{entity.name!r} is reserved; choose another"
        seen.add(entity.name.casefold())
    total = sum(entity.share for entity in scenario.entities)
    if total > 1 + 1e-9:
        yield ("entities",), f"the shares add up to {total:g}; entities share no image, so at most 1"


def _about_model(scenario: Scenario) -> Iterator[Mistake]:
    model, kind = scenario.model, ARCHITECTURES[scenario.model.backbone]
    if model.hook not in kind.hooks:
        yield ("model", "hook"), f"{model.backbone} cannot be split at {model.hook!r}; it has {', '.join(kind.hooks)}"
    low, high = kind.sides
    if not low <= scenario.data.image_size <= high:
        yield ("data", "image_size"), f"{model.backbone} takes {low} to {high} px, not {scenario.data.image_size}"
    if model.width is not None and model.backbone not in _SMALL:
        yield ("model", "width"), f"{model.backbone} has fixed widths; only {', '.join(_SMALL)} take `width`"
    names = [entity.name for entity in scenario.entities]
    if model.pretrain.by not in names:
        yield ("model", "pretrain", "by"), f"there is no entity {model.pretrain.by!r}; there are {', '.join(names)}"


def _about_refinements(scenario: Scenario) -> Iterator[Mistake]:
    names = [entity.name for entity in scenario.entities]
    seen: set[str] = set()
    for index, row in enumerate(scenario.refinements):
        at = ("refinements", index)
        if str(row.row) in seen:
            yield (*at, "row"), f"row {row.row} is there already; rows differ"
        if str(row.row).startswith("c_"):
            yield (*at, "row"), "names that start with c_ are those of control rows"
        seen.add(str(row.row))
        if row.entity is not None and row.entity not in names:
            yield (*at, "entity"), f"there is no entity {row.entity!r}; there are {', '.join(names)}"
        for key, others in (("pool", row.pool), ("unpoisoned", row.unpoisoned)):
            for place, other in enumerate(others):
                if other not in names:
                    yield (*at, key, place), f"there is no entity {other!r}; there are {', '.join(names)}"
