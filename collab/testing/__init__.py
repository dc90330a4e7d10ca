"""The conformance kit: what every plugin must keep, tried on small scenarios of drawn images in this process."""

from collab.testing.controls import Check
from collab.testing.kit import (
    MOST_TIMES,
    Checks,
    check_all,
    check_attack,
    check_backbone,
    check_defense,
    check_entity,
    check_metric,
    check_source,
    check_tracker,
)

__all__ = [
    "MOST_TIMES",
    "Check",
    "Checks",
    "check_all",
    "check_attack",
    "check_backbone",
    "check_defense",
    "check_entity",
    "check_metric",
    "check_source",
    "check_tracker",
]
