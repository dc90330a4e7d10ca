"""Table 5 as bars: for each entity what it has alone, what the pool makes of it, and what no real pool could give."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from collab.results.figure import Figure
from collab.results.results import Results
from collab.results.table import Result
from collab.results.words import join_names
from collab.scenario.model import Refinement, Scenario
from collab.scenario.rows import list_played_rows
from collab.tasks import MainMetric

Kind = Literal["images", "own", "pool", "bound"]

MOST_GROUPS = 12
"""Entities that are drawn; the table has all of them."""

MEANINGS: Mapping[Kind, str] = {
    "images": "raw images, from scratch",
    "own": "own features alone",
    "pool": "with the pool: poisoned features of others",
    "bound": "upper bound: unpoisoned",
}


@dataclass(frozen=True)
class Bar:
    """One row: places are percent of the width, `told` is what stands beside it."""

    row: str
    label: str
    kind: Kind
    told: str
    length: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Bars:
    """Groups by entity on one scale; `reference` is the place of the released network as it is.

    `about` says what the bars show; `is_longer_better` which way is better.
    """

    about: str
    is_longer_better: bool
    groups: tuple[tuple[str, tuple[Bar, ...]], ...]
    ticks: tuple[tuple[float, str], ...]
    reference: float | None
    reference_told: str
    left_out: int

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Those that occur, for the legend."""
        drawn = {bar.kind for _, bars in self.groups for bar in bars}
        return tuple(kind for kind in MEANINGS if kind in drawn)


def make_bars(scenario: Scenario, rows: Sequence[Result]) -> Bars | None:
    """The main metric of every row but those that poison own features too; None if there is nothing to draw."""
    main = scenario.data.main_metric
    results = Results(row for row in rows if row.metric == main.name and row.value is not None)
    drawn = {str(row.name): row for row in list_played_rows(scenario) if row.own != "poisoned"}
    tops = [top for name, row in drawn.items() if (top := results.find(name, row.entity, main.name))]
    if not tops:
        return None
    highest = max(main.scale * (row.high or row.value or 0) for row in tops)
    scale = min(100, max(10, 10 * math.ceil(highest / 10 - 1e-9)))  # at the right end: the next ten, % or degrees
    names = [entity.name for entity in scenario.entities]
    groups = []
    for name in [*names, ""]:
        bars = tuple(
            _bar(row, kind, label, scale, main) for row, kind, label in _lines(name, drawn, results, main.name)
        )
        if bars:
            groups.append((f"Entity {name}" if name else "All entities together", bars))
    public = results.find("c_public", None, main.name)
    shown = groups if len(groups) <= MOST_GROUPS else [*groups[: MOST_GROUPS - 1], groups[-1]]
    return Bars(
        about=f"{main.title}, {main.unit}",
        is_longer_better=main.is_higher_better,
        groups=tuple(shown),
        ticks=tuple((100 * tick / scale, f"{tick:g}") for tick in range(0, scale + 1, 20 if scale > 50 else 10)),
        reference=None if public is None else 100 * main.scale * (public.value or 0) / scale,
        reference_told="" if public is None else main.write(public.value or 0),
        left_out=len(groups) - len(shown),
    )


def _lines(
    name: str, drawn: Mapping[str, Refinement], results: Results, metric: str
) -> Iterator[tuple[Result, Kind, str]]:
    """Rows of one entity: from scratch, alone, then each pool with its own upper bound under it."""
    own = results.find(f"c_own_{name}", name, metric)
    mine = [
        (key, row, score)
        for key, row in drawn.items()
        if (row.entity or "") == name and (score := results.find(key, name, metric))
    ]
    for _, row, score in mine:
        if row.own == "images":
            share = "own images" if row.share is None else f"{100 * row.share:g} % of all images"
            yield score, "images", f"{share}, from scratch"
    if own is not None:
        yield own, "own", "own features alone"
    for key, row, score in mine:
        if not row.is_refining or key.startswith("c_"):
            continue
        if row.pool:
            yield score, "pool", f"with the pool of {join_names(row.pool)}"
            bound = results.find(f"c_unpoisoned_{key}", name, metric)
            if bound is not None:
                yield bound, "bound", "the same, unpoisoned"
        elif row.unpoisoned:
            yield score, "bound", f"with unpoisoned features of {join_names(row.unpoisoned)}"


def _bar(result: Result, kind: Kind, label: str, scale: int, main: MainMetric) -> Bar:
    figure, name = result.figure or Figure(0.0), f"row {result.row}" if result.row.isdecimal() else result.row
    low, high = (
        None if end is None else max(0.0, min(100.0, 100 * main.scale * end / scale))
        for end in (figure.low, figure.high)
    )
    return Bar(name, label, kind, figure.format(main.scale, 1), 100 * (main.scale * figure.value) / scale, low, high)
