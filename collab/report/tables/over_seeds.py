"""Tables of a sweep: what sharing brings over seeds, every mean of the main metric, and what failed."""

from collections.abc import Iterable, Sequence

from collab.report.cells import Table, text
from collab.results.aggregate import Mean
from collab.results.gains import gain_metric, largest_pool, reference_in_words
from collab.scenario.model import Refinement
from collab.tasks import find_main_metric

Values = tuple[tuple[str, bool | int | float | str], ...]

NO_INTERVAL = "—"


def headline_gains(found: Sequence[Mean], rows: Sequence[Refinement]) -> list[Mean]:
    """The mean gain of each entity's row with the largest pool, at each point; `rows` are those of the scenarios."""
    main = find_main_metric(each.metric for each in found)
    gains = [each for each in found if each.metric == gain_metric(main)]
    at_point: dict[tuple[Values, str], set[str]] = {}
    for each in gains:
        at_point.setdefault((each.values, each.entity or ""), set()).add(each.row)
    chosen = {
        (*key, str(row.name))
        for key, there in at_point.items()
        if (row := largest_pool([row for row in rows if str(row.name) in there], key[1])) is not None
    }
    return [each for each in gains if (each.values, each.entity or "", each.row) in chosen]


def gains_table(found: Sequence[Mean], axes: Sequence[str], rows: Sequence[Refinement]) -> Table:
    """What sharing brings each entity at each point, and whether the seeds agree that it does."""
    main = find_main_metric(each.metric for each in found)
    lines = [
        (*_values(each), each.entity or NO_INTERVAL, each.row, f"{round(main.scale * each.figure.value, 1) + 0.0:+.1f}",
         _interval(each, main.scale, "+.1f"), str(each.figure.n), _reading(each))
        for each in headline_gains(found, rows)
    ]  # fmt: skip
    columns = (*axes, "entity", "row", "gain", "95 % interval", "seeds", "reading")
    note = (
        f"gain: {main.points} that the row with the largest pool adds to "
        f"{reference_in_words(each.row for each in found)}; mean over seeds, with Student's interval. "
        "One seed says nothing of others."
    )
    return Table("What sharing brings, over seeds", columns, tuple(lines), (note,))


def means_table(found: Sequence[Mean], axes: Sequence[str]) -> Table:
    """The mean of the main metric of every row."""
    main = find_main_metric(each.metric for each in found)
    lines = [
        (*_values(each), each.row, each.entity or NO_INTERVAL, f"{main.scale * each.figure.value:.1f}",
         _interval(each, main.scale, ".1f"), str(each.figure.n))
        for each in found
        if each.metric == main.name
    ]  # fmt: skip
    columns = (*axes, "row", "entity", main.head, "95 % interval", "seeds")
    return Table("Means over seeds", columns, tuple(lines))


def failures_table(failures: Iterable[tuple[str, str]]) -> Table:
    """Cells that failed, and why."""
    return Table("Cells that failed", ("cell", "why"), tuple(failures))


def _values(each: Mean) -> tuple[str, ...]:
    return tuple(text(value) for _, value in each.values)


def _interval(each: Mean, scale: float, form: str) -> str:
    low, high = each.figure.low, each.figure.high
    return NO_INTERVAL if low is None or high is None else f"{scale * low:{form}} to {scale * high:{form}}"


def _reading(each: Mean) -> str:
    if each.figure.reach is None:
        return "one seed"
    return {1: "helps", -1: "costs", 0: "no clear difference"}[each.figure.direction]
