"""What an audit found, one cell for each defense and attack, and the word that it earns (ATTACKS 3.2)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from collab.metric import MetricName
from collab.report.attack_page.words import (
    CONTROL_FAILED,
    WORDS,
    Look,
    Scored,
    choose_word,
    list_looks,
    pick_leakage,
    pool,
)
from collab.results.figure import Figure, reject_in_family
from collab.results.opened import Opened
from collab.results.results import name_adversary
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

    participant: str
    attack: str
    victim: str
    scores: Scored
    adversary: str
    rehearsed_on: str | None


def judge_attacks(run: Opened) -> list[Cell]:
    """One cell for each defense, attack and class of adversary, in the order of entities and of the suite."""
    names = name_defenses(run.scenario.entities)
    scores: dict[tuple[str, str, str], dict[str, Result]] = {}
    for result in run.rows:
        if result.attack is not None and result.entity is not None:
            key = (name_adversary(result), result.attack, result.entity)
            scores.setdefault(key, {})[result.metric] = result
    groups: dict[tuple[str, str, str], list[_Attacked]] = {}
    for (participant, attack, victim), scored in scores.items():
        if victim in names and set(scored) != {CONTROL}:  # a rehearsal alone, whose attack failed, attacks nobody
            job = next(_jobs(run, "attack", participant, attack, victim), {})
            adversary = (job.get("facts") or {}).get("adversary", UNKNOWN)
            one = _Attacked(participant, attack, victim, scored, adversary, job.get("rehearsed_on"))
            groups.setdefault((names[victim], attack, adversary), []).append(one)
    order = list(names.values())
    in_turn = sorted(groups.items(), key=lambda group: order.index(group[0][0]))
    looks = [list_looks([attacked.scores for attacked in group]) for _, group in in_turn]
    clear = _tell_from_chance([defense for (defense, _, _), _ in in_turn], looks)
    return _controlled(
        [
            _cell(run, defense, group, scores, of_group, are_clear)
            for ((defense, _, _), group), of_group, are_clear in zip(in_turn, looks, clear, strict=True)
        ]
    )


def _tell_from_chance(defenses: Sequence[str], looks: Sequence[Sequence[Look]]) -> list[list[bool]]:
    """Which looks of each cell are clear; all looks at one defense are a family, read for the worst of them."""
    family = {defense: [look.chance for of, here in zip(defenses, looks, strict=True) if of == defense for look in here]
              for defense in dict.fromkeys(defenses)}  # fmt: skip
    found = {defense: iter(reject_in_family(chances)) for defense, chances in family.items()}
    return [[next(found[defense]) for _ in here] for defense, here in zip(defenses, looks, strict=True)]


def _jobs(run: Opened, stage: str, participant: str, attack: str, victim: str | None) -> Iterator[Mapping[str, Any]]:
    """Jobs of the record by what they are; their names are for people, and one may begin like another."""
    key = (stage, participant, attack, victim)
    jobs = run.record.get("jobs", {}).values()
    return (job for job in jobs if tuple(map(job.get, ("stage", "entity", "attack", "victim"))) == key)


def _cell(
    run: Opened,
    defense: str,
    group: Sequence[_Attacked],
    scores: Mapping[tuple[str, str, str], Scored],
    looks: Sequence[Look],
    clear: Sequence[bool],
) -> Cell:
    victims, first = [attacked.scores for attacked in group], group[0]
    rehearsals = dict.fromkeys((each.participant, each.attack, each.rehearsed_on or each.victim) for each in group)
    control = pool([scores[key] for key in rehearsals if key in scores], CONTROL)
    word, how = choose_word(victims, looks, clear, control)
    names = {metric: MetricName.parse(metric) for scored in victims for metric in scored}
    likeness = next((metric for metric, name in names.items() if name.is_mean_of("ssim_max")), "")
    worst = [
        result.value or 0.0
        for scored in victims
        for metric, result in scored.items()
        if (names[metric].of, names[metric].statistic) == ("", "worst")
    ]
    jobs = [job for each in group for job in _jobs(run, "attack", each.participant, each.attack, each.victim)]
    jobs += [job for key in rehearsals for job in _jobs(run, "rehearse", *key)]
    return Cell(
        defense, first.attack, first.adversary, word, how, pick_leakage(victims), pool(victims, likeness),
        pool(victims, "match_top1"), max(worst, default=None),
        victims=tuple(dict.fromkeys(attacked.victim for attacked in group)),
        rows=max(result.n or 0 for scored in victims for result in scored.values()),
        seconds=sum(job["seconds"] for job in jobs),
    )  # fmt: skip


def _controlled(cells: Sequence[Cell]) -> list[Cell]:
    """Cells in which nothing was found say so only of attacks that find something in plain features (ATTACKS 3.1).

    A collaborator's attack may rest on a module of its own, and has no such control.
    """
    blind = {(cell.attack, cell.adversary) for cell in cells if cell.defense == "none" and cell.word == WORDS[0]}

    return [
        replace(cell, word=CONTROL_FAILED, how="finds nothing in plain features either")
        if cell.word == WORDS[0] and (cell.attack, cell.adversary) in blind and cell.adversary != "collaborator"
        else cell
        for cell in cells
    ]


def name_defenses(entities: Sequence[EntityPart]) -> dict[str, str]:
    """What each entity's defense is called: its kinds, and whose it is first where several differ in their options."""
    names, first_with = dict[str, str](), list[EntityPart]()
    for entity in entities:
        alike = [other for other in first_with if other.protection == entity.protection]
        same = next((other for other in alike if other.defenses == entity.defenses), None)
        if same is None:
            first_with.append(entity)
            names[entity.name] = f"{entity.protection} of {entity.name}" if alike else entity.protection
        else:
            names[entity.name] = names[same.name]
    return names
