"""The answer in plain words: who gained how much, what was disclosed, what it cost; every word follows from rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from collab.report.attack_page.attempts import is_of_weights
from collab.report.attack_page.cells import Cell, name_defenses
from collab.report.attack_page.shown import Disclosure, describe_disclosure, find_disclosure
from collab.report.attack_page.verdicts import describe_verdicts, find_worst_by_defense, judge_defenses
from collab.report.tables.crossings import Boundary
from collab.results.figure import Figure
from collab.results.gains import find_gain, find_largest_pool, find_without_sharing, list_largest_pools
from collab.results.local import LOCAL
from collab.results.results import Results
from collab.results.table import Result
from collab.results.words import format_size, join_names, measure_gain
from collab.scenario.model import Refinement, Scenario
from collab.scenario.rows import list_played_rows
from collab.store.pictures import Pictures
from collab.tasks import MainMetric


@dataclass(frozen=True)
class Gain:
    """What the largest pool brought one entity: figures of `row` against the better of what it has without sharing.

    `with_pool`, `without` and `scratch` are rows of the task's main metric; `change` is above 0 where sharing helps.
    `unpoisoned` is the change by the same pool as plain features, None where that was not played. `scratch` is a
    network of its own raw images, which owes nothing to anybody. `is_local`: of its own held-out images alone.
    """

    entity: str
    row: str
    pool: tuple[str, ...]
    main: MainMetric
    with_pool: Result
    without: Result
    change: Figure
    unpoisoned: Figure | None
    scratch: Result | None
    is_local: bool = False

    @property
    def points(self) -> Figure:
        """The change in the points that the task is told in, such as points of top-1."""
        return self.main.scale * self.change

    def __str__(self) -> str:
        """Who, and the sentence."""
        return f"{self.entity} {self.told}"

    def _repr_html_(self) -> str:
        return escape(str(self))

    @property
    def told(self) -> str:
        """A sentence."""
        main = self.main
        before, after = (main.write(result.value or 0) for result in (self.without, self.with_pool))
        alone = "the released network as it is" if self.without.row == "c_public" else "its own features alone"
        points = f"{abs(main.scale * self.change.value):.1f} {main.points}"
        ends = self.change.format_ends(main.scale, "+.1f")
        reach = f" (95 % interval {ends})" if ends else ""
        way = f"from {before} with {alone} to {after} with the pool of {join_names(self.pool)} (row {self.row})"
        where = f"on {self.with_pool.n:,} held-out images of its own " if self.is_local else ""
        match self.change.direction:
            case 1:
                return f"{where}gained {points}{reach}: {way}."
            case -1:
                return f"{where}lost {points}{reach}: {way}."
        short = main.points.split()[0]
        return f"{where}neither gained nor lost clearly, {main.scale * self.change.value:+.1f} {short}{reach}: {way}."


@dataclass(frozen=True)
class Summary:
    """What the page begins with; `verdicts` are the audit's words by entity, none of whom nobody attacked.

    `gains` are on all held-out images, `local` on each entity's own, where entities differ in what they have.
    """

    gains: tuple[Gain, ...]
    local: tuple[Gain, ...]
    disclosures: tuple[Disclosure, ...]
    verdicts: Mapping[str, str]
    gained: str
    disclosed: str
    cost: str
    cautions: tuple[str, ...]

    @property
    def parts(self) -> tuple[tuple[str, str], ...]:
        """The three questions, each with its answer."""
        titles = ("Who gained", "What was disclosed", "What it cost")
        return tuple(zip(titles, (self.gained, self.disclosed, self.cost), strict=True))

    def __str__(self) -> str:
        """Three lines."""
        return "\n".join(f"{title}: {text}" for title, text in self.parts)

    def _repr_html_(self) -> str:
        return "<br>".join(f"<b>{title}</b>: {escape(text)}" for title, text in self.parts)


def summarize(
    scenario: Scenario,
    rows: Sequence[Result],
    sent: Sequence[Boundary],
    pictures: Mapping[str, Pictures],
    cells: Sequence[Cell] = (),
    notices: Sequence[str] = (),
) -> Summary:
    """What rows, ledger and pictures of a run say, and the `cells` of its audit.

    `notices` are sentences about the images: what was passed over, and which stand twice.
    """
    results = Results(rows)
    pooled = [row for row in list_played_rows(scenario) if row.is_refining and row.pool]
    gains, local = (
        tuple(filter(None, (_gain(scenario, pooled, results, entity.name, of) for entity in scenario.entities)))
        for of in ("", LOCAL)
    )
    shown = tuple(filter(None, (find_disclosure(results, entity.name, pictures) for entity in scenario.entities)))
    judged, defenses = judge_defenses(cells), name_defenses(scenario)
    worst = find_worst_by_defense(judged)
    victims = {name for cell in cells if not is_of_weights(cell.defense) for name in cell.victims}
    verdicts = {
        name: worst[defenses[name]].cell.word for name in defenses if name in victims and defenses[name] in worst
    }
    disclosed = " ".join(filter(None, (describe_verdicts(judged, defenses), describe_disclosure(shown))))
    cautions = (*_alone_is_better(gains), *notices, *_cautions(scenario, results))
    alternatives = _tell_alternatives(scenario, pooled, results)
    gained = " ".join((_gained(scenario, gains, local), *alternatives, *_brought_by_weights(scenario, results)))
    return Summary(gains, local, shown, verdicts, gained, disclosed, _cost(sent), cautions)


def _gain(scenario: Scenario, pooled: Sequence[Refinement], results: Results, name: str, of: str) -> Gain | None:
    """The gain of the row with the largest pool, so that no row is picked for its figure; the later of equal ones."""
    main, metric = scenario.data.main_metric, scenario.data.main_metric.name + of
    without = find_without_sharing(main, results, name, of)
    row = find_largest_pool([each for each in pooled if results.find(str(each.name), name, metric)], name)
    if without is None or row is None:
        return None
    with_pool, change = results.find(str(row.name), name, metric), find_gain(main, results, row, of)
    if with_pool is None or change is None:
        return None
    raw = [str(each.name) for each in scenario.refinements if (each.own, each.entity) == ("images", name)]
    scratch = next(filter(None, (results.find(each, name, metric) for each in raw)), None)
    unpoisoned = measure_gain(main, results.find(f"c_unpoisoned_{row.name}", name, metric), without)
    return Gain(name, str(row.name), row.pool, main, with_pool, without, change, unpoisoned, scratch, of == LOCAL)


def _tell_alternatives(scenario: Scenario, pooled: Sequence[Refinement], results: Results) -> Iterator[str]:
    """What each of several equally large pools brought an entity: the sentence before is about the last of them."""
    main = scenario.data.main_metric
    for entity in scenario.entities:
        rows = list_largest_pools(pooled, entity.name)
        found = [(row, change) for row in rows if (change := find_gain(main, results, row)) is not None]
        if len(found) > 1:
            each = [f"{row.name} {change.format(main.scale, 1, sign='+')}" for row, change in found]
            yield f"Pools of {entity.name} of the same size: {join_names(each, len(each))} {main.points}."


def _brought_by_weights(scenario: Scenario, results: Results) -> Iterator[str]:
    """What pretrained weights are worth without any pool, so that nobody takes it for a gain by sharing."""
    if scenario.model.weights is None:
        return
    main = scenario.data.main_metric
    alone = {entity.name: results.find(f"c_own_{entity.name}", entity.name, main.name) for entity in scenario.entities}
    reached = [f"{name} {main.write(row.value)}" for name, row in alone.items() if row and row.value is not None]
    if reached:
        yield (
            f"The network began from pretrained weights: what they bring without any pool, by a decider that each "
            f"refined on features of its own images alone, is {join_names(reached)} (rows c_own). Rows from scratch "
            "know nothing of the weights."
        )
    else:
        yield "The network began from pretrained weights; `controls: true` would show what those bring without a pool."


def _gained(scenario: Scenario, gains: Sequence[Gain], local: Sequence[Gain]) -> str:
    """Who gained: where parties differ first each on its own kind of images, since the others' are not its business."""
    if not local:
        return _gained_on(scenario, gains)
    own, everybody = _gained_on(scenario, local), _gained_on(scenario, gains)
    return f"Each on held-out images of its own: {own} On the held-out images of all: {everybody}"


