"""What the page of a sweep begins with: who gains where, and what is disclosed, in words that follow from the means."""

from collections import Counter
from collections.abc import Collection, Sequence

from collab.metric import MetricName
from collab.report.cells import format_value
from collab.report.tables.over_seeds import CELL, pick_headline_gains, pick_unpoisoned_gains
from collab.results.aggregate import Mean, Point
from collab.results.gains import name_reference
from collab.results.local import LOCAL
from collab.results.words import join_names
from collab.scenario.model import Refinement
from collab.scenario.stage_rows import TABLES_1_2
from collab.tasks import MainMetric, find_main_metric

MOST_POINTS = 8
"""Points that sentences name one by one; the table below has all."""


def answer_sweep(means: Sequence[Mean], rows: Sequence[Refinement], parties: Collection[str]) -> tuple[str, ...]:
    """Sentences: what sharing brings at each point, what the reconstructor and attacks show, what that rests on.

    `rows` are those of the scenarios. Of disclosure that of `parties` is told, who publish and are no controls.
    """
    shared = [mean for mean in means if mean.entity in parties]
    told = [*_tell_gains(means, rows), _tell_disclosure(shared), _tell_attacks(shared), _tell_basis(means)]
    return tuple(filter(None, told))


def _tell_gains(means: Sequence[Mean], rows: Sequence[Refinement]) -> list[str]:
    if not any(row.pool for row in rows):
        return []  # nobody could gain: the answer begins with what is disclosed
    main = find_main_metric(mean.metric for mean in means)
    sentences = []
    if local := _tell_points(main, means, pick_headline_gains(means, rows, LOCAL)):
        sentences += ["Each on held-out images of its own:", *local, "On the held-out images of all:"]
    if not (everybody := _tell_points(main, means, pick_headline_gains(means, rows))):
        return ["What sharing brings was not measured: a pooled row, or what it is compared with, is missing."]
    reference = name_reference(mean.row for mean in means)
    return [*sentences, *everybody, f"Gains are of the largest pool over {reference}, in {main.points}."]


def _tell_points(main: MainMetric, means: Sequence[Mean], headlines: Sequence[Mean]) -> list[str]:
    """A sentence for each point of these gains."""
    points: dict[Point, list[Mean]] = {}
    for mean in headlines:
        points.setdefault(mean.values, []).append(mean)
    sentences = []
    for point, gains in list(points.items())[:MOST_POINTS]:
        where = f"At {_name_point(point)} sharing" if point else "Sharing"
        sentences.append(f"{where} {_tell_changes(main, gains, 'it')}.")
        if plain := [gain for gain in pick_unpoisoned_gains(means, gains) if gain is not None]:
            sentences[-1] += f" As plain features the same pools {_tell_changes(main, plain, 'they')}."
    left = len(points) - MOST_POINTS
    return [*sentences, *[f"{left} more points stand in the table below."] * (left > 0)]


def _tell_changes(main: MainMetric, gains: Sequence[Mean], pronoun: str) -> str:
    groups: dict[int, list[str]] = {1: [], -1: [], 0: []}
    told_of = Counter(mean.entity for mean in gains)
    for mean in gains:
        who = f"{mean.entity} by {mean.row}" if told_of[mean.entity] > 1 else mean.entity
        ends = mean.figure.format_ends(main.scale, "+.1f")
        reach = f", {ends}" if ends else ""
        told = f"{who} ({main.scale * mean.figure.value:+.1f}{reach})"
        groups[mean.figure.direction].append(told)
    words = {1: "helped", -1: "cost", 0: "made no clear difference for"}
    return f"; {pronoun} ".join(
        f"{words[way]} {join_names(names, len(names))}" for way, names in groups.items() if names
    )


def _name_point(point: Point) -> str:
    return ", ".join(str(value) if axis == CELL else f"{axis} = {format_value(value)}" for axis, value in point)


def _tell_disclosure(means: Sequence[Mean]) -> str:
    shown = {
        state: [mean for mean in means if mean.row == TABLES_1_2 and mean.quantity == f"ssim_{state}"]
        for state in ("original", "poisoned")
    }
    if not shown["poisoned"] or not shown["original"]:
        return ""
    most = max(shown["poisoned"], key=lambda mean: mean.figure.value)
    before = next(
        (each for each in shown["original"] if (each.values, each.entity) == (most.values, most.entity)), None
    )
    where = f" at {_name_point(most.values)}" if most.values else ""
    than = f", {before.figure} from features as they are" if before is not None else ""
    return (
        f"The released reconstructor rebuilds images with SSIM {most.figure} at the most from what is published "
        f"({most.entity}{where}){than} (1: the same image)."
    )


def _tell_attacks(means: Sequence[Mean]) -> str:
    found = [mean for mean in means if mean.attack and MetricName.parse(mean.metric).is_mean_of("leakage")]
    if not found:
        return ""
    most = max(found, key=lambda mean: mean.figure.value)
    where = f" at {_name_point(most.values)}" if most.values else ""
    return (
        f"The attack that found most has leakage {most.figure} ({most.attack} on {most.entity}{where}; 0 is the best "
        "guess, 1 what the released reconstructor makes of plain features)."
    )


def _tell_basis(means: Sequence[Mean]) -> str:
    main = find_main_metric(mean.metric for mean in means)
    seeds = sorted({mean.figure.n for mean in means if mean.metric == main.name and mean.figure.n})
    if not seeds:
        return ""
    if seeds[-1] == 1:
        return "One seed: intervals are over held-out images, and say nothing of other seeds."
    counts = f"{seeds[-1]}" if seeds[0] == seeds[-1] else f"{seeds[0]} to {seeds[-1]}"
    return (
        f"{counts} seeds: intervals (95 %) are over held-out images and seeds together; how far seeds differ is "
        "estimated from all points of a line, of few seeds from all rows of a kind."
    )
