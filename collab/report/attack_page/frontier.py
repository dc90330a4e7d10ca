"""The frontier of a sweep: what a defense brings its peers at each point, and the most that attacks got of it there."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from collab.report.attack_page.attempts import is_of_weights
from collab.report.attack_page.got import FALSE_ALARMS, MEMBERS, Got, Most, find_most, pick_most
from collab.report.cells import ABSENT, Table, format_value
from collab.report.drawing import inline_svg
from collab.report.figures.curves import COLORS, INK, draw_panels, name_point
from collab.results.aggregate import Mean, Point
from collab.results.figure import Figure
from collab.results.local import is_local
from collab.results.results import BY
from collab.results.words import format_size
from collab.scenario.stage_rows import PUBLISH, TABLES_1_2
from collab.tasks import MainMetric

READERS = ("outsider", "collaborator")
"""Who has nothing of the victim but what it sends everybody, or those with whom it averages weights."""

FoundAt = Mapping[Point, Sequence[Sequence[Got]]]
"""What attacks got at each point, of each of its seeds."""


@dataclass(frozen=True)
class Attacked:
    """A defense at a point: what it brings, what readers are offered, ε stated and proven, what attacks got.

    Or the weights of a federated row, of those who took part and were attacked: what the row brings the others.
    `gain` is the mean over entities, of the row with the largest pool of those that read this defense alone, in units
    of the main metric. `published` are bytes of all victims with it. `most` is by class of adversary, `members` the
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


def gather_attacked(means: Sequence[Mean], found: FoundAt) -> list[Attacked]:
    """Every defense that was attacked, at each point. Weights that are the same at all of them are one line."""
    made = list(_gather(means, found))
    points = {each.point for each in made}
    for name in dict.fromkeys(each.defense for each in made if is_of_weights(each.defense)):
        alike = [replace(each, point=()) for each in made if each.defense == name]
        if len(alike) == len(points) > 1 and all(each == alike[0] for each in alike):
            anywhere = tuple((axis, ANY) for axis, _ in made[0].point)
            made = [each for each in made if each.defense != name] + [replace(alike[0], point=anywhere)]
    return made


def _gather(means: Sequence[Mean], found: FoundAt) -> Iterator[Attacked]:
    for point, seeds in found.items():
        here = [mean for mean in means if mean.values == point]
        for defense in dict.fromkeys(got.defense for seed in seeds for got in seed):
            of_defense = [[got for got in seed if got.defense == defense] for seed in seeds]
            every = [got for seed in of_defense for got in seed]
            victims = {name for got in every for name in got.victims}
            rows = {name for got in every for name in got.rows}
            theirs = [mean for mean in here if mean.entity in victims]
            proofs = [
                mean
                for mean in theirs
                if any(mean.attack == got.attack and got.by in ("", mean.row.removeprefix(BY)) for got in every)
            ]
            of_weights = is_of_weights(defense)
            places = rows if of_weights else {TABLES_1_2, PUBLISH}
            epsilon = max(_list(theirs, "dp_epsilon", places), default=None)
            members = find_most(of_defense, MEMBERS).values()
            yield Attacked(
                point,
                defense,
                _average_gains(here, rows, victims if of_weights else set()),
                sum(_list(theirs, "bytes_sent" if of_weights else "bytes_published", places)) or None,
                epsilon,
                None if epsilon is None else max(_list(proofs, "dp_epsilon_found"), default=None),
                find_most(of_defense),
                max(members, key=lambda most: most.share, default=None),
            )


def _average_gains(means: Sequence[Mean], rows: Collection[str], besides: Collection[str]) -> Figure | None:
    """The mean gain of entities in `rows`, of those that are not `besides` where there are such.

    All are scored on the same images, so that the half width is the mean of theirs, as if their errors were one.
    """
    of_rows = [mean for mean in means if mean.row in rows and mean.metric.startswith("gain[")]
    gains = [mean for mean in of_rows if not is_local(mean.metric)]
    by_entity: dict[str | None, list[Figure]] = {}
    for gain in [gain for gain in gains if gain.entity not in besides] or gains:
        by_entity.setdefault(gain.entity, []).append(gain.figure)
    return _average([_average(figures) for figures in by_entity.values()]) if by_entity else None


def _average(figures: Sequence[Figure]) -> Figure:
    value, ends = fmean(each.value for each in figures), [each.arms for each in figures]
    if None in ends:
        return Figure(value)
    below, above = (fmean(arms) for arms in zip(*filter(None, ends), strict=True))
    return Figure(value, value - below, value + above)


def name_attacked(points: Sequence[Attacked]) -> list[tuple[str, ...]]:
    """What tells each of them from the others: where the axes stand, and the defense where these do not tell it."""
    of_rows = [each.point for each in points if not is_of_weights(each.defense)]
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
        f"gain: {main.points} over what an entity has without sharing, by rows that read this defense alone, mean over "
        "entities; of weights by all who took part, without those attacked where others did. Then for each class of "
        "adversary the attack that got most of what there is to find, mean over seeds (and the lowest and highest): of "
        "images normalized leakage (100 %: as much as from plain features by who has the module), of rows those "
        f"matched among candidates, of members those found beyond {100 * FALSE_ALARMS:.0f} % false alarms. An attack "
        "whose control failed is left out; attacks on weights have none. An insider has images of the victim besides. "
        "Whoever pre-trained is no victim where others publish too: F and C know its images.",
        "members: the same by anybody, of members alone."
        + " ε (proven): what is guaranteed, and what attacks prove of it at least." * is_private,
    )
    return Table("Gain and what attacks got", columns, tuple(lines), notes)


def draw_attacked_frontier(main: MainMetric, points: Sequence[Attacked]) -> str:
    """What sharing brings against the most that any attack got, as SVG; each point is a defense where the axes stand.

    Up: the gain there, with its interval. Across: the largest share that a reader got (filled), and that anybody got
    (open). Nothing for fewer than two points with both.
    """
    names = [", ".join(part for part in parts if part != ANY) for parts in name_attacked(points)]
    named = zip(names, points, strict=True)
    drawn = [(name, each.gain, each) for name, each in named if each.gain is not None and each.most]
    if len(drawn) < 2:  # one alone has nothing to be compared with
        return ""
    figure, (panel,) = draw_panels(1)
    for name, gain, each in drawn:
        gain, anybody = main.scale * gain, max(most.share for most in each.most.values())
        reader = pick_most(each.most, READERS)
        arms = None if gain.arms is None else [[arm] for arm in gain.arms]
        panel.errorbar([anybody], [gain.value], yerr=arms, fmt="o", mfc="white", color=COLORS[0], elinewidth=0.8)
        if reader is not None:
            panel.plot([reader.share, anybody], [gain.value] * 2, color=COLORS[0], linewidth=0.8, zorder=1)
            panel.plot([reader.share], [gain.value], "o", color=COLORS[0], markersize=5, zorder=3)
        name_point(panel, name, (anybody, gain.value))
    panel.axhline(0, color=INK, linewidth=0.8)
    panel.set_xlabel("the most that an attack got, of what there is to find (right: more disclosed)")
    panel.set_ylabel(f"gain of sharing, {main.points}")
    return inline_svg(figure)


def _tell_epsilon(each: Attacked) -> str:
    if each.epsilon is None:
        return ABSENT
    return f"{each.epsilon:g}" if each.proven is None else f"{each.epsilon:g} ({each.proven:.2f})"


def _list(means: Sequence[Mean], metric: str, rows: Collection[str] | None = None) -> list[float]:
    return [mean.figure.value for mean in means if mean.metric == metric and (rows is None or mean.row in rows)]
