"""A verdict on each claim about a table that takes a sweep, from the results of its points."""

from collections.abc import Sequence
from dataclasses import replace

from collab.results import aggregate
from collab.results.aggregate import Values
from collab.results.figure import average_groups
from collab.results.results import Key, Results
from collab.results.table import Result
from collab.scenario.sweep import Cell
from collab.verdicts.judging import judge_family
from collab.verdicts.registry import SWEEP_TABLES
from collab.verdicts.table import Point
from collab.verdicts.verdicts import Verdict, judge


def judge_sweep(
    table: str | None, axes: Sequence[str], cells: Sequence[tuple[Values, Sequence[Result]]]
) -> tuple[Verdict, ...]:
    """A verdict on each claim of `table` over the cells that ended; none for a sweep that expects nothing."""
    if table is None or not axes:
        return ()
    points = gather_points(cells)
    made = [claim_of(axes[0], points) for claim_of in SWEEP_TABLES[table].claims]
    return tuple(
        Verdict.of(table, claim.name, claim.sentence, each)
        for claim in made
        for each in judge_family(claim.comparisons)
    )


def judge_points(cells: Sequence[Cell], ended: Sequence[tuple[Values, Sequence[Result]]]) -> tuple[Verdict, ...]:
    """What the scenario of each point expects, by the means over the seeds that ended; claims begin with the point."""
    cell_at = {tuple(cell.values.items()): cell for cell in reversed(cells)}
    found = []
    for values, results in gather_points(ended):
        cell = cell_at[tuple(values.items())]
        for verdict in judge(cell.scenario, results.all):
            found.append(replace(verdict, claim=f"{cell.name}: {verdict.claim}" if cell.name else verdict.claim))
    return tuple(found)


def gather_points(cells: Sequence[tuple[Values, Sequence[Result]]]) -> list[Point]:
    """Results at each point; of several seeds their mean with its interval, of one what it found itself."""
    points: dict[aggregate.Point, dict[Key, list[Result]]] = {}
    for values, results in cells:
        of_point = points.setdefault(tuple(values.items()), {})
        for key, result in Results(result for result in results if result.value is not None).by_key.items():
            of_point.setdefault(key, []).append(result)
    return [(dict(point), Results(map(_mean, results.values()))) for point, results in points.items() if results]


def _mean(results: Sequence[Result]) -> Result:
    if len(results) == 1:
        return results[0]
    images = {each.answers and each.answers.images for each in results}
    share_images = len(images) == 1 and None not in images
    mean = average_groups([each.figure for each in results if each.figure is not None], share_images=share_images)
    return replace(results[0], value=mean.value, low=mean.low, high=mean.high, answers=None, of_seeds=tuple(results))
