"""Means over the victims of an attack, with intervals in which victims and their images vary."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy.stats import t as student

from collab.metric import MetricName
from collab.results.table import Row

Scored = Mapping[str, Row]
"""What one adversary's attack on one victim scored: results by metric."""


@dataclass(frozen=True)
class Score:
    """A mean over victims with a 95 % interval, in which images of a victim and victims vary; None: no interval."""

    value: float
    low: float | None
    high: float | None

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.value:.2f}"
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


def pooled(victims: Sequence[Scored], metric: str) -> Score | None:
    r"""The mean of a metric over `victims`, of those that have it; None if none has.

    $$ \bar v - \sqrt{\tfrac{1}{k^2} \sum_i (v_i - l_i)^2 + (t_{k-1} \, s / \sqrt k)^2} $$

    below, and above likewise: the ends of the victims' own intervals, squared and added (Zou and Donner 2008), and
    Student's reach of the mean of $k$ victims that differ by $s$. With two victims $t$ is 12.7, not 1.96: two say
    little of a third. The interval of a share is cut off at 0 and at 1.
    """
    rows = [each[metric] for each in victims if metric in each and each[metric].value is not None]
    if not rows:
        return None
    values, count = [row.value or 0.0 for row in rows], len(rows)
    mean = sum(values) / count
    if any(row.low is None or row.high is None for row in rows):
        return Score(mean, None, None)
    between = 0.0
    if count > 1:
        deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / (count - 1))
        between = float(student.ppf(0.975, count - 1)) * deviation / math.sqrt(count)
    down, up = (
        math.hypot(between, *(((end or 0.0) - value) / count for end, value in zip(ends, values, strict=True)))
        for ends in ([row.low for row in rows], [row.high for row in rows])
    )
    low, high = mean - down, mean + up
    return Score(mean, max(low, 0.0), min(high, 1.0)) if MetricName.parse(metric).is_share else Score(mean, low, high)
