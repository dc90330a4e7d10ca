"""One rule for every expectation: what was found lies where it should, or is off by so much, with its interval."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from collab.results.figure import Figure, add_figures
from collab.results.table import Result


@dataclass(frozen=True)
class Found(Figure):
    """A measured number with the bounds of its 95 % interval, over how many images, and of which seed."""

    low: float
    high: float
    seed: int | None = None

    @classmethod
    def of(cls, result: Result | None) -> "Found | None":
        """The number of a result row; what has no interval is exact; None for what was not measured."""
        if result is None or result.value is None or not math.isfinite(result.value):
            return None
        low, high = (result.value if bound is None else bound for bound in (result.low, result.high))
        return cls(result.value, min(low, result.value), max(high, result.value), result.n, result.seed)


@dataclass(frozen=True)
class Region:
    """Where a number should lie, both ends included; `is_strict`: beyond its interval, which must lie inside whole."""

    low: float = -math.inf
    high: float = math.inf
    is_strict: bool = False

    def distance(self, value: float) -> float:
        """How far `value` is from it; 0 inside."""
        return max(self.low - value, value - self.high, 0.0)


ABOVE = Region(low=0.0, is_strict=True)
NOT_BELOW = Region(low=0.0)


@dataclass(frozen=True)
class Comparison:
    """What is expected of one number, what the paper has, and what was found, or why there is nothing to judge.

    `is_due`: the scenario plays what is `missing`, so that its absence is a failure and not a choice.
    """

    expected: str
    region: Region
    found: Found | None
    paper: float | None = None
    is_points: bool = False
    missing: str = ""
    is_due: bool = True
    incomparable: str = ""

    @property
    def has_failed(self) -> bool:
        """The whole interval lies outside, or something that this run should have measured is not there."""
        return self.verdict.startswith("off by") or (self.verdict.startswith("not measured") and self.is_due)

    @property
    def verdict(self) -> str:
        """`holds`, `holds within the interval`, `undecided`, `off by x`, `not comparable: why` or `not measured: what`.

        `off by x` needs the whole 95 % interval outside of the region; x is how far the value itself is from it. A
        value outside whose interval reaches in `holds within the interval`. A strict region needs the whole interval
        inside to hold; an interval across its edge leaves it undecided.
        """
        if self.incomparable:
            return f"not comparable: {self.incomparable}"
        if self.found is None:
            return f"not measured: {self.missing}"
        found, region = self.found, self.region
        is_clear = region.low < found.low and found.high < region.high
        is_apart = found.high < region.low or found.low > region.high
        if is_apart:
            off = region.distance(found.value)
            return f"off by {100 * off:.2g} points" if self.is_points else f"off by {off:.2g}"
        if region.is_strict and not is_clear:
            return "undecided"
        return "holds" if region.distance(found.value) == 0 else "holds within the interval"


@dataclass(frozen=True)
class Claim:
    """A claim by name, the sentence it rests on, and what it comes to here."""

    name: str
    sentence: str
    comparisons: tuple[Comparison, ...]


def subtract(a: Result | None, b: Result | None, times: float = 1.0) -> Found | None:
    r"""$a - t\,b$ with its interval, $t$ = `times`; None where either was not measured."""
    return combine([(1.0, a), (-times, b)])


def combine(terms: Sequence[tuple[float, Result | None]]) -> Found | None:
    """The sum of factors times rows, with the interval that `add_figures` makes of theirs.

    Rows of one run are scored on the same images, where they tend to be right or wrong together, so the interval of a
    difference is too wide rather than too narrow.
    """
    known = [(factor, found) for factor, row in terms if (found := Found.of(row)) is not None]
    if len(known) < len(terms):
        return None
    made = add_figures([factor * found for factor, found in known])
    low, high = (made.value if end is None else end for end in (made.low, made.high))
    return Found(made.value, low, high, made.n, known[0][1].seed)
