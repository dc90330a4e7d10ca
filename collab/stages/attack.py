"""What curious entities try on what others published, and the oracle's judgment, since only it may see the truth."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from collab.assignment import ORACLE
from collab.attacks.base import Attack as AttackPlugin
from collab.defenses.base import Protection
from collab.defenses.chain import Chain
from collab.entity import Entity
from collab.oracle import Oracle
from collab.plugins.discovery import Plugins
from collab.scenario.base import AttackOptions
from collab.scenario.model import Entity as Stated
from collab.stages.base import Planning, Playing, Stage, Task, Urgency
from collab.stages.decode import decoded
from collab.stages.disclose import RECOGNIZE, looked_at
from collab.stages.featurize import featurized
from collab.stages.keys import Keys, plain
from collab.stages.publish import published
from collab.stages.reconstruct import reconstructed
from collab.training.progress import Progress
from collab.types import Report


@dataclass(frozen=True)
class Trial:
    """One attack of one adversary on one victim; `rehearsed_on` is whom the attack was rehearsed for, if it was."""

    attacker: str
    attack: AttackOptions
    victim: str
    rehearsed_on: str | None = None


class Rehearse(Stage[Entity]):
    """An attack learns what it can before it sees a shard, once for all victims with one defense, or for all."""

    name, version, runs = "rehearse", 2, ("attacks.rehearse",)

    def tasks(self, planning: Planning) -> Iterator[Task]:
        """One for the first victim of its kind."""
        for number, trial in enumerate(_trials(planning)):
            if trial.rehearsed_on == trial.victim:
                needs = (f"reconstruct {planning.leader}", _own(planning, trial.attacker))
                yield _task(self, trial, _rehearsal(trial), (number, 0), needs, labels=_label(trial), reads=())

    def key(self, keys: Keys, task: Task) -> str:
        """The attack and its code, the victim's defense as it is stated, and what the adversary has."""
        return _rehearsed(keys, task.order)

    def play(self, player: Entity, task: Task, playing: Playing, progress: Progress) -> Report:
        """Asks the entity."""
        trial: Trial = task.order
        recipe = defense_of(playing.stated(trial.victim), playing.plugins)
        return player.rehearse(attack_of(trial.attack, playing.plugins), trial.attack, trial.victim, recipe, progress)


class HandOut(Stage[Oracle]):
    """The oracle gives an adversary what its class has of the truth: pairs, candidates, a stolen module."""

    name, version = "hand_out", 1

    def tasks(self, planning: Planning) -> Iterator[Task]:
        """One for each trial of an attack that is given something."""
        for number, trial in enumerate(_trials(planning)):
            if trial.attack.hand_out is not None:
                needs = (f"publish {trial.victim}", "decode oracle")
                yield _task(self, trial, _handing_out(trial), (number, 1), needs, who=ORACLE)

    def key(self, keys: Keys, task: Task) -> str:
        """The attack, who gets it, what the victim published, and the oracle's images."""
        return _handed_out(keys, task.order)

    def play(self, player: Oracle, task: Task, playing: Playing, progress: Progress) -> Report:
        """Asks the oracle."""
        trial: Trial = task.order
        return player.hand_out(trial.attacker, trial.attack, trial.victim)


class Attack(Stage[Entity]):
    """The adversary answers, with what its class knows, into its private folder."""

    name, version, runs = "attack", 2, ("attacks",)

    def tasks(self, planning: Planning) -> Iterator[Task]:
        """One for each trial."""
        for number, trial in enumerate(_trials(planning)):
            needs = [f"publish {trial.victim}", f"reconstruct {planning.leader}", _own(planning, trial.attacker)]
            needs += [] if trial.rehearsed_on is None else [_rehearsal(trial)]
            needs += [] if trial.attack.hand_out is None else [_handing_out(trial)]
            yield _task(self, trial, _attacking(trial), (number, 2), tuple(needs))

    def key(self, keys: Keys, task: Task) -> str:
        """The attack and its code, what was published, what the adversary has, was given and has rehearsed."""
        return _attacked(keys, task.order)

    def play(self, player: Entity, task: Task, playing: Playing, progress: Progress) -> Report:
        """Asks the entity."""
        trial: Trial = task.order
        victim = playing.stated(trial.victim)
        return player.attack(
            attack_of(trial.attack, playing.plugins), trial.attack, trial.victim,
            defense_of(victim, playing.plugins), progress, is_open=victim.opens_module, rehearsed_on=trial.rehearsed_on,
        )  # fmt: skip


