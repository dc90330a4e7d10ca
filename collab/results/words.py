"""Numbers as a person reads them, and what two of them say about each other."""

from collections.abc import Sequence

from collab.results.figure import Figure
from collab.results.table import Result
from collab.tasks import MainMetric


def difference(row: Result, other: Result) -> Figure | None:
    """`row` minus `other`, as if their errors were independent; None if either has no value."""
    return row.figure - other.figure if row.figure is not None and other.figure is not None else None


def gained(main: MainMetric, row: Result, other: Result) -> Figure | None:
    """How much better `row` is than `other` by the main metric; errors that fall are gains."""
    return difference(row, other) if main.is_higher_better else difference(other, row)


def best(main: MainMetric, rows: Sequence[Result | None]) -> Result | None:
    """The best of the rows that have a value; of equal ones the first."""
    known = [row for row in rows if row is not None and row.value is not None]
    return max(known, key=lambda row: main.sign * (row.value or 0), default=None)


def signed(change: Figure | None, scale: float = 1.0, digits: int = 1) -> str:
    """A difference with half of its interval: `+4.1 ±3.0`; a dash for none."""
    return "—" if change is None else change.told(scale, digits, sign="+")


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


def basis(rows: Sequence[Result]) -> str:
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
