"""What sharing brings, the one place where it is computed: a row that reads others against what its entity has alone.

Pages tell it in words and tables; `list_gains` puts the same numbers into the results.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from collab.results.figure import Figure
from collab.results.results import Results
from collab.results.table import Result
from collab.results.words import measure_gain, pick_best
from collab.scenario import stage_rows
from collab.scenario.model import Refinement, Scenario
from collab.scenario.rows import list_played_rows
from collab.tasks import MainMetric


def name_gain(main: MainMetric) -> str:
    """What gains are called in results: `gain[top1]`."""
    return f"gain[{main.name}]"


def find_without_sharing(main: MainMetric, results: Results, entity: str) -> Result | None:
    """The better of an entity's own features alone and the released decider as it is, of those that were played."""
    own = results.find(f"c_own_{entity}", entity, main.name)
    return pick_best(main, (own, results.find(stage_rows.PUBLIC, "", main.name)))


def name_reference(rows: Iterable[str]) -> str:
    """What gains are counted from, given the names of the `rows` that were played; a control may have been left out."""
    if any(row.startswith("c_own_") for row in rows):
        return "the better of own features alone and the released network as it is"
    return "the released network as it is (own features alone were not played: the gain includes what those bring)"


def find_gain(main: MainMetric, results: Results, row: Refinement) -> Figure | None:
    """How much better a row is than what its entity has without sharing, in the units of results; above 0 helps.

    None for a row that reads nobody else's features, and where one of both has no value.
    """
    if row.entity is None or not (row.pool or row.unpoisoned):
        return None
    return measure_gain(
        main, results.find(str(row.name), row.entity, main.name), find_without_sharing(main, results, row.entity)
    )


def find_largest_pool(rows: Sequence[Refinement], entity: str) -> Refinement | None:
    """The row that stands for an entity: of its largest pool, so that none is picked for its figure.

    Of equal ones it is the later.
    """
    pooled = [row for row in rows if row.own == "features" and row.pool and row.entity == entity]
    return max(reversed(pooled), key=lambda row: len(row.pool), default=None)


def list_gains(scenario: Scenario, rows: Sequence[Result]) -> list[Result]:
    """A row for each gain, under the name of the row that it is about; `n` is that row's."""
    main, made = scenario.data.main_metric, []
    results = Results(rows)
    for row in list_played_rows(scenario):
        this, change = results.find(str(row.name), row.entity, main.name), find_gain(main, results, row)
        if this is not None and change is not None:
            gain = replace(this, metric=name_gain(main), value=change.value, low=change.low, high=change.high)
            made.append(replace(gain, paper=None, verdict=None, seconds=None, device=None, answers=None))
    return made