class Judge(Stage[Oracle]):
    """The only place where an attack meets the truth."""

    name, version = "judge", 3

    def tasks(self, planning: Planning) -> Iterator[Task]:
        """One for each trial."""
        recognize = () if planning.scenario.disclosure is None else (RECOGNIZE,)
        for number, trial in enumerate(_trials(planning)):
            name = f"judge {trial.attacker} {trial.attack.label} on {trial.victim}"
            needs = (_attacking(trial), f"publish {trial.victim}", "decode oracle", *recognize)
            yield _task(self, trial, name, (number, 3), needs, who=ORACLE, labels=_label(trial))

    def key(self, keys: Keys, task: Task) -> str:
        """The answer, what was published, the oracle's images, and who looks at reconstructions."""
        options, seen = looked_at(keys)
        used = [_attacked(keys, task.order), published(keys, task.order.victim), decoded(keys, ORACLE), *seen]
        return keys.computed(Judge, ORACLE, options, used)

    def play(self, player: Oracle, task: Task, playing: Playing, progress: Progress) -> Report:
        """Asks the oracle."""
        trial: Trial = task.order
        return player.judge(trial.attacker, trial.attack, trial.victim)


def attack_of(options: AttackOptions, plugins: Plugins) -> AttackPlugin:
    """The attack that options state."""
    attack: AttackPlugin = plugins.load("attacks", options.kind).from_options(options)
    return attack


def defense_of(stated: Stated, plugins: Plugins) -> Protection:
    """The defense that an entity states, a chain where there are several."""
    defenses = [plugins.load("defenses", each.kind).from_options(each) for each in stated.defenses]
    return defenses[0] if len(defenses) == 1 else Chain(tuple(defenses))


def _trials(planning: Planning) -> Iterator[Trial]:
    """Every attack on every victim, in the order of the scenario."""
    defenses = {entity.name: entity.defenses for entity in planning.scenario.entities}
    first: dict[tuple[str, str], str] = {}
    for attacker, victim, attack in planning.attacks:
        if attack.rehearses == "never":
            yield Trial(attacker, attack, victim)
            continue
        recipe = [] if attack.rehearses == "once" else [each.model_dump() for each in defenses[victim]]
        yield Trial(attacker, attack, victim, first.setdefault((attacker, str((attack.label, recipe))), victim))


def _task(
    stage: Stage[Any], trial: Trial, name: str, place: tuple[int, int], needs: tuple[str, ...], *,
    who: str = "", labels: tuple[tuple[str, str], ...] = (), reads: tuple[str, ...] | None = None,
) -> Task:  # fmt: skip
    return Task(
        name, who or trial.attacker, stage.name, (Urgency.ATTACK, *place), needs, labels, trial,
        (trial.victim,) if reads is None else reads, trial.attack.label, trial.victim,
    )  # fmt: skip


def _label(trial: Trial) -> tuple[tuple[str, str], ...]:
    return ((f"by {trial.attacker}", trial.victim),)


def _own(planning: Planning, attacker: str) -> str:
    """The task that leaves what an adversary has of its own: its module, or its features."""
    return f"{'publish' if attacker in planning.publishers else 'featurize'} {attacker}"


def _rehearsal(trial: Trial) -> str:
    return f"rehearse {trial.attacker} {trial.attack.label} for {trial.rehearsed_on}"


def _handing_out(trial: Trial) -> str:
    return f"hand out to {trial.attacker} {trial.attack.label} on {trial.victim}"


def _attacking(trial: Trial) -> str:
    return f"attack {trial.attacker} {trial.attack.label} on {trial.victim}"


def _rehearsed(keys: Keys, trial: Trial) -> str:
    victim = str(trial.rehearsed_on)
    recipe = [plain(defense) for defense in keys.entity(victim).defenses]
    options = {**_stated(keys, trial), "recipe": recipe, "for": victim}
    return keys.computed(Rehearse, trial.attacker, options, _had(keys, trial))


def _handed_out(keys: Keys, trial: Trial) -> str:
    options = {**_stated(keys, trial), "to": trial.attacker, "of": trial.victim}
    return keys.computed(HandOut, ORACLE, options, [published(keys, trial.victim), decoded(keys, ORACLE)])


def _attacked(keys: Keys, trial: Trial) -> str:
    used = [published(keys, trial.victim), *_had(keys, trial)]
    used += [] if trial.attack.hand_out is None else [_handed_out(keys, trial)]
    used += [] if trial.rehearsed_on is None else [_rehearsed(keys, trial)]
    return keys.computed(Attack, trial.attacker, _stated(keys, trial), used)


def _stated(keys: Keys, trial: Trial) -> dict[str, Any]:
    return {"attack": plain(trial.attack), "code": keys.code("attacks", trial.attack.kind)}


def _had(keys: Keys, trial: Trial) -> list[str]:
    is_publishing = keys.entity(trial.attacker).options.publishes
    own = (published if is_publishing else featurized)(keys, trial.attacker)
    return [own, reconstructed(keys), decoded(keys, "public")]
