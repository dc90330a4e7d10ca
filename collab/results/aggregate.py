"""Results of many cells as one tidy table, and its mean and interval over seeds."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from collab.metric import MetricName
from collab.results.catalog import is_share
from collab.results.figure import Deviation, Figure, average_groups, pool_deviations
from collab.results.local import is_local
from collab.results.table import KEY, RESULT_FIELDS, Result, refuse_repeats
from collab.store.tables import VERSION_KEY, write_table

Value = bool | int | float | str

Values = Mapping[str, Value]
"""What a cell's axes are set to."""

LEAST_FREEDOM = 4
"""Student's 95 % point is 2.8 with four degrees of freedom, 12.7 with the one of two seeds."""

Groups = Collection[Sequence[Figure]]
"""Figures of the seeds of each point of a line."""

Point = tuple[tuple[str, Value], ...]
"""The same as it can be a key."""


@dataclass(frozen=True)
class Mean:
    """A metric of one line of a table at one point of the axes: its mean over seeds.

    `figure` is that mean with its 95 % interval over seeds and images, its `n` the number of seeds. `attack` is what
    the metric was made by, None where it is of no attack.
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
    """Mean over the seeds of each point, with an interval over images and seeds together: see `average_groups`.

    How far seeds differ is estimated of each line (row, entity, metric) from all its points together, so that two seeds
    at each of six points say more than two seeds; where that leaves fewer than `LEAST_FREEDOM` degrees of freedom, from
    all lines of the metric that are of the same kind: stated rows, or one kind of control. Rows whose own features are
    poisoned too differ three times as much as others. Shares stay within 0 and 1.
    """
    lines: dict[tuple[str, str | None, str, str | None], dict[Point, list[Figure]]] = {}
    images: dict[Point, set[str]] = {}
    for values, results in cells:
        point = tuple(values.items())
        answered = (result for result in results if result.answers is not None and not is_local(result.metric))
        heldout = {result.answers.images for result in answered if result.answers is not None}
        images.setdefault(point, set()).update(heldout or {""})
        for result in results:
            if result.figure is not None:
                key = (result.row, result.entity, result.metric, result.attack)
                lines.setdefault(key, {}).setdefault(point, []).append(result.figure)
    likes: dict[tuple[str, str, str | None], dict[str, list[Groups]]] = {}
    for (row, entity, metric, attack), points in lines.items():
        likes.setdefault((_kind_of(row), metric, attack), {}).setdefault(entity or "", []).append(points.values())
    made = dict[tuple[Point, Any], Mean]()
    for (row, entity, metric, attack), points in lines.items():
        deviation = _estimate_deviation(points.values(), likes[_kind_of(row), metric, attack])
        for point, figures in points.items():
            share_images = len(images[point]) == 1 and "" not in images[point]
            mean = average_groups(figures, deviation if len(figures) > 1 else None, share_images=share_images)
            mean = mean.within(0.0, 1.0) if is_share(metric) else mean
            made[point, (row, entity, metric, attack)] = Mean(point, row, entity, metric, mean, attack)
    return [made[point, key] for point in images for key in lines if (point, key) in made]


def _kind_of(row: str) -> str:
    """The kind of a control row, `c_own` of `c_own_a1`; nothing of a stated row."""
    return next((kind for kind in ("c_own", "c_unpoisoned", "c_all_poisoned") if row.startswith(f"{kind}_")), "")


def _estimate_deviation(line: Groups, likes: Mapping[str, Sequence[Groups]]) -> Deviation | None:
    """How far seeds differ on a line; from lines that are like it, by entity, where it has too few seeds itself.

    Lines of one entity share what it holds and are no further evidence: each entity counts once. A line that differs
    more than those keeps its own deviation.
    """
    own = pool_deviations([[figure.value for figure in group] for group in line])
    if own is None or own.freedom >= LEAST_FREEDOM:
        return own
    together = pool_deviations(
        [[figure.value for figure in group] for lines in likes.values() for each in lines for group in each]
    )
    freedom = own.freedom * len(likes)
    return own if together is None else Deviation(max(own.value, together.value), freedom)


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
