"""Plain values that cross an entity's boundary: names and numbers, never tensors.

Axis names used in annotations everywhere: batch channel height width classes.
"""

from dataclasses import dataclass, field

Feature = tuple[int, int, int]
"""Channel, height, width of the features at the hook."""


@dataclass(frozen=True)
class Measure:
    """One number with its interval: a value, a 95 % interval where there is one, and over how many images."""

    metric: str
    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None


@dataclass(frozen=True)
class Crossing:
    """One object that crossed an entity's boundary: a line of the ledger."""

    stage: str
    sender: str
    receiver: str
    kind: str
    digest: str
    bytes: int
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Report:
    """What an entity answers after a stage."""

    measures: tuple[Measure, ...] = ()
    crossings: tuple[Crossing, ...] = ()
    facts: dict[str, str] = field(default_factory=dict)
