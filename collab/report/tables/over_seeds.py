"""Tables of a sweep: what sharing brings over seeds, every mean of the main metric, and what failed."""

from collections.abc import Sequence
from dataclasses import replace

from collab.report.cells import ABSENT, Table, format_value
from collab.report.tables.worth import describe_change
from collab.results.aggregate import Mean, Point, Values
from collab.results.gains import list_largest_pools, name_gain, name_reference
from collab.scenario.model import Refinement
from collab.scenario.sweep import Sweep
from collab.tasks import find_main_metric

OVER_SEEDS = "held-out images and n seeds (of one seed: over n images)"
"""What the intervals of a sweep's verdicts are over."""

CELL = "cell"
"""The one axis of a star on its page: few points share the values of all axes but one, so each has a name."""


def find_point(spec: Sweep, values: Values) -> Point:
    """Where the axes stand, as a key; in a star what differs from the base cell."""
    if spec.combine != "star":
        return tuple(values.items())
    return ((CELL, describe_change(values, {axis.vary: axis.values[0] for axis in spec.axes})),)


def name_points(spec: Sweep, means: Sequence[Mean]) -> list[Mean]:
    """The same means; those of a star at points that are named by what differs from the base cell."""
    return [replace(mean, values=find_point(spec, dict(mean.values))) for mean in means]


def pick_headline_gains(means: Sequence[Mean], rows: Sequence[Refinement], of: str = "") -> list[Mean]:
    """The mean gain of each entity's row with the largest pool, at each point; of all where several are as large.

    `rows` are those of the scenarios. `of` is `LOCAL` for gains on each entity's own held-out images.
    """
    metric = name_gain(find_main_metric(mean.metric for mean in means), of)
    at_point: dict[tuple[Point, str], dict[str, Mean]] = {}
    for mean in means:
        if mean.metric == metric:
            at_point.setdefault((mean.values, mean.entity or ""), {})[mean.row] = mean
    chosen = list[Mean]()
    for (_, entity), gains in at_point.items():
        largest = list_largest_pools([row for row in rows if str(row.name) in gains], entity)
        chosen += [gains[str(row.name)] for row in largest]
    return chosen


def pick_unpoisoned_gains(means: Sequence[Mean], gains: Sequence[Mean]) -> list[Mean | None]:
    """Beside each of `gains` what the same pool brings as plain features; None where that was not played."""
    found = {(mean.values, mean.row): mean for mean in means if gains and mean.metric == gains[0].metric}
    return [found.get((gain.values, f"c_unpoisoned_{gain.row}")) for gain in gains]


def tabulate_gains(means: Sequence[Mean], axes: Sequence[str], rows: Sequence[Refinement], of: str = "") -> Table:
    """What sharing brings each entity at each point, and whether the seeds agree that it does; `of` as above."""
    main = find_main_metric(mean.metric for mean in means)
    gains = pick_headline_gains(means, rows, of)
    lines = [
        (*_values(mean), mean.entity or ABSENT, mean.row, *_figures(mean, main.scale, "+.1f"), _reading(mean),
         "" if plain is None else ", ".join(_figures(plain, main.scale, "+.1f")[:2]))
        for mean, plain in zip(gains, pick_unpoisoned_gains(means, gains), strict=True)
    ]  # fmt: skip
    columns = (*axes, "entity", "row", "gain", "95 % interval", "seeds", "reading", "unpoisoned")
    note = (
        f"gain: {main.points} that the row with the largest pool adds to "
        f"{name_reference(mean.row for mean in means)}; mean over seeds, with a 95 % interval over images and seeds. "
        "One seed says nothing of others: its interval knows of images alone. unpoisoned: by the same pool as plain "
        "features."
    )
    title = "What sharing brings on own images, over seeds" if of else "What sharing brings, over seeds"
    return Table(title, columns, tuple(lines), (note,))


def tabulate_means(means: Sequence[Mean], axes: Sequence[str]) -> Table:
    """The mean of the main metric of every row."""
    main = find_main_metric(mean.metric for mean in means)
    lines = [
        (*_values(mean), mean.row, mean.entity or ABSENT, *_figures(mean, main.scale, ".1f"))
        for mean in means
        if mean.metric == main.name
    ]
    columns = (*axes, "row", "entity", main.head, "95 % interval", "seeds")
    return Table("Means over seeds", columns, tuple(lines))


def _values(mean: Mean) -> tuple[str, ...]:
    return tuple(format_value(value) for _, value in mean.values)


def _figures(mean: Mean, scale: float, form: str) -> tuple[str, str, str]:
    """The mean, its interval, and over how many seeds."""
    value = round(scale * mean.figure.value, 1) + 0.0  # no minus before a zero
    return f"{value:{form}}", mean.figure.format_ends(scale, form) or ABSENT, str(mean.figure.n)


def _reading(mean: Mean) -> str:
    if mean.figure.reach is None:
        return "one seed"
    told = {1: "helps", -1: "costs", 0: "no clear difference"}[mean.figure.direction]
    return told if (mean.figure.n or 0) > 1 else f"{told}, one seed"
