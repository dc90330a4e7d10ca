"""Numbers as a person reads them, and what two of them say about each other."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from collab.results.table import Row
from collab.tasks import MainMetric


@dataclass(frozen=True)
class Difference:
    """A value minus another, with the bounds of its 95 % interval, where both have one."""

    value: float
    low: float | None
    high: float | None

    @property
    def direction(self) -> int:
        """1 or -1 where the whole interval lies on one side of zero, else 0: nothing can be said."""
        if self.low is None or self.high is None:
            return 0
        return int(self.low > 0) - int(self.high < 0)


def difference(row: Row, other: Row) -> Difference | None:
    r"""`row` minus `other`, as if their errors were independent; None if either has no value.

    $$ d - \sqrt{(v_1 - l_1)^2 + (h_2 - v_2)^2} \;\le\; \delta \;\le\; d + \sqrt{(h_1 - v_1)^2 + (v_2 - l_2)^2} $$

    Newcombe (1998), square-and-add. Rows of one run share their held-out images, so the true interval is narrower: what
    is called clear here is clear.
    """
    if row.value is None or other.value is None:
        return None
    value = row.value - other.value
    if row.low is None or row.high is None or other.low is None or other.high is None:
        return Difference(value, None, None)
    down = math.hypot(row.value - row.low, other.high - other.value)
    up = math.hypot(row.high - row.value, other.value - other.low)
    return Difference(value, value - down, value + up)


def gained(main: MainMetric, row: Row, other: Row) -> Difference | None:
    """How much better `row` is than `other` by the main metric; errors that fall are gains."""
    return difference(row, other) if main.is_higher_better else difference(other, row)


def best(main: MainMetric, rows: Sequence[Row | None]) -> Row | None:
    """The best of the rows that have a value; of equal ones the first."""
    known = [row for row in rows if row is not None and row.value is not None]
    return max(known, key=lambda row: main.sign * (row.value or 0), default=None)


def signed(change: Difference | None, scale: float = 1.0, digits: int = 1) -> str:
    """A difference with half of its interval: `+4.1 ±3.0`; a dash for none."""
    if change is None:
        return "—"
    told = f"{scale * change.value:+.{digits}f}"
    if change.low is None or change.high is None:
        return told
    return f"{told} ±{scale * (change.high - change.low) / 2:.{digits}f}"


def size(count: float) -> str:
    """Bytes in the decimal unit that leaves few digits: `9.8 MB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:,.0f} {unit}" if unit == "bytes" or count >= 99.5 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:,.1f} TB"


def duration(seconds: float) -> str:
    """`0.4 s`, `37 s`, `4 min 12 s`, `2 h 5 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def listed(names: Sequence[str], most: int = 6) -> str:
    """`a1, a2 and a3`; beyond `most`, how many there are."""
    if len(names) > most:
        return f"{', '.join(names[: most - 1])} and {len(names) - most + 1} others"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else list(names))


def basis(rows: Sequence[Row]) -> str:
    """What figures rest on: n, seed, kind of interval, and what measuring them took.

    A stage that measured several rows is counted once: its rows hold the same time, to the last digit of a clock.
    """
    measured = [row for row in rows if row.value is not None]
    counts = sorted({row.n for row in measured if row.n})
    seeds = sorted({row.seed for row in measured if row.seed is not None})
    told = []
    if counts:
        told.append("n = " + (f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}") + " images")
    if seeds:
        told.append(f"seed {', '.join(map(str, seeds))}")
    if any(row.low is not None for row in measured):
        told.append("± is half of the 95 % interval over images")
    stages = {(row.seconds, row.device) for row in measured if row.seconds is not None}
    cost = f" Cost: {duration(sum(seconds for seconds, _ in stages if seconds))} in the stages that measured it."
    return (("; ".join(told) + "." if told else "") + (cost if stages else "")).strip()
