"""An audit as a page: which defense is broken by which attack, at what price, and what is seen (ATTACKS 3.2)."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from collab.report.cells import Table
from collab.report.curves import draw_panels
from collab.report.opened import Opened, open_run
from collab.report.sheets import ContactSheet, Line
from collab.report.strips import data_url
from collab.report.svg import inline_svg
from collab.scenario.model import Entity
from collab.store.pictures import judged_file
from collab.store.results import Row

BROKEN_LEAKAGE, BROKEN_MATCHES = 0.5, 0.2
"""Where a defense is called broken: half of what plain features disclose, or a fifth of all rows found."""

WORDS = ("not broken by this suite", "leaks", "broken")
"""From the least to the worst; `control failed` and a dash stand where nothing can be said."""


@dataclass(frozen=True)
class Score:
    """A mean over victims with a 95 % interval, in which images of a victim and victims vary; None: no interval."""

    value: float
    low: float | None
    high: float | None

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.value:.2f}"
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


@dataclass(frozen=True)
class Cell:
    """One attack on all victims of one defense: what it reached, and the verdict on it."""

    defense: str
    attack: str
    adversary: str
    word: str
    how: str
    leakage: Score | None
    likeness: Score | None
    matches: Score | None
    worst: float | None
    victims: int
    rows: int
    seconds: float


def write_audit(run: Path) -> Path | None:
    """Draws `audit.html` in a run directory; None where nobody attacked. It shows images that victims hold."""
    opened = open_run(run)
    if not any(row.attack for row in opened.rows):
        return None
    from collab.report.page import drawn

    cells = cells_of(opened)
    best = {name: _best(each for each in cells if each.defense == name) for name in _in_order(c.defense for c in cells)}
    target = run / "audit.html"
    page = drawn(
        "audit.html", scenario=opened.scenario, run=opened, matrix=matrix(cells), verdicts=verdicts(cells),
        details=details(cells), frontier=frontier(opened, cells), sheets=_sheets(opened, best),
    )  # fmt: skip
    target.write_text(page, encoding="utf-8")
    return target


def cells_of(run: Opened) -> list[Cell]:
    """One cell for each defense and attack, in the order of entities and of the suite."""
    stated = {entity.name: entity for entity in run.scenario.entities}
    names = defense_names(run.scenario.entities)
    groups: dict[tuple[str, str], dict[str, dict[str, Row]]] = {}
    for row in run.rows:
        if row.attack is not None and row.entity in stated:
            found = groups.setdefault((names[row.entity], row.attack), {})
            found.setdefault(f"{row.row} {row.entity}", {})[row.metric] = row
    return [_cell(run, *key, list(found.values())) for key, found in groups.items()]


def defense_names(entities: Sequence[Entity]) -> dict[str, str]:
    """What each entity's defense is called: its kinds, and whose it is first where several differ in their options."""
    alike: dict[str, list[tuple[list[Any], str]]] = {}
    named = {}
    for entity in entities:
        options = [each.model_dump() for each in entity.defenses]
        known = alike.setdefault(entity.protection, [])
        name = next((name for there, name in known if there == options), None)
        if name is None:
            name = f"{entity.protection} of {entity.name}" if known else entity.protection
            known.append((options, name))
        named[entity.name] = name
    return named


def _cell(run: Opened, defense: str, attack: str, victims: Sequence[Mapping[str, Row]]) -> Cell:
    leakages = [score for name in ("ssim_max", "pdist") if (score := _pooled(victims, f"leakage[{name}]"))]
    leakage = max(leakages, key=lambda score: score.value, default=None)
    likeness = next(
        (s for name in _names(victims, "ssim_max[") if name.endswith("]") and (s := _pooled(victims, name))), None
    )
    matches = _pooled(victims, "match_top1")
    rank = _pooled(victims, "rank1[embedding]") or _pooled(victims, "rank1[pixels]")
    worst = max(
        (row.value or 0 for each in victims for name, row in each.items() if name.endswith("]_worst")), default=None
    )
    word, how = _verdict(victims, leakage, matches, rank)
    any_row = next(iter(victims[0].values()))
    who = any_row.row.removeprefix("by ")
    tasks = run.record.get("tasks", {})
    names = [name for name in tasks if name.startswith((f"attack {who} {attack} ", f"rehearse {who} {attack} "))]
    facts = next((tasks[name].get("facts") or {} for name in names if name.startswith("attack")), {})
    rows = max(row.n or 0 for each in victims for row in each.values())
    seconds = sum(
        tasks[name]["seconds"]
        for name in names
        if any(f" {row.entity}" in name for each in victims for row in each.values())
    )
    return Cell(
        defense, attack, facts.get("adversary", "unknown"), word, how, leakage, likeness, matches, worst, len(victims),
        rows, seconds,
    )  # fmt: skip


