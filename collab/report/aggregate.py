"""Results of many cells as one tidy table, and its mean and interval over seeds."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from scipy.stats import t as student

from collab.store.results import RESULT_FIELDS, Row
from collab.store.tables import VERSION_KEY, write_table

Values = Mapping[str, bool | int | float | str]
"""What a cell's axes are set to."""


@dataclass(frozen=True)
class Mean:
    """A metric of one line of a table at one point of the axes: its mean over seeds, and the 95 % interval of it."""

    values: tuple[tuple[str, bool | int | float | str], ...]
    row: str
    entity: str | None
    metric: str
    mean: float
    low: float | None
    high: float | None
    seeds: int


def means(cells: Sequence[tuple[Values, Sequence[Row]]]) -> list[Mean]:
    """Mean over the seeds of each point, with Student's interval, which knows nothing of the noise within a seed."""
    groups: dict[tuple[Any, ...], list[float]] = {}
    for values, rows in cells:
        for row in rows:
            if row.value is not None:
                key = (tuple(values.items()), row.row, row.entity, row.metric)
                groups.setdefault(key, []).append(row.value)
    averaged = []
    for key, found in groups.items():
        low, high = interval_of_mean(found)
        averaged.append(Mean(*key, statistics.fmean(found), low, high, len(found)))
    return averaged


def interval_of_mean(values: Sequence[float], level: float = 0.95) -> tuple[float | None, float | None]:
    r"""$\bar v \pm t_{n-1} \, s / \sqrt n$ for independent normal `values`; none for fewer than two."""
    count = len(values)
    if count < 2:
        return None, None
    middle = statistics.fmean(values)
    reach = float(student.ppf((1 + level) / 2, count - 1)) * statistics.stdev(values) / math.sqrt(count)
    return middle - reach, middle + reach


def write_cells(path: Path, axes: Sequence[str], cells: Sequence[tuple[Values, Sequence[Row]]]) -> None:
    """All rows of all cells as one Parquet table, a column for each axis in front."""
    fields = _axis_fields(axes, [values for values, _ in cells])
    rows = [{**_stored(values, fields), **asdict(row)} for values, found in cells for row in found]
    write_table(
        path, pa.schema([*fields, *RESULT_FIELDS], metadata={VERSION_KEY: "1"}), rows, what="the sweep's results"
    )


def write_means(path: Path, axes: Sequence[str], found: Sequence[Mean]) -> None:
    """Means and intervals over seeds as one Parquet table."""
    fields = _axis_fields(axes, [dict(each.values) for each in found])
    rest = [
        *(pa.field(name, pa.string()) for name in ("row", "entity", "metric")),
        *(pa.field(name, pa.float64()) for name in ("mean", "low", "high")),
        pa.field("seeds", pa.int64()),
    ]
    rows = [{**_stored(dict(each.values), fields), **asdict(each)} for each in found]
    for row in rows:
        del row["values"]
    write_table(path, pa.schema([*fields, *rest], metadata={VERSION_KEY: "1"}), rows, what="the sweep's means")


def _axis_fields(axes: Sequence[str], points: Sequence[Values]) -> list[pa.Field]:
    """A number where all values of an axis are numbers, else a text."""
    return [
        pa.field(axis, pa.float64() if all(is_number(point[axis]) for point in points) else pa.string())
        for axis in axes
    ]


def is_number(value: object) -> bool:
    """Whether a value of an axis can stand on a numeric scale."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _stored(values: Values, fields: Sequence[pa.Field]) -> dict[str, Any]:
    return {
        each.name: float(values[each.name]) if pa.types.is_floating(each.type) else str(values[each.name])
        for each in fields
    }