def _gained_on(scenario: Scenario, gains: Sequence[Gain]) -> str:
    if not any(row.pool for row in scenario.refinements):
        return "No row of this scenario reads a pool: nobody could gain by sharing."
    if not gains:
        return "What sharing brings was not measured: a pooled row, or what it is compared with, is missing."
    main = scenario.data.main_metric
    up, down, none = ([gain.entity for gain in gains if gain.change.direction == way] for way in (1, -1, 0))
    sentences = []
    if up:
        most_gained = max((gain for gain in gains if gain.entity in up), key=lambda gain: gain.change.value)
        points = f"{main.scale * most_gained.change.value:+.1f} {main.points}"
        most = f": {points}" if len(up) == 1 else f", {most_gained.entity} the most: {points}"
        sentences.append(f"Sharing helped {join_names(up)}{most}.")
    if down:
        sentences.append(f"{'It' if up else 'Sharing'} cost {join_names(down)} accuracy.")
    if none:
        count = max((gain.with_pool.n or 0 for gain in gains), default=0)
        noise = f"{count:,} held-out images and one seed can tell" if count else "can be told"
        whose = f"For {join_names(none)} the" if up or down else "Sharing made no clear difference: each"
        sentences.append(f"{whose} change is smaller than {noise}.")
    return " ".join((*sentences, *_gained_unpoisoned(main, gains)))