def _verdict(
    victims: Sequence[Mapping[str, Row]], leakage: Score | None, matches: Score | None, rank: Score | None
) -> tuple[str, str]:
    """The word of ATTACKS 3.2(6) for one attack, and what it rests on."""
    chance = _pooled(victims, "match_chance")
    gallery = _pooled(victims, "gallery")
    told: list[tuple[int, str]] = []
    if leakage is not None:
        level = 2 if leakage.value >= BROKEN_LEAKAGE else int(leakage.low is not None and leakage.low > 0)
        told.append((level, f"leakage {leakage}"))
    for score, floor, what in (
        (matches, chance, "of the rows matched"),
        (rank, gallery and Score(1 / max(gallery.value, 1), None, None), "of the images re-identified"),
    ):
        if score is not None:
            beyond = score.low is not None and score.low > (floor.value if floor else 0)
            level = 2 if score.value >= BROKEN_MATCHES and beyond else int(beyond)
            told.append((level, f"{100 * score.value:.0f} % {what}"))
    if (area := _pooled(victims, "membership_auc")) is not None:
        told.append((int(area.low is not None and area.low > 0.5), f"membership told with AUC {area}"))
    for name in _names(victims, "attribute_r2["):
        score, prior = _pooled(victims, name), _pooled(victims, f"{name}_prior_class_mean")
        if name.endswith("]") and score is not None and prior is not None:
            beyond = score.low is not None and prior.high is not None and score.low > prior.high
            told.append((int(beyond), f"{name[13:-1]} read with R² {score.value:.2f} (labels: {prior.value:.2f})"))
    if not told:
        return "—", "nothing to compare with: R makes no more of plain features than a guess does"
    level, how = max(told, key=lambda each: each[0])
    return WORDS[level], how


def _names(victims: Sequence[Mapping[str, Row]], start: str) -> list[str]:
    return [name for name in victims[0] if name.startswith(start)]


def _pooled(victims: Sequence[Mapping[str, Row]], metric: str) -> Score | None:
    r"""The mean over victims; its variance is that of images within them and that between them."""
    rows = [each[metric] for each in victims if metric in each and each[metric].value is not None]
    if not rows:
        return None
    values = [row.value or 0.0 for row in rows]
    halves = [(row.high - row.low) / 2 for row in rows if row.low is not None and row.high is not None]
    mean, count = sum(values) / len(values), len(values)
    if len(halves) < count:
        return Score(mean, None, None)
    if count == 1:
        return Score(mean, rows[0].low, rows[0].high)
    between = sum((value - mean) ** 2 for value in values) / (count - 1)
    half = math.sqrt(sum(each**2 for each in halves) / count**2 + 1.96**2 * between / count)
    return Score(mean, mean - half, mean + half)


def matrix(cells: Sequence[Cell]) -> Table:
    """Defenses by attacks, the verdict in each place."""
    attacks = _in_order(cell.attack for cell in cells)
    by_place = {(cell.defense, cell.attack): cell for cell in cells}
    lines = [
        (attack, *(by_place[defense, attack].word if (defense, attack) in by_place else "" for defense in defenses))
        for defenses in [_in_order(cell.defense for cell in cells)]
        for attack in attacks
    ]
    note = (
        "broken: leakage of .5 or more (0 is the best guess without features, 1 what the released R makes of plain "
        "features), or a fifth of the rows matched or re-identified. leaks: the 95 % interval lies above the guess."
    )
    return Table("Attacks by defenses", ("attack", *_in_order(cell.defense for cell in cells)), tuple(lines), (note,))


