"""Results at the points of a sweep, for claims to ask."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from collab.results.aggregate import Values
from collab.results.figure import mean_of
from collab.results.table import Result
from collab.verdicts.evidence import Key

Point = tuple[Values, Mapping[Key, Result]]
"""Values of the axes, and the results there."""


def points_of(cells: Sequence[tuple[Values, Sequence[Result]]]) -> list[Point]:
    """Results at each point; of several seeds their mean with Student's interval, of one what it found itself."""
    rows: dict[tuple[object, ...], dict[Key, list[Result]]] = {}
    values_of: dict[tuple[object, ...], Values] = {}
    for values, found in cells:
        point = tuple(values.items())
        values_of[point] = values
        for row in found:
            if row.attack is None and row.value is not None:
                rows.setdefault(point, {}).setdefault((row.row, row.entity or "", row.metric), []).append(row)
    return [(values_of[point], {key: _mean(each) for key, each in found.items()}) for point, found in rows.items()]


def _mean(rows: Sequence[Result]) -> Result:
    if len(rows) == 1:
        return rows[0]
    values = [row.value for row in rows if row.value is not None]
    mean = mean_of(values)
    return replace(rows[0], value=sum(values) / len(values), low=mean.low, high=mean.high)
