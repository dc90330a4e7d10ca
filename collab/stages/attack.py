"""What curious entities try on what others published, each with what its class of adversary knows."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from collab.stages.base import Job, Planning, Playing, Stage
from collab.stages.decode import decoded
from collab.stages.featurize import Featurize
from collab.stages.federate import key_of_row, last_average
from collab.stages.hand_out import HandOut
from collab.stages.keys import Keys, plain
from collab.stages.publish import Publish
from collab.stages.reconstruct import Reconstruct
from collab.stages.trials import Trial, attack_code, defense_of, find_turns, make_trial_job
from collab.training.progress import Progress
from collab.types import Report

if TYPE_CHECKING:
    from collab.participants.attacking import Attempt
    from collab.participants.entity import Entity


class Rehearse(Stage["Entity"]):
    """An attack learns what it can before it sees a shard, once for all victims with one defense, or for all."""

    name, version, runs = "rehearse", 6, ("attacks.rehearse", "defenses")

    def jobs(self, planning: Planning) -> Iterator[Job]:
        """One for the first victim of its kind."""
        for turn, trial in find_turns(planning):
            if trial.rehearsed_on == trial.victim:
                needs = (f"reconstruct {planning.leader}", _own(planning, trial.attacker))
                yield make_trial_job(self, trial, trial.rehearsal, (turn, 0), needs, labels=trial.labels, reads=())

    def key(self, keys: Keys, job: Job) -> str:
        """The attack and its code, the victim's defense as it is stated, and what the adversary has."""
        return self.key_of(keys, job.order)

    @staticmethod
    def key_of(keys: Keys, trial: Trial) -> str:
        """Of a rehearsal for all victims like the one that it was for."""
        victim = str(trial.rehearsed_on)
        recipe = [plain(defense) for defense in keys.entity(victim).defenses]
        options = {**attack_code(keys, trial), "recipe": recipe, "for": victim}
        return keys.make(Rehearse, trial.attacker, options, _own_keys(keys, trial))

    def play(self, entity: "Entity", job: Job, playing: Playing, progress: Progress, /) -> Report:
        """Asks the entity."""
        return entity.rehearse(_attempt(job.order, playing), progress)


class Attack(Stage["Entity"]):
    """The adversary answers, with what its class knows, into its private folder."""

    name, version, runs = "attack", 7, ("attacks", "defenses")

    def jobs(self, planning: Planning) -> Iterator[Job]:
        """One for each trial."""
        for turn, trial in find_turns(planning):
            needs = [f"publish {trial.victim}", f"reconstruct {planning.leader}", _own(planning, trial.attacker)]
            needs += [] if trial.rehearsed_on is None else [trial.rehearsal]
            needs += [] if trial.attack.hand_out is None else [trial.name_job("hand out to")]
            second = trial.attack.second_release
            needs += [] if second is None else [f"publish {second[0]}"]
            needs += last_average(planning, trial.attack.federated_row)
            reads = (trial.victim, *(() if second is None else (second[0],)))
            yield make_trial_job(self, trial, trial.name_job("attack"), (turn, 2), tuple(needs), reads=reads)

    def key(self, keys: Keys, job: Job) -> str:
        """The attack and its code, what was published, what the adversary has, was given and has rehearsed."""
        return self.key_of(keys, job.order)

    @staticmethod
    def key_of(keys: Keys, trial: Trial) -> str:
        """Of an adversary's answer."""
        used = [Publish.key_of(keys, trial.victim), *_own_keys(keys, trial)]
        used += [] if trial.attack.hand_out is None else [HandOut.key_of(keys, trial)]
        second = trial.attack.second_release
        used += [] if second is None else [Publish.key_of(keys, second[0])]
        used += [] if trial.rehearsed_on is None else [Rehearse.key_of(keys, trial)]
        used += key_of_row(keys, trial.attack.federated_row)
        return keys.make(Attack, trial.attacker, attack_code(keys, trial), used)

    def play(self, entity: "Entity", job: Job, playing: Playing, progress: Progress, /) -> Report:
        """Asks the entity."""
        return entity.attack(_attempt(job.order, playing), progress)


def _attempt(trial: Trial, playing: Playing) -> "Attempt":
    from collab.participants.attacking import Attempt

    victim, plugins = playing.stated(trial.victim), playing.plugins
    allies = () if trial.attack.hand_out is None else trial.attack.hand_out.allies
    return Attempt(
        plugins.load("attacks", trial.attack.kind).from_options(trial.attack), trial.attack, trial.victim,
        defense_of(victim, plugins), victim.opens_module, trial.rehearsed_on,
        {ally: defense_of(playing.stated(ally), plugins) for ally in allies},
    )  # fmt: skip


def _own(planning: Planning, attacker: str) -> str:
    """The job that leaves what an adversary has of its own: its module, or its features."""
    return f"{'publish' if attacker in planning.publishers else 'featurize'} {attacker}"


def _own_keys(keys: Keys, trial: Trial) -> list[str]:
    """Of what an adversary has of its own and of the release."""
    stage = Publish if keys.entity(trial.attacker).options.publishes else Featurize
    return [stage.key_of(keys, trial.attacker), Reconstruct.key_of(keys, keys.leader), decoded(keys, "public")]