def verdicts(cells: Sequence[Cell]) -> Table:
    """For each defense and class of adversary the worst of its attacks, in a sentence."""
    lines = []
    for defense in _in_order(cell.defense for cell in cells):
        for adversary in ("outsider", "collaborator", "insider", "module leaked", "unknown"):
            here = [cell for cell in cells if (cell.defense, cell.adversary) == (defense, adversary)]
            best = _best(here)
            if best is None:
                continue
            tried = f"{len(here)} attacks, {best.victims} victims, {best.rows} rows"
            lines.append((defense, adversary, best.word, f"{best.attack}: {best.how} ({tried})"))
    note = (
        "An outsider reads store and release; an insider also has pairs of the victim, their number in brackets. "
        "A lower bound: no attack here uses a strong image prior, such as a GAN or a diffusion model."
    )
    return Table("Verdicts", ("defense", "adversary", "verdict", "how"), tuple(lines), (note,))


def details(cells: Sequence[Cell]) -> Table:
    """Every cell with its figures and its cost."""
    lines = [
        (
            f"{cell.defense}: {cell.attack}", cell.adversary, str(cell.leakage or "—"), str(cell.likeness or "—"),
            "—" if cell.worst is None else f"{cell.worst:.2f}", str(cell.matches or "—"), f"{cell.seconds:.0f}",
            str(cell.victims), str(cell.rows),
        )
        for cell in cells
    ]  # fmt: skip
    columns = (
        "defense and attack",
        "adversary",
        "leakage",
        "SSIM",
        "worst image",
        "matched",
        "seconds",
        "victims",
        "n",
    )
    return Table(
        "Every attack", columns, tuple(lines), ("SSIM: of the image or its negative, whichever is more alike.",)
    )


def frontier(run: Opened, cells: Sequence[Cell]) -> str:
    """What a defense costs against what the best attack on it gets, as SVG; nothing where no cost was measured."""
    names, main = defense_names(run.scenario.entities), run.scenario.data.main_metric
    found = {(row.entity, row.metric): row.value for row in run.rows if row.row == "tables_1_2"}
    points = []
    for name in _in_order(cell.defense for cell in cells):
        holders = [entity for entity, defense in names.items() if defense == name]
        pairs = [[found.get((who, f"{main.name}_{what}")) for what in ("original", "poisoned")] for who in holders]
        costs = [main.gain(plain or 0, poisoned) for plain, poisoned in pairs if poisoned is not None]
        worst = max((c.leakage.value for c in cells if c.defense == name and c.leakage is not None), default=None)
        if costs and worst is not None:
            points.append((worst, sum(costs) / len(costs), name))
    if not points:
        return ""
    figure, (panel,) = draw_panels(1)
    for leakage, cost, name in points:
        panel.plot([leakage], [cost], "o", color="#0b6e99")
        panel.annotate(name, (leakage, cost), textcoords="offset points", xytext=(4, 4), fontsize=7)
    panel.ticklabel_format(useOffset=False)
    panel.set_xlabel("leakage by the best attack")
    panel.set_ylabel(f"{main.points} that it costs")
    return inline_svg(figure)


def _sheets(run: Opened, best: Mapping[str, Cell | None]) -> list[tuple[str, ContactSheet]]:
    """Truth and answer of the attack that rebuilds most, one victim of each defense."""
    names, made = defense_names(run.scenario.entities), []
    for defense in best:
        rows = [row for row in run.rows if row.attack and row.entity and names[row.entity] == defense]
        likeness = [row for row in rows if row.metric.startswith("ssim_max[") and row.metric.endswith("]")]
        if not likeness:
            continue
        row = max(likeness, key=lambda each: each.value or 0)
        file = (
            run.folder
            / "private"
            / "oracle"
            / judged_file(row.row.removeprefix("by "), str(row.attack), str(row.entity))
        )
        if file.is_file():
            truth, rebuilt = np.load(file, allow_pickle=False)
            lines = tuple(
                Line(name, tuple(map(data_url, images)), ("",) * len(images))
                for name, images in (("true", truth), ("rebuilt", rebuilt))
            )
            side = max(40, min(96, truth.shape[-1]))
            title = f"{defense}: {row.attack} on {row.entity}, SSIM {row.value:.2f} on the average"
            made.append((title, ContactSheet(lines, "SSIM", 0, side, 0)))
    return made


def _best(cells: Iterable[Cell]) -> Cell | None:
    """The attack of the worst verdict, then of the largest leakage."""
    return max(
        (cell for cell in cells if cell.word in WORDS),
        key=lambda cell: (WORDS.index(cell.word), cell.leakage.value if cell.leakage else 0.0),
        default=None,
    )


def _in_order(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
