"""What an audit found, one cell for each defense and attack, and the word that it earns (ATTACKS 3.2)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from collab.metric import MetricName
from collab.report.attack_page.attempts import (
    Attempt,
    collect_scores,
    group_attempts,
    jobs_of,
    name_weights,
)
from collab.report.attack_page.controls import COLLABORATOR, NOTHING_IN_PLAIN, Control, judge_controls
from collab.report.attack_page.words import (
    CONTROL_FAILED,
    WORDS,
    Look,
    Scored,
    choose_word,
    list_looks,
    pick_leakage,
    pool,
    pool_members,
)
from collab.results.figure import Figure, reject_in_family
from collab.results.opened import Opened
from collab.scenario.base import CONTROL
from collab.scenario.model import EntityPart, Scenario


@dataclass(frozen=True)
class Cell:
    """One attack by one class of adversary on all victims of one defense: what it reached, and the verdict on it.

    `members` is the share of members that it finds at 1 % false alarms. `seconds` are those of its attacks and of the
    rehearsals that they rest on; `rows` were attacked of each victim. `by` is who attacks, where several adversaries of
    this class tried an attack of this name on one victim, each with its own settings: each has a cell then.
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
    members: Figure | None = None
    by: str = ""


def name_attack(attack: str, by: str) -> str:
    """What a table calls an attack: with who attacks, where that is needed to tell it from another."""
    return f"{attack} by {by}" if by else attack


def judge_attacks(run: Opened) -> list[Cell]:
    """One cell for each defense, attack and class of adversary, in the order of entities and of the suite.

    What was found in weights of a federated row stands apart from what victims publish, as a defense of its own.
    Whoever pre-trained is in no average with others: F and C know its images. Controls are no victims.
    """
    grouped = group_attempts(run, name_defenses(run.scenario), name_weights(run.scenario))
    in_turn = [(key, group) for key, attempts in grouped for group in _part_doubled(attempts)]
    looks = [list_looks([attempt.scores for attempt in group]) for _, group in in_turn]
    clear = _tell_from_chance([defense for (defense, _, _), _ in in_turn], looks)
    scores = collect_scores(run)
    cells = [
        _cell(run, defense, group, scores, of_group, are_clear)
        for ((defense, _, _), group), of_group, are_clear in zip(in_turn, looks, clear, strict=True)
    ]
    told = Counter((cell.defense, cell.attack, cell.adversary) for cell in cells)
    cells = [
        replace(cell, by=group[0].participant) if told[cell.defense, cell.attack, cell.adversary] > 1 else cell
        for cell, (_, group) in zip(cells, in_turn, strict=True)
    ]
    return _controlled(cells, judge_controls(run))


def _part_doubled(attempts: Sequence[Attempt]) -> list[list[Attempt]]:
    """The attempts of each adversary apart, where two tried the same on one victim: no mean of both is an attack."""
    if len({each.victim for each in attempts}) == len(attempts):
        return [list(attempts)]
    names = dict.fromkeys(each.participant for each in attempts)
    return [[each for each in attempts if each.participant == name] for name in names]


def _tell_from_chance(defenses: Sequence[str], looks: Sequence[Sequence[Look]]) -> list[list[bool]]:
    """Which looks of each cell are clear; all looks at one defense are a family, read for the worst of them."""
    family = {defense: [look.chance for of, here in zip(defenses, looks, strict=True) if of == defense for look in here]
              for defense in dict.fromkeys(defenses)}  # fmt: skip
    found = {defense: iter(reject_in_family(chances)) for defense, chances in family.items()}
    return [[next(found[defense]) for _ in here] for defense, here in zip(defenses, looks, strict=True)]


def _cell(
    run: Opened,
    defense: str,
    group: Sequence[Attempt],
    scores: Mapping[tuple[str, str, str], Scored],
    looks: Sequence[Look],
    clear: Sequence[bool],
) -> Cell:
    victims, first = [attempt.scores for attempt in group], group[0]
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
    jobs = [job for each in group for job in jobs_of(run, "attack", each.participant, each.attack, each.victim)]
    jobs += [job for key in rehearsals for job in jobs_of(run, "rehearse", *key)]
    return Cell(
        defense, first.attack, first.adversary, word, how, pick_leakage(victims), pool(victims, likeness),
        pool(victims, "match_top1"), max(worst, default=None),
        victims=tuple(dict.fromkeys(attempt.victim for attempt in group)),
        rows=max(result.n or 0 for scored in victims for result in scored.values()),
        seconds=sum(job["seconds"] for job in jobs),
        members=pool_members(victims),
    )  # fmt: skip


def _controlled(cells: Sequence[Cell], controls: Sequence[Control]) -> list[Cell]:
    """Cells of attacks that their controls speak against say nothing (ATTACKS 3.1).

    Those that found nothing, of an attack that finds nothing in plain features either; all, of one that finds something
    in noise. In a run without controls a victim with plain features serves. A collaborator's attack may rest on its own
    module, so that plain features say nothing of it.
    """
    failed = {(each.attack, each.adversary): each for each in controls if each.problem}
    controlled = {(each.attack, each.adversary) for each in controls if each.plain}
    blind = {(cell.attack, cell.adversary) for cell in cells if cell.defense == "none" and cell.word == WORDS[0]}
    made = []
    for cell in cells:
        key, problem = (cell.attack, cell.adversary), ""
        if key in failed and (cell.word == WORDS[0] or failed[key].is_blamed):
            problem = failed[key].problem
        elif key in blind - controlled and cell.word == WORDS[0] and cell.adversary != COLLABORATOR:
            problem = NOTHING_IN_PLAIN
        made.append(replace(cell, word=CONTROL_FAILED, how=problem) if problem else cell)
    return made


def name_defenses(scenario: Scenario) -> dict[str, str]:
    """What each party's defense is called: its kinds, and whose it is first where several differ in their options.

    That of whoever pre-trained is apart from equal ones of others, by the entity's name behind it.
    """
    parties = [entity for entity in scenario.entities if not entity.options.is_control]
    leader = scenario.model.pretrain.leader
    names, first_with = dict[str, str](), list[EntityPart]()
    for entity in parties:
        alike = [other for other in first_with if other.protection == entity.protection]
        same = next((other for other in alike if other.defenses == entity.defenses), None)
        if same is None:
            first_with.append(entity)
            names[entity.name] = f"{entity.protection} of {entity.name}" if alike else entity.protection
        else:
            names[entity.name] = names[same.name]
    if sum(name == names.get(leader) for name in names.values()) > 1:
        names[leader] += f" of {leader}"
    return names
