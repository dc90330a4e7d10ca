"""Who attacked whom with what, and what it scored, as the results and the record of a run have it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from collab.report.attack_page.words import Scored
from collab.results.opened import Opened
from collab.results.results import name_adversary
from collab.results.table import Result
from collab.scenario.base import CONTROL
from collab.scenario.model import Scenario

WEIGHTS_OF = "weights of "
"""Before the name of a row of `federated`: what an attack looked at that is no published row."""

UNKNOWN = "unknown"
"""The class of an adversary in a run of before it was recorded."""


@dataclass(frozen=True)
class Attempt:
    """One attack of one adversary on one victim: its scores, the class of adversary, and on whom it was rehearsed."""

    participant: str
    attack: str
    victim: str
    scores: Scored
    adversary: str
    rehearsed_on: str | None


def collect_scores(run: Opened) -> dict[tuple[str, str, str], dict[str, Result]]:
    """Results of attacks by adversary, attack and victim."""
    scores: dict[tuple[str, str, str], dict[str, Result]] = {}
    for result in run.rows:
        if result.attack is not None and result.entity is not None:
            key = (name_adversary(result), result.attack, result.entity)
            scores.setdefault(key, {})[result.metric] = result
    return scores


def is_of_weights(defense: str) -> bool:
    """Whether what stands where a defense does is the weights of a federated row."""
    return defense.startswith(WEIGHTS_OF)


def name_weights(scenario: Scenario) -> dict[tuple[str, str], str]:
    """Whose weights attacks look at, by adversary and what the attack is called: `weights of fed`."""
    return {
        (each.name, attack.label): f"{WEIGHTS_OF}{attack.federated_row}"
        for each in scenario.entities
        for attack in getattr(each.options, "attacks", ())
        if attack.federated_row is not None
    }


def group_attempts(
    run: Opened, names: Mapping[str, str], weights: Mapping[tuple[str, str], str] | None = None
) -> list[tuple[tuple[str, str, str], list[Attempt]]]:
    """Attempts on victims that `names` has, by the name there, the attack and the class of adversary, in that order.

    An attack that `weights` has stands under the name there instead: a victim's defense does not change its weights.
    Those of whoever pre-trained stand apart, since F and C know its images.
    """
    weights, leader = weights or {}, run.scenario.model.pretrain.leader
    groups: dict[tuple[str, str, str], list[Attempt]] = {}
    for (participant, attack, victim), scored in collect_scores(run).items():
        if victim in names and set(scored) != {CONTROL}:  # a rehearsal alone, whose attack failed, attacks nobody
            job = next(jobs_of(run, "attack", participant, attack, victim), {})
            adversary = (job.get("facts") or {}).get("adversary", UNKNOWN)
            one = Attempt(participant, attack, victim, scored, adversary, job.get("rehearsed_on"))
            of = f" of {victim}" if victim == leader else ""
            looked_at = weights.get((participant, attack))
            name = names[victim] if looked_at is None else f"{looked_at}{of}"
            groups.setdefault((name, attack, adversary), []).append(one)
    order = list(dict.fromkeys([*names.values(), *(name for name, _, _ in groups)]))
    return sorted(groups.items(), key=lambda group: order.index(group[0][0]))


def jobs_of(run: Opened, stage: str, participant: str, attack: str, victim: str | None) -> Iterator[Mapping[str, Any]]:
    """Jobs of the record by what they are; their names are for people, and one may begin like another."""
    key = (stage, participant, attack, victim)
    jobs = run.record.get("jobs", {}).values()
    return (job for job in jobs if tuple(map(job.get, ("stage", "entity", "attack", "victim"))) == key)
