"""The papers' figures, from one data file, to stand beside ours."""

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from collab.errors import CollabError

RANGES = {"percent": (0.0, 100.0), "points": (-100.0, 100.0), "one": (-math.inf, math.inf), "dB": (0.0, 100.0)}
"""Units of columns and what their values lie between; `one` is a number without unit."""


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
class PaperTable:
    """A table of a paper: the unit of each column, the printed values of each row, None where none is printed."""

    paper: str
    title: str
    place: str
    setting: str
    columns: Mapping[str, str]
    rows: Mapping[str, tuple[float | None, ...]]
    note: str = ""

    @property
    def source(self) -> str:
        """Where it is printed, for a caption."""
        return f"{self.title}, {self.place}"


def paper_tables() -> Mapping[str, PaperTable]:
    """All tables by their id, such as `dp_table5`."""
    return _shipped()[1]


def papers() -> Mapping[str, str]:
    """Authors, title and place of each paper by its short name."""
    return _shipped()[0]


@cache
def _shipped() -> tuple[Mapping[str, str], Mapping[str, PaperTable]]:
    return read_tables(files("collab.verdicts").joinpath("papers.json").read_text(encoding="utf-8"))


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


def read_tables(text: str) -> tuple[dict[str, str], dict[str, PaperTable]]:
    """Papers and tables in the data file's text; CollabError lists everything that is wrong with it."""
    content = json.loads(text, object_pairs_hook=_distinct)
    tables = {}
    wrong = [f"{', '.join(unknown)}: unknown" for unknown in [set(content) - {"papers", "tables"}] if unknown]
    for name, stated in content["tables"].items():
        unknown = set(stated) ^ {
            "paper",
            "title",
            "place",
            "setting",
            "columns",
            "rows",
            *(["note"] * ("note" in stated)),
        }
        if unknown:
            wrong.append(f"{name}: {', '.join(sorted(unknown))}: missing or unknown")
            continue
        if stated["paper"] not in content["papers"]:
            wrong.append(f"{name}: there is no paper {stated['paper']!r}")
        columns, rows = stated["columns"], {row: tuple(values) for row, values in stated["rows"].items()}
        wrong += [f"{name}: {about}" for about in _mistakes(columns, rows)]
        tables[name] = PaperTable(**{**stated, "columns": columns, "rows": rows})
    if wrong:
        raise CollabError("papers.json: " + "; ".join(wrong))
    return content["papers"], tables


def _mistakes(columns: Mapping[str, str], rows: Mapping[str, tuple[Any, ...]]) -> Iterator[str]:
    yield from (
        f"column {metric} has the unknown unit {unit!r}" for metric, unit in columns.items() if unit not in RANGES
    )
    if not rows:
        yield "it has no rows"
    for row, values in rows.items():
        if len(values) != len(columns):
            yield f"row {row} has {len(values)} values for {len(columns)} columns"
            continue
        for (metric, unit), value in zip(columns.items(), values, strict=True):
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
