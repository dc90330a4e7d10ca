"""What the papers print: their tables with every figure, and which of them a scenario or a sweep may expect.

All of it stands in `papers.json`. It lies low, so that a scenario knows which tables there are without their claims.
"""

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from importlib.resources import files
from typing import Any, Literal, get_args

from collab.errors import CollabError

RANGES = {"percent": (0.0, 100.0), "points": (-100.0, 100.0), "one": (-math.inf, math.inf), "dB": (0.0, 100.0)}
"""Units of columns and what their values lie between; `one` is a number without unit."""

Expecting = Literal["scenario", "sweep"]
"""What may expect a table: one run fills it, or the points of a sweep do."""

DEFENSES = {"none": "w/o", "gaussian_noise": "GN", "gaussian_filter": "GF", "mean_filter": "MF", "dpm": "DPM"}
"""The papers' names of defenses."""


def named(protection: str) -> str:
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
    unit: str
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
    return read_tables(files("collab").joinpath("papers.json").read_text(encoding="utf-8"))


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


def read_tables(text: str) -> tuple[dict[str, str], dict[str, PrintedTable]]:
    """Papers and tables in the data file's text; CollabError lists everything that is wrong with it."""
    content = json.loads(text, object_pairs_hook=_distinct)
    allowed = {each.name for each in fields(PrintedTable)}
    needed = {each.name for each in fields(PrintedTable) if each.default is each.default_factory is MISSING}
    tables = {}
    wrong = [f"{', '.join(unknown)}: unknown" for unknown in [set(content) - {"papers", "tables"}] if unknown]
    for name, stated in content["tables"].items():
        if astray := (set(stated) - allowed) | (needed - set(stated)):
            wrong.append(f"{name}: {', '.join(sorted(astray))}: missing or unknown")
            continue
        rows = {row: tuple(values) for row, values in stated.get("rows", {}).items()}
        tables[name] = PrintedTable(**{**stated, "rows": rows})
        if stated["paper"] not in content["papers"]:
            wrong.append(f"{name}: there is no paper {stated['paper']!r}")
        wrong += [f"{name}: {about}" for about in _mistakes(tables[name])]
    if wrong:
        raise CollabError("papers.json: " + "; ".join(wrong))
    return content["papers"], tables


def _mistakes(table: PrintedTable) -> Iterator[str]:
    if table.expected_by not in (None, *get_args(Expecting)):
        yield f"expected_by is {table.expected_by!r}; it is one of {', '.join(get_args(Expecting))}, or left out"
    if (table.expected_by is None) != (not table.about):
        yield "`expected_by` and `about` go together"
    for metric, unit in table.columns.items():
        if unit not in RANGES:
            yield f"column {metric} has the unknown unit {unit!r}"
    if bool(table.columns) != bool(table.rows):
        yield f"it has no {'rows' if table.columns else 'columns'}"
    for row, values in table.rows.items():
        if len(values) != len(table.columns):
            yield f"row {row} has {len(values)} values for {len(table.columns)} columns"
            continue
        for (metric, unit), value in zip(table.columns.items(), values, strict=True):
            low, high = RANGES.get(unit, (-math.inf, math.inf))
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if value is not None and not (is_number and low <= value <= high):
                yield f"row {row}, {metric}: {value!r} is no value in {unit}"


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; a key that stands twice would lose figures silently."""
    twice = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
    if twice:
        raise CollabError(f"papers.json: {', '.join(twice)} stands twice")
    return dict(pairs)
