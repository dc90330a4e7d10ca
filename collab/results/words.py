"""Numbers as a person reads them, and what two of them say about each other."""

from collections.abc import Sequence

from collab.results.figure import Figure
from collab.results.paired import subtract
from collab.results.table import Result
from collab.tasks import MainMetric

FOR_CHOOSING = (
    "Scored on validation images, which stand here in the place of held-out ones: to choose by, not to conclude from. "
    "No expectation is judged."
)


def measure_gain(main: MainMetric, result: Result | None, other: Result | None) -> Figure | None:
    """How much better `result` is than `other` by the main metric; errors that fall are gains."""
    return subtract(result, other) if main.is_higher_better else subtract(other, result)


def pick_best(main: MainMetric, results: Sequence[Result | None]) -> Result | None:
    """The best of the results that have a value; of equal ones the first."""
    valued = [result for result in results if result is not None and result.value is not None]
    return max(valued, key=lambda result: main.sign * (result.value or 0), default=None)


def format_signed(change: Figure | None, scale: float = 1.0, digits: int = 1) -> str:
    """A difference with half of its interval: `+4.1 ±3.0`; a dash for none."""
    return "—" if change is None else change.format(scale, digits, sign="+")


def format_size(count: float) -> str:
    """Bytes in the decimal unit that leaves few digits: `9.8 MB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:,.0f} {unit}" if unit == "bytes" or count >= 99.5 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:,.1f} TB"


def format_duration(seconds: float) -> str:
    """`0.4 s`, `37 s`, `4 min 12 s`, `2 h 5 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def join_names(names: Sequence[str], most: int = 6) -> str:
    """`a1, a2 and a3`; beyond `most`, how many there are."""
    if len(names) > most:
        return f"{', '.join(names[: most - 1])} and {len(names) - most + 1} others"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else list(names))


def state_basis(results: Sequence[Result]) -> str:
    """What figures rest on: n, seed, kind of interval, and what measuring them took.

    A stage that measured several results is counted once: they hold the same time, to the last digit of a clock.
    """
    measured = [result for result in results if result.value is not None]
    counts = [result.n for result in measured if result.n]
    seeds = sorted({result.seed for result in measured if result.seed is not None})
    parts = []
    if counts:
        least, most = min(counts), max(counts)
        parts.append(f"n = {least:,} images" if least == most else f"n = {least:,} to {most:,} images")
    if seeds:
        parts.append(f"seed {', '.join(map(str, seeds))}")
    if any(result.low is not None for result in measured):
        parts.append("± is half of the 95 % interval over images")
    sentences = [f"{'; '.join(parts)}."] if parts else []
    stages = {(result.seconds, result.device) for result in measured if result.seconds is not None}
    if stages:
        seconds = sum(seconds or 0.0 for seconds, _ in stages)
        sentences.append(f"Cost: {format_duration(seconds)} in the stages that measured it.")
    return " ".join(sentences)
