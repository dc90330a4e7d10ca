"""What an audit found, one cell for each defense and attack, and the word that it earns (ATTACKS 3.2)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from collab.metric import MetricName
from collab.report.attack_page.scores import Scored, pooled
from collab.report.attack_page.words import CONTROL_FAILED, WORDS, leakage_of, word_of
from collab.results.figure import Figure
from collab.results.opened import Opened
from collab.results.results import adversary_of
from collab.results.table import Result
from collab.scenario.base import CONTROL
from collab.scenario.model import EntityPart

UNKNOWN = "unknown"
"""The class of an adversary in a run of before it was recorded."""


@dataclass(frozen=True)
class Cell:
    """One attack by one class of adversary on all victims of one defense: what it reached, and the verdict on it.

    `seconds` are those of its attacks and of the rehearsals that they rest on; `rows` were attacked of each victim.
    """

    defense: str
    attack: str
    adversary: str
    word: str
    how: str
    leakage: Figure | None
    likeness: Figure | None
    matches: Figure | None
    worst: float | None
    victims: tuple[str, ...]
    rows: int
    seconds: float


@dataclass(frozen=True)
class _Attacked:
    """One attack of one adversary on one victim: its scores, the class of adversary, and on whom it was rehearsed."""

    who: str
    attack: str
    victim: str
    scores: Scored
    adversary: str
    rehearsed_on: str | None


def cells_of(run: Opened) -> list[Cell]:
    """One cell for each defense, attack and class of adversary, in the order of entities and of the suite."""
    names = defense_names(run.scenario.entities)
    scores = _scores(run.rows)
    groups: dict[tuple[str, str, str], list[_Attacked]] = {}
    for (who, attack, victim), found in scores.items():
        if victim in names and set(found) != {CONTROL}:  # a rehearsal alone, whose attack failed, attacks nobody
            job = next(_jobs(run, "attack", who, attack, victim), {})
            adversary = (job.get("facts") or {}).get("adversary", UNKNOWN)
            one = _Attacked(who, attack, victim, found, adversary, job.get("rehearsed_on"))
            groups.setdefault((names[victim], attack, adversary), []).append(one)
    order = {name: place for place, name in enumerate(dict.fromkeys(names.values()))}
    in_turn = sorted(groups.items(), key=lambda group: order[group[0][0]])
    return _controlled([_cell(run, defense, group, scores) for (defense, _, _), group in in_turn])


def _scores(rows: Iterable[Result]) -> dict[tuple[str, str, str], dict[str, Result]]:
    """Results of attacks by adversary, attack and victim."""
    found: dict[tuple[str, str, str], dict[str, Result]] = {}
    for row in rows:
        if row.attack is not None and row.entity is not None:
            found.setdefault((adversary_of(row), row.attack, row.entity), {})[row.metric] = row
    return found


def _jobs(run: Opened, stage: str, who: str, attack: str, victim: str | None) -> Iterator[Mapping[str, Any]]:
    """Tasks of the record by what they are; their names are for people, and one may begin like another."""
    wanted = (stage, who, attack, victim)
    known = run.record.get("jobs", {}).values()
    return (job for job in known if tuple(map(job.get, ("stage", "entity", "attack", "victim"))) == wanted)


def _cell(run: Opened, defense: str, group: Sequence[_Attacked], scores: Mapping[tuple[str, str, str], Scored]) -> Cell:
    victims, first = [each.scores for each in group], group[0]
    rehearsals = dict.fromkeys((each.who, each.attack, each.rehearsed_on or each.victim) for each in group)
    control = pooled([scores[key] for key in rehearsals if key in scores], CONTROL)
    word, how = word_of(victims, control)
    metrics = {name: MetricName.parse(name) for each in victims for name in each}
    likeness = next((name for name, parts in metrics.items() if parts.quantity == "ssim_max" and parts.is_plain), "")
    worst = [
        row.value or 0.0 for each in victims for name, row in each.items()
        if metrics[name].statistic == "worst" and not metrics[name].of
    ]  # fmt: skip
    spent = [job for each in group for job in _jobs(run, "attack", each.who, each.attack, each.victim)]
    spent += [job for key in rehearsals for job in _jobs(run, "rehearse", *key)]
    return Cell(
        defense, first.attack, first.adversary, word, how, leakage_of(victims), pooled(victims, likeness),
        pooled(victims, "match_top1"), max(worst, default=None),
        victims=in_order(each.victim for each in group),
        rows=max(row.n or 0 for each in victims for row in each.values()),
        seconds=sum(job["seconds"] for job in spent),
    )  # fmt: skip


def _controlled(cells: Sequence[Cell]) -> list[Cell]:
    """Cells in which nothing was found say so only of attacks that find something in plain features (ATTACKS 3.1).

    A collaborator's attack may rest on a module of its own, and has no such control.
    """
    blind = {(cell.attack, cell.adversary) for cell in cells if cell.defense == "none" and cell.word == WORDS[0]}

    def judged(cell: Cell) -> Cell:
        if cell.word != WORDS[0] or (cell.attack, cell.adversary) not in blind or cell.adversary == "collaborator":
            return cell
        return replace(cell, word=CONTROL_FAILED, how="finds nothing in plain features either")

    return [judged(cell) for cell in cells]


def defense_names(entities: Sequence[EntityPart]) -> dict[str, str]:
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


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Each name once, in the order of its first mention."""
    return tuple(dict.fromkeys(names))
