"""For each image the best that several attacks of one adversary rebuilt: what somebody has who may try them all."""

from collections.abc import Iterator

from collab.participants.assignment import ORACLE
from collab.stages.attack import Attack
from collab.stages.base import Job, OracleStage, Planning
from collab.stages.decode import decoded
from collab.stages.keys import Keys
from collab.stages.publish import Publish
from collab.stages.trials import Trial, find_trials, make_trial_job

BEST_OF = "best_of"
"""What results call it, in the place of an attack."""


class BestOf(OracleStage):
    """Compares answers image by image, which only the oracle can: an adversary does not know which one is the best."""

    name, version = BEST_OF, 1

    def jobs(self, planning: Planning) -> Iterator[Job]:
        """One for each victim of who asks for it and answers with at least two sets of images of it."""
        trials: dict[tuple[str, str], list[Trial]] = {}
        asking = {each.name for each in planning.scenario.entities if getattr(each.options, BEST_OF, False)}
        for trial in find_trials(planning):
            if trial.attacker in asking and trial.attack.answers == "images":
                trials.setdefault((trial.attacker, trial.victim), []).append(trial)
        for number, ((attacker, victim), found) in enumerate(trials.items()):
            if len(found) > 1:
                needs = (*(each.name_job("attack") for each in found), f"publish {victim}", "decode oracle")
                yield Job(
                    f"compare attacks of {attacker} on {victim}", ORACLE, self.name,
                    make_trial_job(self, found[0], "", (number, 4), ()).place, needs, found[0].labels,
                    tuple(found), (victim,), (), BEST_OF, victim,
                )  # fmt: skip

    def key(self, keys: Keys, job: Job) -> str:
        """The answers, what was published, and the oracle's images."""
        used = [Attack.key_of(keys, trial) for trial in job.order]
        used += [Publish.key_of(keys, str(job.victim)), decoded(keys, ORACLE)]
        return keys.make(BestOf, ORACLE, {"attacks": [trial.attack.label for trial in job.order]}, used)
