r"""A number with its interval, as a value that can be subtracted, averaged, compared and printed.

`Figure(0.6, 0.51, 0.69, 120) - Figure(0.5, 0.41, 0.59, 120)` is 0.1 from -0.03 to 0.23: the intervals are squared and
added, whatever the two figures are of.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from scipy.special import stdtrit


@dataclass(frozen=True)
class Figure:
    """A number, the ends of its 95 % interval, and what it is a mean over: `n` images, victims or seeds.

    An end is None where there is no interval: one seed says nothing of others. The interval need not be symmetric.
    """

    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None

    def __neg__(self) -> "Figure":
        return -1.0 * self

    def __rmul__(self, factor: float) -> "Figure":
        """`factor` times the number; below 0 the ends of the interval change places."""
        if self.low is None or self.high is None:
            return Figure(factor * self.value, n=self.n)
        low, high = factor * self.low, factor * self.high
        return Figure(factor * self.value, min(low, high), max(low, high), self.n)

    def __sub__(self, other: "Figure") -> "Figure":
        r"""The difference of two figures, as if their errors were independent.

        $$ d - \sqrt{(v_1 - l_1)^2 + (h_2 - v_2)^2} \;\le\; \delta \;\le\; d + \sqrt{(h_1 - v_1)^2 + (v_2 - l_2)^2} $$

        Newcombe (1998), square-and-add: `add_figures` of this and of the other turned over. Figures of one run share
        their held-out images, so the true interval is narrower: what is called clear here is clear.
        """
        return _square_and_add(self.value - other.value, (self, -other))

    @property
    def reach(self) -> float | None:
        """Half of the interval; None without one."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2

    @property
    def direction(self) -> int:
        """1 or -1 where the whole interval lies on one side of zero, else 0: nothing can be said."""
        return int(self.is_above(0.0)) - int((-self).is_above(0.0))

    def is_above(self, other: "Figure | float") -> bool:
        """Whether the whole interval lies above a number, or above the whole interval of another figure.

        False where either has no interval: nothing is known then. A difference tells more of two figures than this.
        """
        floor = other.high if isinstance(other, Figure) else other
        return self.low is not None and floor is not None and self.low > floor

    def within(self, low: float, high: float) -> "Figure":
        """The same number with its interval cut off, where a quantity cannot leave a range."""
        if self.low is None or self.high is None:
            return self
        return Figure(self.value, max(self.low, low), min(self.high, high), self.n)

    def format(self, scale: float = 1.0, digits: int = 3, *, sign: str = "") -> str:
        """`scale` times the number with half of its interval: `71.4 ±1.2`, and `+71.4 ±1.2` with `sign` a plus."""
        value = f"{scale * self.value:{sign}.{digits}f}"
        return value if self.reach is None else f"{value} ±{scale * self.reach:.{digits}f}"

    def format_ends(self, scale: float = 1.0, form: str = ".2f", *, between: str = " to ") -> str:
        """`scale` times the ends of the interval, such as `69.0 to 73.8`; nothing without one."""
        if self.low is None or self.high is None:
            return ""
        return f"{scale * self.low:{form}}{between}{scale * self.high:{form}}"

    def __str__(self) -> str:
        """The number with the ends of its interval: `0.04 [0.03, 0.05]`."""
        ends = self.format_ends(between=", ")
        return f"{self.value:.2f} [{ends}]" if ends else f"{self.value:.2f}"


def add_figures(figures: Sequence[Figure]) -> Figure:
    r"""$v = \sum_i v_i$, its interval made from theirs (MOVER: Zou and Donner 2008).

    $$ l = v - \sqrt{\sum_i (v_i - l_i)^2}, \qquad u = v + \sqrt{\sum_i (u_i - v_i)^2} $$

    It takes all of them for independent; without the interval of one there is none of the sum. `n` is the least of
    theirs.
    """
    return _square_and_add(sum(figure.value for figure in figures), figures)


def average(values: Sequence[float]) -> Figure:
    r"""$\bar v \pm t_{n-1} \, s / \sqrt n$ (Student) for independent normal `values`; of one, no interval."""
    middle, reach, count = statistics.fmean(values), _reach_of_mean(values), len(values)
    return Figure(middle, n=count) if reach is None else Figure(middle, middle - reach, middle + reach, count)


def average_groups(groups: Sequence[Figure]) -> Figure:
    r"""The mean over groups, in whose interval groups vary, and images within them.

    $$ \bar v - \sqrt{\tfrac{1}{k^2} \sum_i (v_i - l_i)^2 + (t_{k-1} \, s / \sqrt k)^2} $$

    below, and above likewise: the ends of the groups' own intervals, squared and added (Zou and Donner 2008), and
    Student's reach of the mean of $k$ groups that differ by $s$. With two groups $t$ is 12.7, not 1.96: two say little
    of a third. `n` is $k$.
    """
    values, share = [group.value for group in groups], 1 / len(groups)
    between = _reach_of_mean(values) or 0.0
    errors = [*(share * group for group in groups), Figure(0.0, -between, between)]
    return replace(_square_and_add(statistics.fmean(values), errors), n=len(groups))


def _reach_of_mean(values: Sequence[float], level: float = 0.95) -> float | None:
    count = len(values)
    if count < 2:
        return None
    return float(stdtrit(count - 1, (1 + level) / 2)) * statistics.stdev(values) / math.sqrt(count)


def _square_and_add(value: float, figures: Sequence[Figure]) -> Figure:
    """`value` with the distances of the figures' ends from their numbers, squared and added."""
    counts = [figure.n for figure in figures if figure.n is not None]
    least = min(counts, default=None)
    below, above = list[float](), list[float]()
    for figure in figures:
        if figure.low is None or figure.high is None:
            return Figure(value, n=least)
        below.append(figure.value - figure.low)
        above.append(figure.high - figure.value)
    return Figure(value, value - math.hypot(*below), value + math.hypot(*above), least)
