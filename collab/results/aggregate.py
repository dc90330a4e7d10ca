"""Results of many cells as one tidy table, and its mean and interval over seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from collab.metric import MetricName
from collab.results.figure import Figure, average
from collab.results.table import KEY, RESULT_FIELDS, Result, refuse_repeats
from collab.store.tables import VERSION_KEY, write_table

Value = bool | int | float | str

Values = Mapping[str, Value]
"""What a cell's axes are set to."""

Point = tuple[tuple[str, Value], ...]
"""The same as it can be a key."""


@dataclass(frozen=True)
class Mean:
    """A metric of one line of a table at one point of the axes: its mean over seeds, and the 95 % interval of it.

    `figure` is that mean, its `n` the number of seeds. `attack` is what the metric was made by, None where it is of
    no attack.
    """

    values: Point
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


def name_column(axis: str) -> str:
    """The column of an axis: its name, or `axis.defense` where a column of results is called so already."""
    return f"axis.{axis}" if axis in _TAKEN else axis


def average_seeds(cells: Sequence[tuple[Values, Sequence[Result]]]) -> list[Mean]:
    """Mean over the seeds of each point, with Student's interval, which knows nothing of the noise within a seed."""
    groups: dict[tuple[Point, str, str | None, str, str | None], list[float]] = {}
    for values, results in cells:
        for result in results:
            if result.value is not None:
                key = (tuple(values.items()), result.row, result.entity, result.metric, result.attack)
                groups.setdefault(key, []).append(result.value)
    return [
        Mean(point, row, entity, metric, average(numbers), attack)
        for (point, row, entity, metric, attack), numbers in groups.items()
    ]


def write_cells(path: Path, axes: Sequence[str], cells: Sequence[tuple[Values, Sequence[Result]]]) -> None:
    """All rows of all cells as one Parquet table, a column for each axis in front, named by `name_column`.

    The values of the axes are a part of the key of a row; StoreError if two rows have one.
    """
    fields = _axis_fields(axes, [values for values, _ in cells])
    rows = [{**_convert(values, fields), **result.columns()} for values, results in cells for result in results]
    refuse_repeats(rows, [*map(name_column, axes), *KEY], what="the sweep's results")
    schema = pa.schema([*fields, *RESULT_FIELDS], metadata={VERSION_KEY: "1"})
    write_table(path, schema, rows, what="the sweep's results")


def write_means(path: Path, axes: Sequence[str], means: Sequence[Mean]) -> None:
    """Means and intervals over seeds as one Parquet table."""
    fields = _axis_fields(axes, [dict(mean.values) for mean in means])
    rows = [
        {
            **_convert(dict(mean.values), fields), "row": mean.row, "entity": mean.entity, "attack": mean.attack,
            "metric": mean.metric, "mean": mean.figure.value, "low": mean.figure.low, "high": mean.figure.high,
            "seeds": mean.figure.n,
        }
        for mean in means
    ]  # fmt: skip
    write_table(path, pa.schema([*fields, *MEAN_FIELDS], metadata={VERSION_KEY: "1"}), rows, what="the sweep's means")


def _axis_fields(axes: Sequence[str], points: Sequence[Values]) -> list[pa.Field]:
    """A number where all values of an axis are numbers, else a text."""
    return [
        pa.field(name_column(axis), pa.float64() if all(is_number(point[axis]) for point in points) else pa.string())
        for axis in axes
    ]


def is_number(value: object) -> bool:
    """Whether a value of an axis can stand on a numeric scale."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _convert(values: Values, fields: Sequence[pa.Field]) -> dict[str, Any]:
    """The values of a cell as the columns of its axes hold them."""
    return {
        field.name: float(value) if pa.types.is_floating(field.type) else str(value)
        for field, value in zip(fields, values.values(), strict=True)
    }
