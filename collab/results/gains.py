"""What sharing brings, the one place where it is computed: a row that reads others against what its entity has alone.

Pages tell it in words and tables; `list_gains` puts the same numbers into the results. Beside it stands label writing:
a module that is trained on a few rows of its own can write into them what C is to answer, and held-out images cannot
show it (SCIENCE 4.2). G is how much better C reads published rows than poisoned held-out ones; rho is the part of what
plain features would have brought that poisoned ones still bring.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product

from collab.results.figure import Figure, add_figures
from collab.results.local import LOCAL
from collab.results.results import Results
from collab.results.table import Result
from collab.results.words import measure_gain, pick_best
from collab.scenario import stage_rows
from collab.scenario.model import Refinement, Scenario
from collab.scenario.rows import list_played_rows
from collab.tasks import MainMetric


def name_gain(main: MainMetric, of: str = "") -> str:
    """What gains are called in results: `gain[top1]`, and `gain[top1]_local` on an entity's own held-out images."""
    return f"gain[{main.name}]{of}"


def find_without_sharing(main: MainMetric, results: Results, entity: str, of: str = "") -> Result | None:
    """The better of an entity's own features alone and the released decider as it is, of those that were played.

    `of` is `LOCAL` for both on the entity's own held-out images.
    """
    own = results.find(f"c_own_{entity}", entity, main.name + of)
    return pick_best(main, (own, results.find(stage_rows.PUBLIC, entity if of else "", main.name + of)))


def name_reference(rows: Iterable[str]) -> str:
    """What gains are counted from, given the names of the `rows` that were played; a control may have been left out."""
    if any(row.startswith("c_own_") for row in rows):
        return "the better of own features alone and the released network as it is"
    return "the released network as it is (own features alone were not played: the gain includes what those bring)"


def find_gain(main: MainMetric, results: Results, row: Refinement, of: str = "") -> Figure | None:
    """How much better a row is than what its entity has without sharing, in the units of results; above 0 helps.

    `of` is `LOCAL` for both on the entity's own held-out images. None for a row that reads nobody else's features, and
    where one of both has no value.
    """
    if row.entity is None or not (row.pool or row.unpoisoned) or row.init == "fresh":
        return None
    with_others = results.find(str(row.name), row.entity, main.name + of)
    return measure_gain(main, with_others, find_without_sharing(main, results, row.entity, of))


def find_largest_pool(rows: Sequence[Refinement], entity: str) -> Refinement | None:
    """The row that stands for an entity: of its largest pool, so that none is picked for its figure.

    Of equal ones it is the later.
    """
    pooled = [row for row in rows if row.is_refining and row.pool and row.entity == entity]
    return max(reversed(pooled), key=lambda row: len(row.pool), default=None)


def list_largest_pools(rows: Sequence[Refinement], entity: str) -> list[Refinement]:
    """All rows with a pool as large as the entity's largest: alternatives; of one pool the later row."""
    largest = find_largest_pool(rows, entity)
    if largest is None:
        return []
    alike = [row for row in rows if row.is_refining and row.entity == entity and len(row.pool) == len(largest.pool)]
    return list({frozenset(row.pool): row for row in alike}.values())


def list_gains(scenario: Scenario, rows: Sequence[Result]) -> list[Result]:
    """A row for each gain, under the name of the row that it is about; `n` is that row's."""
    main, made = scenario.data.main_metric, []
    results = Results(rows)
    federated = [(str(row.name), entity) for row in scenario.federated for entity in row.entities]
    for (name, entity), of in product(federated, ("", LOCAL)):
        this = results.find(name, entity, main.name + of)
        change = measure_gain(main, this, find_without_sharing(main, results, entity, of))
        if this is not None and change is not None:
            made.append(_derive(this, name_gain(main, of), change))
    for row, of in product(list_played_rows(scenario), ("", LOCAL)):
        this, change = results.find(str(row.name), row.entity, main.name + of), find_gain(main, results, row, of)
        if this is not None and change is not None:
            made.append(_derive(this, name_gain(main, of), change))
    return made


def _derive(row: Result, metric: str, figure: Figure | None) -> Result:
    """A result that follows from others, under the name of `row`: no stage measured it, and no paper prints it."""
    value, low, high = (figure.value, figure.low, figure.high) if figure else (None, None, None)
    made = replace(row, metric=metric, value=value, low=low, high=high, paper=None, verdict=None)
    return replace(made, seconds=None, device=None, answers=None)


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
            made.append(_derive(replace(published, row=stage_rows.TABLES_1_2), f"gap[{main.name}]", gap))
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


def list_worths(main: MainMetric, results: Results, rows: Sequence[Refinement]) -> list[Worth]:
    """Those of `rows` that read a pool beside own plain features, where two others of them were played to compare with.

    Those are of the same entity: own features alone, and with the plain features of the same pool.
    """
    refining = [row for row in rows if row.is_refining and row.entity]

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
        if (this := results.find(worth.row, worth.entity, main.name)) is not None:
            made.append(_derive(this, f"rho[{main.name}]", worth.rho))
    return made
