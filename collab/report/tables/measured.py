"""Every number of a part of a run, a line each: the tables of a whole one would be empty."""

from collections.abc import Sequence

from collab.report.cells import ABSENT, Table, format_cell
from collab.results.catalog import entry_of
from collab.results.table import Result, drop_verdicts


def tabulate_measured(rows: Sequence[Result]) -> Table:
    """Row, entity, attack, metric and value with its interval, in the order of the plan; no verdicts."""
    rows = [row for row in drop_verdicts(rows) if row.value is not None]
    attack = ("attack",) * any(row.attack for row in rows)
    lines = tuple(
        (
            row.row,
            row.entity or ABSENT,
            *(row.attack or ABSENT for _ in attack),
            row.metric,
            format_cell(row),
            entry_of(row.metric).title,
        )
        for row in rows
    )
    return Table("Measured", ("row", "entity", *attack, "metric", "value", "what"), lines)
