r"""A number with its interval, as a value that can be subtracted, averaged, compared and printed.

`Figure(0.6, 0.51, 0.69, 120) - Figure(0.5, 0.41, 0.59, 120)` is 0.1 from -0.03 to 0.23: the intervals are squared and
added, whatever the two figures are of. Two rows that are scored on the same images are subtracted image by image
instead: see `collab.results.paired`.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from collab.metrics.paired import student_quantile

ONE_SIDED = 0.025
"""The chance of a one-sided error that a 95 % interval leaves."""


@dataclass(frozen=True)
class Figure:
    """A number, the ends of its 95 % interval, and what it is a mean over: `n` images, victims or seeds.

    An end is None where there is no interval: one seed says nothing of others. The interval need not be symmetric.
    `freedom` are the degrees of freedom of the deviation that it was made of: few where few seeds differ.
    """

    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None
    freedom: float = field(default=math.inf, kw_only=True)

    def __neg__(self) -> "Figure":
        return -1.0 * self

    def __rmul__(self, factor: float) -> "Figure":
        """`factor` times the number; below 0 the ends of the interval change places."""
        if self.low is None or self.high is None:
            return Figure(factor * self.value, n=self.n)
        low, high = factor * self.low, factor * self.high
        return Figure(factor * self.value, min(low, high), max(low, high), self.n, freedom=self.freedom)

    def __sub__(self, other: "Figure") -> "Figure":
        r"""The difference of two figures, as if their errors were independent.

        $$ d - \sqrt{(v_1 - l_1)^2 + (h_2 - v_2)^2} \;\le\; \delta \;\le\; d + \sqrt{(h_1 - v_1)^2 + (v_2 - l_2)^2} $$

        Newcombe (1998), square-and-add: `add_figures` of this and of the other turned over. Of figures about the same
        images the true interval is narrower.
        """
        return _square_and_add(self.value - other.value, (self, -other))

    @property
    def reach(self) -> float | None:
        """Half of the interval; None without one."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2

    @property
    def arms(self) -> tuple[float, float] | None:
        """How far the interval reaches below and above the number; None without one."""
        return None if self.low is None or self.high is None else (self.value - self.low, self.high - self.value)

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
        return replace(self, low=max(self.low, low), high=min(self.high, high))

    def chance_above(self, floor: float) -> float:
        """One-sided p: how likely so high a value is where the true one is `floor`; 1 without an interval.

        It is .025 where the lower end of the 95 % interval is `floor`. The interval has the shape of Student's with
        `freedom`; a number whose interval has no width is exact.
        """
        if self.low is None:
            return 1.0
        reach = self.value - self.low
        if reach <= 0:
            return float(self.value <= floor)
        from scipy.special import stdtr  # as in `student_quantile`

        return float(stdtr(min(self.freedom, 1e9), -student_quantile(self.freedom) * (self.value - floor) / reach))

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
    middle, count = statistics.fmean(values), len(values)
    if count < 2:
        return Figure(middle, n=count)
    reach = _reach_of_mean(count, statistics.stdev(values), count - 1)
    return Figure(middle, middle - reach, middle + reach, count, freedom=count - 1)


@dataclass(frozen=True)
class Deviation:
    """How far seeds differ, estimated with so many degrees of freedom from several places that should be alike."""

    value: float
    freedom: int


def pool_deviations(groups: Sequence[Sequence[float]]) -> Deviation | None:
    r"""$s^2 = \sum_j \sum_i (v_{ij} - \bar v_j)^2 / \sum_j (k_j - 1)$ over `groups` of values; None if none has two.

    Two seeds say little of a third. Two seeds at each of six points of a curve say as much as seven at one, if seeds
    differ alike everywhere.
    """
    freedom = sum(len(group) - 1 for group in groups)
    if freedom < 1:
        return None
    squares = sum((value - statistics.fmean(group)) ** 2 for group in groups for value in group)
    return Deviation(math.sqrt(squares / freedom), freedom)


def average_groups(
    groups: Sequence[Figure], deviation: Deviation | None = None, *, share_images: bool = False
) -> Figure:
    r"""The mean over groups (seeds), whose interval knows of images and of groups together; `n` is their number $k$.

    Student's interval of the groups' values, $\bar v \pm t \, s / \sqrt k$, has the noise of images in it if each group
    has images of its own. It is never taken to be narrower than that noise alone, $\sqrt{\sum_i r_i^2} / k$ of their
    half widths. With the same images in all groups (`share_images`) that noise is common to them and not in $s$: both
    are squared and added, the images' as it is in one group. `deviation` replaces $s$ and its degrees of freedom, $k -
    1$, by an estimate from more groups than these. One group without it stays as it is.
    """
    count, share = len(groups), 1 / len(groups)
    value = statistics.fmean(group.value for group in groups)
    own = add_figures([share * group for group in groups])
    spread = deviation or pool_deviations([[group.value for group in groups]])
    between = 0.0 if spread is None else _reach_of_mean(count, spread.value, spread.freedom)
    if own.low is None or own.high is None:
        own = replace(own, low=value, high=value) if count > 1 else own
    if own.low is None or own.high is None:
        return Figure(value, n=count)
    below, above = value - own.low, own.high - value
    if share_images:
        root = math.sqrt(count)  # the mean square of the half widths
        below, above = math.hypot(between, root * below), math.hypot(between, root * above)
    is_of_groups = between > min(below, above) or share_images
    freedom = spread.freedom if spread is not None and is_of_groups else math.inf
    return Figure(value, value - max(below, between), value + max(above, between), count, freedom=freedom)


def reject_in_family(chances: Sequence[float], level: float = ONE_SIDED) -> list[bool]:
    """Which of a family of one-sided tests speak against chance (Holm 1979): so, in all, wrongly at most at `level`.

    The smallest p is held against `level` over the number of tests, the next against `level` over one test fewer, ...,
    until one is too large.
    """
    rejected = [False] * len(chances)
    for rank, at in enumerate(sorted(range(len(chances)), key=lambda at: chances[at])):
        if chances[at] > level / (len(chances) - rank):
            break
        rejected[at] = True
    return rejected


def _reach_of_mean(count: int, deviation: float, freedom: float) -> float:
    return student_quantile(freedom) * deviation / math.sqrt(count)


def _square_and_add(value: float, figures: Sequence[Figure]) -> Figure:
    """`value` with the distances of the figures' ends from their numbers, squared and added."""
    counts = [figure.n for figure in figures if figure.n is not None]
    least, freedom = min(counts, default=None), min((figure.freedom for figure in figures), default=math.inf)
    arms = [figure.arms for figure in figures if figure.arms is not None]
    if len(arms) < len(figures):
        return Figure(value, n=least)
    below, above = (math.hypot(*(arm[end] for arm in arms)) for end in (0, 1))
    return Figure(value, value - below, value + above, least, freedom=freedom)
