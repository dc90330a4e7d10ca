"""One rule for every expectation: what was found lies where it should, or is off by so much, with its interval."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from collab.results import paired
from collab.results.figure import ONE_SIDED, Figure, reject_in_family
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
        freedom = len(result.of_seeds) - 1 if len(result.of_seeds) > 1 else math.inf
        figure = Figure(result.value, result.low, result.high, result.n, freedom=freedom)
        return cls._of_figure(figure, result.seed)

    @classmethod
    def _of_figure(cls, made: Figure, seed: int | None) -> "Found":
        low, high = (made.value if end is None else end for end in (made.low, made.high))
        return cls(made.value, min(low, made.value), max(high, made.value), made.n, seed, freedom=made.freedom)


@dataclass(frozen=True)
class Region:
    """Where a number should lie, both ends included; `is_strict`: strictly between them."""

    low: float = -math.inf
    high: float = math.inf
    is_strict: bool = False

    def distance(self, value: float) -> float:
        """How far `value` is from it; 0 inside."""
        return max(self.low - value, value - self.high, 0.0)

    def contains(self, found: Found) -> bool:
        """Whether the whole interval of a number lies inside."""
        if self.is_strict:
            return self.low < found.low and found.high < self.high
        return self.low <= found.low and found.high <= self.high

    def chance_inside(self, found: Found) -> float:
        """One-sided p: how likely a number so far outside is where the true one lies at the nearer end; 1 inside."""
        below, above = found.value < self.low, found.value > self.high
        if not below and not above:
            return 1.0
        return found.chance_above(self.high) if above else (-found).chance_above(-self.low)


MARGIN = 0.01
"""By how much two numbers may differ and still be called equal: a point of accuracy, .01 of a score or similarity.

Half of what poisoning may cost by our reading of Table 1. Without a margin equal numbers could never be shown equal."""

ABOVE = Region(low=0.0, is_strict=True)
AT_LEAST = Region(low=0.0)
NOT_BELOW = Region(low=-MARGIN)

UNDECIDED = "undecided"


@dataclass(frozen=True)
class Comparison:
    """What is expected of one number, what the paper has, and what was found, or why there is nothing to judge.

    `is_due`: the scenario plays what is `missing`, so that its absence is a failure and not a choice. `level` is the
    chance of a one-sided error at which the number contradicts: `judge_family` lowers it where a claim has several.
    """

    expected: str
    region: Region
    found: Found | None
    paper: float | None = None
    is_points: bool = False
    missing: str = ""
    is_due: bool = True
    incomparable: str = ""
    level: float = ONE_SIDED

    @property
    def has_failed(self) -> bool:
        """The number contradicts, or something that this run should have measured is not there."""
        return self.verdict.startswith("off by") or (self.verdict.startswith("not measured") and self.is_due)

    @property
    def verdict(self) -> str:
        """`holds`, `undecided`, `off by x`, `not comparable: why` or `not measured: what`.

        It `holds` where the whole 95 % interval lies inside the region: equivalence is shown, not assumed (TOST,
        Schuirmann 1987), and fewer images never make it hold. It is `off by x` where the whole interval lies outside, x
        being how far the value itself is, and the number contradicts at `level` as well. All else is undecided.
        """
        if self.incomparable:
            return f"not comparable: {self.incomparable}"
        if self.found is None:
            return f"not measured: {self.missing}"
        found, region = self.found, self.region
        if region.contains(found):
            return "holds"
        is_apart = found.high < region.low or found.low > region.high
        if not is_apart or region.chance_inside(found) > self.level:
            return UNDECIDED
        off = region.distance(found.value)
        return f"off by {100 * off:.2g} points" if self.is_points else f"off by {off:.2g}"


def judge_family(comparisons: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """The same comparisons with levels that are corrected for their number (Holm).

    A claim is read as one sentence and fails with its worst line, so twenty lines would contradict by chance twenty
    times as often as one. A claim holds only where each line does, which needs no correction.
    """
    judged = [at for at, each in enumerate(comparisons) if each.found is not None and not each.incomparable]
    chances = [each.region.chance_inside(each.found) for at in judged if (each := comparisons[at]).found is not None]
    level_of = dict(zip(judged, reject_in_family(chances), strict=True))
    return tuple(each if level_of.get(at, True) else replace(each, level=0.0) for at, each in enumerate(comparisons))


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
    """The sum of factors times rows, paired by held-out image where that is known: see `collab.results.paired`."""
    exact = [(factor, None if row is None else _with_ends(row)) for factor, row in terms]
    made, first = paired.combine(exact), terms[0][1]
    return None if made is None or first is None else Found._of_figure(made, first.seed)


def _with_ends(row: Result) -> Result:
    """A number that has no interval is exact."""
    return replace(row, low=row.value if row.low is None else row.low, high=row.value if row.high is None else row.high)
