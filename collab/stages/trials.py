"""Trials: one attack of one adversary on one victim, as the stages around it need to know of each other."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from collab.plugins.discovery import Plugins
from collab.scenario import stage_rows
from collab.scenario.base import AttackOptions
from collab.scenario.model import EntityPart
from collab.stages.base import Job, Planning, Stage, Urgency
from collab.stages.keys import Keys, plain

if TYPE_CHECKING:
    from collab.defenses.base import Defense


@dataclass(frozen=True)
class Trial:
    """One attack of one adversary on one victim; `rehearsed_on` is whom the attack was rehearsed for, if it was."""

    attacker: str
    attack: AttackOptions
    victim: str
    rehearsed_on: str | None = None

    @property
    def rehearsal(self) -> str:
        """The name of the job in which the attack is rehearsed."""
        return f"rehearse {self.attacker} {self.attack.label} for {self.rehearsed_on}"

    def name_job(self, step: Literal["hand out to", "attack", "judge"]) -> str:
        """The name of the job in which the adversary gets what its class has, answers, or has its answer scored."""
        return f"{step} {self.attacker} {self.attack.label} on {self.victim}"

    @property
    def labels(self) -> tuple[tuple[str, str], ...]:
        """Row and entity of its results."""
        return ((f"{stage_rows.OF_ATTACKS}{self.attacker}", self.victim),)


def find_turns(planning: Planning) -> Iterator[tuple[int, Trial]]:
    """Every trial and its turn: the first of each adversary before the second of any, so that all work side by side."""
    turns = Counter[str]()
    for trial in find_trials(planning):
        yield turns[trial.attacker], trial
        turns[trial.attacker] += 1


def find_trials(planning: Planning) -> Iterator[Trial]:
    """Every attack on every victim, in the order of the scenario."""
    defenses = {entity.name: entity.defenses for entity in planning.scenario.entities}
    first: dict[tuple[str, str], str] = {}
    for attacker, victim, attack in planning.attacks:
        if attack.rehearses == "never":
            yield Trial(attacker, attack, victim)
            continue
        recipe = [] if attack.rehearses == "once" else [defense.model_dump() for defense in defenses[victim]]
        yield Trial(attacker, attack, victim, first.setdefault((attacker, str((attack.label, recipe))), victim))


def make_trial_job(
    stage: Stage[Any], trial: Trial, name: str, place: tuple[int, int], needs: tuple[str, ...], *,
    participant: str = "", labels: tuple[tuple[str, str], ...] = (), reads: tuple[str, ...] | None = None,
) -> Job:  # fmt: skip
    """A job of `stage` about a trial, of the attacker unless `who` is given; it reads the victim's shards."""
    return Job(
        name, participant or trial.attacker, stage.name, (Urgency.ATTACK, *place), needs, labels, trial,
        (trial.victim,) if reads is None else reads, (), trial.attack.label, trial.victim, trial.rehearsed_on,
    )  # fmt: skip


def defense_of(entity: EntityPart, plugins: Plugins) -> "Defense":
    """The defense that an entity states, a chain where there are several."""
    from collab.defenses.chain import Chain

    defenses = [plugins.load("defenses", options.kind).from_options(options) for options in entity.defenses]
    return defenses[0] if len(defenses) == 1 else Chain(tuple(defenses))


def attack_code(keys: Keys, trial: Trial) -> dict[str, Any]:
    """The part of a key that says which attack it is, and its code."""
    return {"attack": plain(trial.attack), "code": keys.code("attacks", trial.attack.kind)}
