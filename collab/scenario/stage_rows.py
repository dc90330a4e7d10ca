"""Rows of results that are not stated as refinements: whose each is, and when there is one. Nothing else lists them."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collab.scenario.model import Refinement, Scenario

LEFT_OUT: Final = "left_out"
LEFT_OUT_OF_ALL: Final = "left_out_of_all"
PRETRAIN: Final = "pretrain"
PUBLIC: Final = "c_public"
RECONSTRUCTOR: Final = "reconstructor"
TRIED: Final = "reconstructor_tried"
RECOGNIZER: Final = "recognizer"
EMBEDDING: Final = "embedding"
TABLES_1_2: Final = "tables_1_2"
PUBLISH: Final = "publish"
DISCLOSURE: Final = "disclosure"
INFERENCE: Final = "inference"
EXPOSURE: Final = "exposure"
WITHDRAW: Final = "withdraw"

VERDICT: Final = "verdict"
"""The row of what became of each expectation; `collab.verdicts.verdicts` makes it of the others."""

OF_CONTROLS: Final = "c_"
OF_ATTACKS: Final = "by "
"""What names of control rows begin with, and those of attacks: `by a1`, who attacks. No stated row has a space."""

Owners = tuple[str, ...] | None
"""The entities that have a row; empty where it is nobody's, None where a scenario has no such row."""


def is_pretraining(scenario: "Scenario", row: "Refinement") -> bool:
    """Whether a row from scratch asks for what pre-training does anyway: same images, same recipe, no weights."""
    is_leaders = row.own == "images" and row.entity == scenario.model.pretrain.leader and scenario.model.weights is None
    return is_leaders and row.epochs is None and row.repeats in (None, 1) and scenario.scratch is None


def _leader(scenario: "Scenario") -> Owners:
    return (scenario.model.pretrain.leader,)


def _everybody(scenario: "Scenario") -> Owners:
    return tuple(entity.name for entity in scenario.entities)


def _publishers(scenario: "Scenario") -> Owners:
    if scenario.federates_only:
        return None
    return tuple(entity.name for entity in scenario.entities if entity.is_publishing_party) or None


def _publishers_of_rows(scenario: "Scenario") -> Owners:
    return tuple(each.name for each in scenario.entities if each.publishes_rows) or None


def _pretraining(scenario: "Scenario") -> Owners:
    """None where a stated row is the pre-training itself: its figures stand in that row."""
    return None if any(is_pretraining(scenario, row) for row in scenario.refinements) else _leader(scenario)


OWNERS: Final[Mapping[str, Callable[["Scenario"], Owners]]] = {
    LEFT_OUT: lambda scenario: _everybody(scenario) if scenario.data.broken == "skip" else None,
    LEFT_OUT_OF_ALL: lambda scenario: () if scenario.data.broken == "skip" else None,
    PRETRAIN: _pretraining,
    PUBLIC: lambda scenario: (),
    RECONSTRUCTOR: lambda scenario: None if scenario.federates_only else _leader(scenario),
    TRIED: lambda scenario: None if scenario.federates_only else _publishers_of_rows(scenario),
    TABLES_1_2: _publishers,
    PUBLISH: _publishers,
    EXPOSURE: lambda scenario: None if scenario.exposure is None else _publishers_of_rows(scenario),
    EMBEDDING: lambda scenario: () if scenario.embeds else None,
    DISCLOSURE: lambda scenario: None if scenario.disclosure is None else _publishers_of_rows(scenario),
    RECOGNIZER: lambda scenario: None if scenario.disclosure is None else (),
    INFERENCE: lambda scenario: None if scenario.inference is None else _publishers_of_rows(scenario),
    WITHDRAW: lambda scenario: tuple(each.name for each in scenario.entities if each.options.leaves_after) or None,
}
"""Whose the rows of stages are; a new stage with a row of its own adds a line."""

RESERVED: Final = frozenset({*OWNERS, VERDICT})
"""Names that no stated row may have."""
