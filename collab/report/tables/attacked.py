"""The frontier of a sweep: what a defense brings its peers at each point, and the most that attacks got of it there."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from collab.report.attack_page.attempts import WEIGHTS_OF
from collab.report.attack_page.got import FALSE_ALARMS, MEMBERS, Got, Most, find_most
from collab.report.cells import ABSENT, Table, format_value
from collab.report.tables.over_seeds import pick_headline_gains
from collab.results.aggregate import Mean, Point
from collab.results.figure import Figure, add_figures
from collab.results.local import LOCAL
from collab.results.words import format_size
from collab.scenario.model import Refinement
from collab.scenario.stage_rows import PUBLISH, TABLES_1_2
from collab.tasks import MainMetric

FoundAt = Mapping[Point, Sequence[Sequence[Got]]]
"""What attacks got at each point, of each of its seeds."""


@dataclass(frozen=True)
class Attacked:
    """A defense at a point: what it brings, what readers are offered, ε stated and proven, what attacks got.

    Or the weights of a federated row, of those who took part and were attacked: what the row brings the others.
    `gain` is the mean over entities, of the row with the largest pool of those that read this defense alone, in units
    of the main metric. `published` are bytes of all entities with it. `most` is by class of adversary, `members` the
    most that anybody found of them.
    """

    point: Point
    defense: str
    gain: Figure | None
    published: float | None
    epsilon: float | None
    proven: float | None
    most: Mapping[str, Most]
    members: Most | None


ANY = "any"
"""Where the axes stand for weights that are the same wherever they do: what others publish does not change them."""


def gather_attacked(means: Sequence[Mean], rows: Sequence[Refinement], found: FoundAt) -> list[Attacked]:
    """Every defense that was attacked, at each point; `rows` are those of the scenarios."""
    made = list(_gather(means, rows, found))
    for name in dict.fromkeys(each.defense for each in made if each.defense.startswith(WEIGHTS_OF)):
        alike = [replace(each, point=()) for each in made if each.defense == name]
        if len(alike) > 1 and all(each == alike[0] for each in alike):
            anywhere = tuple((axis, ANY) for axis, _ in made[0].point)
            made = [each for each in made if each.defense != name] + [replace(alike[0], point=anywhere)]
    return made


def _gather(means: Sequence[Mean], rows: Sequence[Refinement], found: FoundAt) -> Iterator[Attacked]:
    for point, seeds in found.items():
        here = [mean for mean in means if mean.values == point]
        for defense in dict.fromkeys(got.defense for seed in seeds for got in seed):
            of_defense = [[got for got in seed if got.defense == defense] for seed in seeds]
            victims = {name for seed in of_defense for got in seed for name in got.victims}
            attacks = {got.attack for seed in of_defense for got in seed}
            theirs = [mean for mean in here if mean.entity in victims]
            if defense.startswith(WEIGHTS_OF):
                row = defense.removeprefix(WEIGHTS_OF).removesuffix(f" of {min(victims)}")  # of whoever pre-trained
                gains = _pick_gains_of(here, row, victims)
                published, epsilons = _list(theirs, "bytes_sent", row), _list(theirs, "dp_epsilon", row)
            else:
                gains = pick_headline_gains(here, [row for row in rows if {*row.pool} <= victims])
                published, epsilons = _list(theirs, "bytes_published", PUBLISH), _list(theirs, "dp_epsilon", TABLES_1_2)
            epsilon, figures = max(epsilons, default=None), [gain.figure for gain in gains]
            proven = max(_list([mean for mean in theirs if mean.attack in attacks], "dp_epsilon_found"), default=None)
            members = find_most(of_defense, MEMBERS).values()
            yield Attacked(
                point,
                defense,
                add_figures([1 / len(figures) * each for each in figures]) if figures else None,
                sum(published) or None,
                epsilon,
                None if epsilon is None else proven,
                find_most(of_defense),
                max(members, key=lambda most: most.share, default=None),
            )


def _pick_gains_of(means: Sequence[Mean], row: str, victims: set[str]) -> list[Mean]:
    """What a row of `federated` brings those who were not attacked; all of it where everybody was."""
    gains = [mean for mean in means if mean.row == row and mean.metric.startswith("gain[")]
    gains = [gain for gain in gains if not gain.metric.endswith(LOCAL)]
    return [gain for gain in gains if gain.entity not in victims] or gains


def name_attacked(points: Sequence[Attacked]) -> list[tuple[str, ...]]:
    """What tells each of them from the others: where the axes stand, and the defense where these do not tell it."""
    of_rows = [each.point for each in points if not each.defense.startswith(WEIGHTS_OF)]
    is_told = len(set(of_rows)) == len(points)
    return [
        (*(format_value(value) for _, value in each.point), *(() if is_told and each.point else (each.defense,)))
        for each in points
    ]


def tabulate_attacked(main: MainMetric, axes: Sequence[str], points: Sequence[Attacked]) -> Table | None:
    """A line for each defense at each point, a column for each class of adversary; None where nobody attacked."""
    if not points:
        return None
    classes = list(dict.fromkeys(name for each in points for name in each.most))
    is_private = any(each.epsilon is not None for each in points)
    names = name_attacked(points)
    lines = [
        (
            *name,
            each.gain.format(main.scale, 1, sign="+") if each.gain else ABSENT,
            format_size(each.published) if each.published else ABSENT,
            *(str(each.most.get(adversary, ABSENT)) for adversary in classes),
            str(each.members or ABSENT),
            *([_tell_epsilon(each)] if is_private else []),
        )
        for name, each in zip(names, points, strict=True)
    ]
    told = (*axes, *["defense"] * (len(names[0]) - len(axes)))
    columns = (*told, "gain", "published", *classes, "members", *(["ε (proven)"] if is_private else []))
    notes = (
        f"gain: {main.points}, as in the table of what sharing brings, by rows that read this defense alone, mean "
        "over entities. Then for each class of adversary the attack that got most of what there is to find, mean over "
        "seeds (and the lowest and highest): of images normalized leakage, of rows those matched among candidates, of "
        f"members those found beyond {100 * FALSE_ALARMS:.0f} % false alarms. An attack whose control failed is left "
        "out. An insider has images of the victim besides. Whoever pre-trained is no victim where others publish too: "
        "F and C know its images.",
        "members: the same by anybody, of members alone."
        + " ε (proven): what is guaranteed, and what attacks prove of it at least." * is_private,
    )
    return Table("Gain and what attacks got", columns, tuple(lines), notes)


def _tell_epsilon(each: Attacked) -> str:
    if each.epsilon is None:
        return ABSENT
    return f"{each.epsilon:g}" if each.proven is None else f"{each.epsilon:g} ({each.proven:.2f})"


def _list(means: Sequence[Mean], metric: str, row: str | None = None) -> list[float]:
    return [mean.figure.value for mean in means if mean.metric == metric and row in (None, mean.row)]
