"""Results of many cells as one tidy table, and its mean and interval over seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from collab.metric import MetricName
from collab.results.figure import Figure, mean_of
from collab.results.table import KEY, RESULT_FIELDS, Result, refuse_repeats
from collab.store.tables import VERSION_KEY, write_table

Values = Mapping[str, bool | int | float | str]
"""What a cell's axes are set to."""


@dataclass(frozen=True)
class Mean:
    """A metric of one line of a table at one point of the axes: its mean over seeds, and the 95 % interval of it.

    `figure` is that mean, its `n` the number of seeds. `attack` is what the metric was made by, None where it is of
    no attack.
    """

    values: tuple[tuple[str, bool | int | float | str], ...]
    row: str
    entity: str | None
    metric: str
    figure: Figure
    attack: str | None = None

    @property
    def quantity(self) -> str:
        """What the metric is, whatever its setting: `ssim_poisoned` of `ssim[11]_poisoned`."""
        return MetricName.parse(self.metric).without_setting


MEAN_FIELDS = [
    *(pa.field(name, pa.string()) for name in ("row", "entity", "attack", "metric")),
    *(pa.field(name, pa.float64()) for name in ("mean", "low", "high")),
    pa.field("seeds", pa.int64()),
]
"""The columns of means, behind those of the axes."""

_TAKEN = {field.name for field in (*RESULT_FIELDS, *MEAN_FIELDS)}


def column_of(axis: str) -> str:
    """The column of an axis: its name, or `axis.defense` where a column of results is called so already."""
    return f"axis.{axis}" if axis in _TAKEN else axis


def means(cells: Sequence[tuple[Values, Sequence[Result]]]) -> list[Mean]:
    """Mean over the seeds of each point, with Student's interval, which knows nothing of the noise within a seed."""
    groups: dict[tuple[Any, ...], list[float]] = {}
    for values, rows in cells:
        for each in rows:
            if each.value is not None:
                key = (tuple(values.items()), each.row, each.entity, each.metric, each.attack)
                groups.setdefault(key, []).append(each.value)
    return [
        Mean(point, row, entity, metric, mean_of(found), attack)
        for (point, row, entity, metric, attack), found in groups.items()
    ]


def write_cells(path: Path, axes: Sequence[str], cells: Sequence[tuple[Values, Sequence[Result]]]) -> None:
    """All rows of all cells as one Parquet table, a column for each axis in front, named by `column_of`.

    The values of the axes are a part of the key of a row; StoreError if two rows have one.
    """
    fields = _axis_fields(axes, [values for values, _ in cells])
    rows = [{**_stored(values, fields), **asdict(row)} for values, found in cells for row in found]
    refuse_repeats(rows, [*map(column_of, axes), *KEY], what="the sweep's results")
    write_table(
        path, pa.schema([*fields, *RESULT_FIELDS], metadata={VERSION_KEY: "1"}), rows, what="the sweep's results"
    )


def write_means(path: Path, axes: Sequence[str], found: Sequence[Mean]) -> None:
    """Means and intervals over seeds as one Parquet table."""
    fields = _axis_fields(axes, [dict(each.values) for each in found])
    rows = [
        {
            **_stored(dict(each.values), fields), "row": each.row, "entity": each.entity, "attack": each.attack,
            "metric": each.metric, "mean": each.figure.value, "low": each.figure.low, "high": each.figure.high,
            "seeds": each.figure.n,
        }
        for each in found
    ]  # fmt: skip
    write_table(path, pa.schema([*fields, *MEAN_FIELDS], metadata={VERSION_KEY: "1"}), rows, what="the sweep's means")


def _axis_fields(axes: Sequence[str], points: Sequence[Values]) -> list[pa.Field]:
    """A number where all values of an axis are numbers, else a text."""
    return [
        pa.field(column_of(axis), pa.float64() if all(is_number(point[axis]) for point in points) else pa.string())
        for axis in axes
    ]


def is_number(value: object) -> bool:
    """Whether a value of an axis can stand on a numeric scale."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _stored(values: Values, fields: Sequence[pa.Field]) -> dict[str, Any]:
    return {
        field.name: float(value) if pa.types.is_floating(field.type) else str(value)
        for field, value in zip(fields, values.values(), strict=True)
    }
