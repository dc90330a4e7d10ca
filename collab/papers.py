"""What the papers print: their tables with every figure, and which of them a scenario or a sweep may expect.

All of it stands in `papers.json`, which `tests/verdicts/test_papers.py` checks: it is shipped, so no run has to.
It lies low, so that a scenario knows which tables there are without their claims.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Literal

Expecting = Literal["scenario", "sweep"]
"""What may expect a table: one run fills it, or the points of a sweep do."""

DEFENSES = {"none": "w/o", "gaussian_noise": "GN", "gaussian_filter": "GF", "mean_filter": "MF", "dpm": "DPM"}
"""The papers' names of defenses."""


def name_in_papers(protection: str) -> str:
    """A defense, or a chain of them, as Table 3 calls it: `GN+DPM`; kinds that the papers lack keep their name."""
    return "+".join(DEFENSES.get(kind, kind) for kind in protection.split("+"))


@dataclass(frozen=True)
class Figure:
    """One printed number and where it stands."""

    paper: str
    table: str
    row: str
    metric: str
    value: float
    unit: str  # percent, points, dB, or one: a number without unit
    source: str

    @property
    def fraction(self) -> float:
        """The number as our results state it: percent and points as parts of 1."""
        return self.value / 100 if self.unit in ("percent", "points") else self.value


@dataclass(frozen=True)
class PrintedTable:
    """A table of a paper: the unit of each column, the printed values of each row, None where none is printed.

    A figure that prints pictures alone has no columns and no rows. `expected_by` says what may expect it, if anything,
    and `about`, then, what it is about. `rows_are_refinements`: its rows stand for a scenario's of the same number.
    """

    paper: str
    title: str
    place: str
    setting: str
    columns: Mapping[str, str] = field(default_factory=dict)
    rows: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    note: str = ""
    expected_by: Expecting | None = None
    about: str = ""
    rows_are_refinements: bool = False

    @property
    def source(self) -> str:
        """Where it is printed, for a caption."""
        return f"{self.title}, {self.place}"


def paper_tables() -> Mapping[str, PrintedTable]:
    """All tables by their id, such as `dp_table5`."""
    return _shipped()[1]


def expectable(by: Expecting) -> Mapping[str, str]:
    """What each table is about that a scenario, or a sweep, may expect, by its id in the order of the data file."""
    return {name: table.about for name, table in paper_tables().items() if table.expected_by == by}


def describe_expectable(by: Expecting) -> str:
    """The same as a sentence, for the pages that list what may be expected."""
    return "; ".join(f"{name}: {about}" for name, about in expectable(by).items()) + "."


def papers() -> Mapping[str, str]:
    """Authors, title and place of each paper by its short name."""
    return _shipped()[0]


@cache
def _shipped() -> tuple[Mapping[str, str], Mapping[str, PrintedTable]]:
    content = json.loads(files("collab").joinpath("papers.json").read_text(encoding="utf-8"))
    return content["papers"], {name: _read_table(stated) for name, stated in content["tables"].items()}


def _read_table(stated: Mapping[str, Any]) -> PrintedTable:
    rows = {row: tuple(values) for row, values in stated.get("rows", {}).items()}
    return PrintedTable(**{**stated, "rows": rows})


def paper_figure(table: str, row: str, metric: str) -> float | None:
    """The published figure, percent as parts of 1, or None where the table has no such row or metric."""
    return next((each.fraction for each in figures(table) if (each.row, each.metric) == (row, metric)), None)


def figures(table: str) -> Iterator[Figure]:
    """Every printed number of a table."""
    printed = paper_tables()[table]
    for row, values in printed.rows.items():
        for (metric, unit), value in zip(printed.columns.items(), values, strict=True):
            if value is not None:
                yield Figure(printed.paper, table, row, metric, value, unit, printed.source)
