"""A verdict on each claim about a table that takes a sweep, from the results of its points."""

from collections.abc import Sequence

from collab.results.aggregate import Values
from collab.results.table import Result
from collab.verdicts.points import points_of
from collab.verdicts.registry import SWEEP_TABLES
from collab.verdicts.verdicts import Verdict


def sweep_verdicts(
    table: str | None, axes: Sequence[str], cells: Sequence[tuple[Values, Sequence[Result]]]
) -> tuple[Verdict, ...]:
    """A verdict on each claim of `table` over the cells that ended; none for a sweep that expects nothing."""
    if table is None or not axes:
        return ()
    points = points_of(cells)
    made = [judge(axes[0], points) for judge in SWEEP_TABLES[table].claims]
    return tuple(Verdict.of(table, claim.name, claim.sentence, each) for claim in made for each in claim.comparisons)
