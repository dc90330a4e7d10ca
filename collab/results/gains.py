"""What sharing brings, the one place where it is computed: a row that reads others against what its entity has alone.

Pages tell it in words and tables; `gain_rows` puts the same numbers into the results.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from collab.results.figure import Figure
from collab.results.table import Row
from collab.results.words import best, gained
from collab.scenario import stage_rows
from collab.scenario.model import Refinement, Scenario
from collab.scenario.rows import played_rows
from collab.tasks import MainMetric

Found = Mapping[tuple[str, str, str], Row]
"""Results by row, entity (or nothing) and metric."""


def gain_metric(main: MainMetric) -> str:
    """What gains are called in results: `gain[top1]`."""
    return f"gain[{main.name}]"


def without_sharing(main: MainMetric, found: Found, entity: str) -> Row | None:
    """The better of an entity's own features alone and the released decider as it is, of those that were played."""
    own = found.get((f"c_own_{entity}", entity, main.name))
    return best(main, (own, found.get((stage_rows.PUBLIC, "", main.name))))


def gain_of(main: MainMetric, found: Found, row: Refinement) -> Figure | None:
    """How much better a row is than what its entity has without sharing, in the units of results; above 0 helps.

    None for a row that reads nobody else's features, and where one of both has no value.
    """
    if row.entity is None or not (row.pool or row.unpoisoned):
        return None
    this, without = found.get((str(row.row), row.entity, main.name)), without_sharing(main, found, row.entity)
    return None if this is None or without is None else gained(main, this, without)


def largest_pool(rows: Sequence[Refinement], entity: str) -> Refinement | None:
    """The row that stands for an entity: of its largest pool, so that none is picked for its figure.

    Of equal ones it is the later.
    """
    pooled = [row for row in rows if row.own == "features" and row.pool and row.entity == entity]
    return max(reversed(pooled), key=lambda row: len(row.pool), default=None)


def gain_rows(scenario: Scenario, rows: Sequence[Row]) -> list[Row]:
    """A row for each gain, under the name of the row that it is about; `n` is that row's."""
    main, made = scenario.data.main_metric, []
    found = {(row.row, row.entity or "", row.metric): row for row in rows if row.attack is None}
    for row in played_rows(scenario):
        change = gain_of(main, found, row)
        if change is not None:
            this = found[str(row.row), row.entity or "", main.name]
            apart = replace(this, paper=None, verdict=None, seconds=None, device=None)
            apart = replace(apart, value=change.value, low=change.low, high=change.high)
            made.append(replace(apart, metric=gain_metric(main)))
    return made
