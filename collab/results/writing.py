"""Label writing: how much better C reads the rows that an entity published than poisoned held-out ones (G).

A module that is trained on a few rows of its own can write into them what C is to answer. Such rows teach nobody
anything, and held-out images cannot show it (SCIENCE 4.2).
"""

from collections.abc import Sequence
from dataclasses import replace

from collab.results.figure import Figure
from collab.results.results import Results
from collab.results.table import Result
from collab.results.words import measure_gain
from collab.scenario import stage_rows
from collab.scenario.model import Scenario
from collab.tasks import MainMetric


def name_gap(main: MainMetric) -> str:
    """What G is called in results: `gap[top1]`."""
    return f"gap[{main.name}]"


def find_published(main: MainMetric, results: Results, entity: str) -> Result | None:
    """How well C reads the rows that an entity published, by its own labels."""
    return results.find(stage_rows.PUBLISH, entity, f"{main.name}_published")


def find_gap(main: MainMetric, results: Results, entity: str) -> Figure | None:
    """G of an entity, in the units of results: above 0 C reads its published rows better than poisoned held-out ones.

    Both are of different images, so their errors are independent. None where one of them was not measured.
    """
    poisoned = results.find(stage_rows.TABLES_1_2, entity, f"{main.name}_poisoned")
    return measure_gain(main, find_published(main, results, entity), poisoned)


def list_gaps(scenario: Scenario, rows: Sequence[Result]) -> list[Result]:
    """A row for G of each entity that published, under the name of Table 1; `n` is the number of published rows."""
    main, results, made = scenario.data.main_metric, Results(rows), []
    for entity in scenario.entities:
        published, gap = find_published(main, results, entity.name), find_gap(main, results, entity.name)
        if published is not None and gap is not None:
            row = replace(published, row=stage_rows.TABLES_1_2, metric=name_gap(main), seconds=None, device=None)
            made.append(replace(row, value=gap.value, low=gap.low, high=gap.high))
    return made