def _gained_unpoisoned(main: MainMetric, gains: Sequence[Gain]) -> Iterator[str]:
    """What the same pools would have brought as plain features: how much there was to gain."""
    changes = {gain.entity: gain.unpoisoned for gain in gains if gain.unpoisoned is not None}
    up = [f"{name} {each.format(main.scale, 1, sign='+')}" for name, each in changes.items() if each.direction > 0]
    if up:
        yield f"Unpoisoned, the same pools would have brought {join_names(up)} {main.points}."
    elif changes:
        yield "Unpoisoned, the same pools would have brought nobody a clear gain."


def _cost(sent: Sequence[Boundary]) -> str:
    publishers = [boundary for boundary in sent if boundary.published]
    if not publishers:
        return "Nothing was published."
    total, rows = (sum(getattr(boundary, name) for boundary in publishers) for name in ("published", "rows"))
    factor = total / rows / publishers[0].raw
    than = f"{factor:.1f} times its raw pixels" if factor >= 1 else f"{100 * factor:.0f} % of its raw pixels"
    entities = f"{len(publishers)} entities" if len(publishers) > 1 else publishers[0].entity
    return (
        f"{entities} published {format_size(total)} of poisoned features for {rows:,} images: "
        f"{format_size(total / rows)} for each, {than}."
    )


def _alone_is_better(gains: Sequence[Gain]) -> Iterator[str]:
    """Whose network, trained on its own raw images alone, is clearly better than what sharing gives."""
    for gain in gains:
        apart = measure_gain(gain.main, gain.scratch, gain.with_pool)
        if gain.scratch is not None and apart is not None and apart.direction > 0:
            yield (
                f"{gain.entity} does better without any of this: trained from scratch on its own raw images it reaches "
                f"{gain.main.write(gain.scratch.value or 0)} (row {gain.scratch.row}), with the pool "
                f"{gain.main.write(gain.with_pool.value or 0)}."
            )


LEARNED = 0.95
"""Top-1 on its own training images from which a network counts as one that has learned (our choice)."""


def _cautions(scenario: Scenario, results: Results) -> Iterator[str]:
    if scenario.is_drawn:
        yield "The images are drawn creatures, a stand-in: no figure here says anything about photographs."
    if not results.attacks:
        yield (
            "No attack was played. The reconstructor is the one that the DPMs were trained against, the easiest "
            "opponent: a low SSIM says that it is fooled, not that the image is gone."
        )
    if len({result.seed for result in results.all if result.seed is not None}) == 1:
        yield "One seed: intervals tell the noise of the held-out images, not that of another training."
    shown = results.first("tables_1_2", "ssim", "original")
    if shown and shown.value is not None and shown.value < 0.5:
        yield (
            f"The reconstructor reaches SSIM {shown.value:.3f} even from features as they are; below .5 it is too weak "
            "to show that poisoning hides anything."
        )
    # Networks frozen in mid-descent: figures tell how far they came, not what they can. For classes only: of other
    # tasks no such bound was tried.
    short = [result for result in results.all if result.metric == "top1_training" and (result.value or 0) < LEARNED]
    if short:
        told = join_names([f"{100 * (result.value or 0):.1f} % (row {result.row})" for result in short])
        yield (
            f"Frozen before it had learned: on its own training images a network from scratch is right in {told}, less "
            f"than {100 * LEARNED:.0f} %. Such figures tell when a training was stopped more than what its images are "
            "worth. Give model.pretrain, scratch or the row more epochs."
        )
