"""Plain values that cross an entity's boundary: names and numbers, never tensors.

Axis names used in annotations everywhere: batch channel height width classes.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from collab.errors import BoundaryError

OptimizerName = Literal["sgd", "adam", "adamw", "muon"]
"""The optimizers of a schedule."""

Feature = tuple[int, int, int]
"""Channel, height, width of the features at the hook."""


@dataclass(frozen=True)
class Measure:
    """One number with its interval: a value, a 95 % interval where there is one, and over how many images.

    `answers` is the digest of the file that has what each held-out image got (`collab.store.answers`), where one was
    kept.
    """

    metric: str
    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None
    answers: str | None = None


@dataclass(frozen=True)
class Crossing:
    """One object that crossed an entity's boundary: a line of the ledger.

    `digest` is the sha256 (hex) of its `bytes` bytes; `time`, in seconds since 1970, is set when the ledger is written.
    """

    stage: str
    sender: str
    receiver: str
    kind: str
    digest: str
    bytes: int
    dtype: str
    shape: tuple[int, ...]
    time: float | None = None


EVERYONE = "*"
"""The receiver of what anybody may read, in the ledger."""

MOST_TEXT = 2048
"""Characters of the longest text in a report."""

MOST_BYTES = 1 << 18
"""Bytes of measures and facts of a report, as JSON: thousands of figures, less than the weights of a small module."""


@dataclass(frozen=True)
class Report:
    """What an entity answers after a stage; `facts` are short texts by name, such as why a shard was refused."""

    measures: tuple[Measure, ...] = ()
    crossings: tuple[Crossing, ...] = ()
    facts: dict[str, str] = field(default_factory=dict)

    def content(self) -> bytes:
        """The part of the report that crosses besides its crossings, as JSON that is the same for equal reports."""
        return json.dumps([[vars(each) for each in self.measures], self.facts], sort_keys=True).encode()


def check_report(report: object, entity: str) -> Report:
    """`report`, if it is one of plain values: the gate that every answer of an entity passes.

    Raises BoundaryError, which names the `entity` that answered and where in it lies what is no number or name; of a
    number, name or text no subclass passes, since it could carry anything.
    """
    if type(report) is not Report:
        raise BoundaryError(f"{entity} answered a {type(report).__name__}. A stage answers a collab.types.Report.")
    for trail, value in _leaves(report, "report"):
        if type(value) not in (str, int, float, bool, type(None)):
            raise BoundaryError(
                f"{entity} answered {trail} of type {type(value).__name__}. Only plain numbers and names leave an "
                "entity: `float(x)` of a single number, a file in the private folder for all else."
            )
        if type(value) is str and len(value) > MOST_TEXT:
            raise BoundaryError(
                f"{entity} answered {trail} of {len(value):,} characters; a text has at most {MOST_TEXT}."
            )
    if (size := len(report.content())) > MOST_BYTES:
        raise BoundaryError(
            f"{entity} answered {size:,} bytes of measures and facts; a report has at most {MOST_BYTES:,}. "
            "What needs more is no report: keep it in the private folder."
        )
    return report


def _leaves(value: Any, trail: str) -> Iterator[tuple[str, Any]]:
    if type(value) in (Report, Measure, Crossing):
        for each in fields(value):
            yield from _leaves(getattr(value, each.name), f"{trail}.{each.name}")
    elif type(value) in (tuple, list):
        for index, each in enumerate(value):
            yield from _leaves(each, f"{trail}[{index}]")
    elif type(value) is dict:
        for key, each in value.items():
            yield f"{trail} (a key)", key
            yield from _leaves(each, f"{trail}[{key!r}]")
    else:
        yield trail, value
