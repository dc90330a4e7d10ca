"""What an audit found, one cell for each defense and attack, and the word that it earns (ATTACKS 3.2)."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from collab.report.opened import Opened
from collab.scenario.base import CONTROL
from collab.scenario.model import Entity
from collab.store.results import Row

BROKEN_LEAKAGE, BROKEN_MATCHES = 0.5, 0.2
"""Where a defense is called broken: half of what plain features disclose, or a fifth of all rows found."""

WORDS = ("not broken by this suite", "leaks", "broken")
"""From the least to the worst; `CONTROL_FAILED` and a dash stand where nothing can be said."""

CONTROL_FAILED = "control failed"


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


def cells_of(run: Opened) -> list[Cell]:
    """One cell for each defense and attack, in the order of entities and of the suite."""
    stated = {entity.name: entity for entity in run.scenario.entities}
    names = defense_names(run.scenario.entities)
    groups: dict[tuple[str, str], dict[str, dict[str, Row]]] = {}
    for row in run.rows:
        if row.attack is not None and row.entity in stated:
            found = groups.setdefault((names[row.entity], row.attack), {})
            found.setdefault(f"{row.row} {row.entity}", {})[row.metric] = row
    order = {name: place for place, name in enumerate(dict.fromkeys(names.values()))}
    in_turn = sorted(groups.items(), key=lambda group: order[group[0][0]])
    return _controlled([_cell(run, *key, list(found.values())) for key, found in in_turn])


def _controlled(cells: Sequence[Cell]) -> list[Cell]:
    """Cells in which nothing was found say so only of attacks that find something in plain features (ATTACKS 3.1).

    A collaborator's attack may rest on a module of its own, and has no such control.
    """
    blind = {cell.attack for cell in cells if cell.defense == "none" and cell.word == WORDS[0]}

    def judged(cell: Cell) -> Cell:
        if cell.word != WORDS[0] or cell.attack not in blind or cell.adversary == "collaborator":
            return cell
        return replace(cell, word=CONTROL_FAILED, how="finds nothing in plain features either")

    return [judged(cell) for cell in cells]


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
    if not told and (alarms := _pooled(victims, "match_sure")) is not None:
        return "—", f"{100 * alarms.value:.0f} % of the rows called sure, and no candidate is theirs"
    if not told:
        return "—", "nothing to compare with: R makes no more of plain features than a guess does"
    level, how = max(told, key=lambda each: each[0])
    control = _pooled(victims, CONTROL)
    if level == 0 and control is not None and (control.low is None or control.low <= 0):
        return CONTROL_FAILED, f"on a module of its own that it has not seen it gains {control} SSIM over a guess"
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


def best_of(cells: Iterable[Cell]) -> Cell | None:
    """The attack of the worst verdict, then of the largest leakage or share of rows matched."""

    def reached(cell: Cell) -> tuple[int, float]:
        return WORDS.index(cell.word), max((each.value for each in (cell.leakage, cell.matches) if each), default=0.0)

    return max((cell for cell in cells if cell.word in WORDS), key=reached, default=None)


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Each name once, in the order of its first mention."""
    return tuple(dict.fromkeys(names))
