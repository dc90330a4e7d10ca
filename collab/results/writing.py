"""Label writing, and what it leaves of sharing: G of an entity that published, and rho of a row that reads it.

A module that is trained on a few rows of its own can write into them what C is to answer. Such rows teach nobody
anything, and held-out images cannot show it (SCIENCE 4.2). G is how much better C reads published rows than poisoned
held-out ones; rho is the part of what plain features would have brought that poisoned ones still bring.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from collab.results.figure import Figure, add_figures
from collab.results.results import Results
from collab.results.table import Result
from collab.results.words import measure_gain
from collab.scenario import stage_rows
from collab.scenario.model import Refinement, Scenario
from collab.scenario.rows import list_played_rows
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


@dataclass(frozen=True)
class Worth:
    """What a row that reads poisoned features keeps of plain sharing.

    `rho` is None where it is undefined: where the interval of what plain features bring reaches down to 0. `gap` is the
    mean G of whom the row reads, None where nobody measured it.
    """

    row: str
    entity: str
    rho: Figure | None
    gap: Figure | None


def name_rho(main: MainMetric) -> str:
    """What rho is called in results: `rho[top1]`."""
    return f"rho[{main.name}]"


def list_worths(main: MainMetric, results: Results, rows: Sequence[Refinement]) -> list[Worth]:
    """Those of `rows` that read a pool beside own plain features, where two others of them were played to compare with.

    Those are of the same entity: own features alone, and with the plain features of the same pool.
    """
    refining = [row for row in rows if row.own == "features" and row.entity]

    def find(row: Refinement, unpoisoned: Sequence[str]) -> Result | None:
        alike = (
            results.find(str(other.name), row.entity, main.name)
            for other in refining
            if (other.entity, other.pool, set(other.unpoisoned)) == (row.entity, (), set(unpoisoned))
            if not unpoisoned or other.epochs == row.epochs
        )
        return next(filter(None, alike), None)

    made = []
    for row in refining:
        this = results.find(str(row.name), row.entity, main.name)
        alone, plain = find(row, ()), find(row, row.pool)
        if not row.pool or row.unpoisoned or not (this and alone and plain):
            continue
        gain, whole, short = (measure_gain(main, *pair) for pair in ((this, alone), (plain, alone), (this, plain)))
        rho = None if gain is None or whole is None or short is None else divide(gain, whole, short)
        gaps = [gap for name in row.pool if (gap := find_gap(main, results, name)) is not None]
        mean = add_figures([1 / len(gaps) * gap for gap in gaps]) if gaps else None
        made.append(Worth(str(row.name), row.entity or "", rho, mean))
    return made


def divide(gain: Figure, whole: Figure, short: Figure) -> Figure | None:
    r"""$\rho = g / w$ of a `gain` and a `whole` whose errors go together, and its 95 % interval (Fieller 1954).

    $$ \{\rho : (g - \rho w)^2 \le r_g^2 - 2 \rho c + \rho^2 r_w^2\}, \qquad c = (r_g^2 + r_w^2 - r_s^2) / 2 $$

    with the half widths $r$ of their intervals, and $r_s$ of that of `short` = gain - whole. None where the interval of
    `whole` is not all above 0: then any ratio may be.
    """
    if whole.direction <= 0 or whole.reach is None or whole.value <= whole.reach:
        return None
    value = gain.value / whole.value
    if gain.reach is None or short.reach is None:
        return Figure(value, n=whole.n)
    together = (gain.reach**2 + whole.reach**2 - short.reach**2) / 2
    a, b, c = (
        whole.value**2 - whole.reach**2,
        gain.value * whole.value - together,
        gain.value**2 - gain.reach**2,
    )
    root = math.sqrt(max(0.0, b * b - a * c))
    return Figure(value, min(value, (b - root) / a), max(value, (b + root) / a), whole.n)


def list_rhos(scenario: Scenario, rows: Sequence[Result]) -> list[Result]:
    """A row for each rho, under the name of the row that it is about; without a value where it is undefined."""
    main, results = scenario.data.main_metric, Results(rows)
    made = []
    for worth in list_worths(main, results, list_played_rows(scenario)):
        this = results.find(worth.row, worth.entity, main.name)
        value, low, high = (worth.rho.value, worth.rho.low, worth.rho.high) if worth.rho else (None, None, None)
        if this is not None:
            row = replace(this, metric=name_rho(main), value=value, low=low, high=high)
            made.append(replace(row, paper=None, verdict=None, seconds=None, device=None, answers=None))
    return made
