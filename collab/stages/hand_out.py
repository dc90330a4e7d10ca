"""The oracle gives an adversary what its class has of the truth: pairs, candidates, a stolen module."""

from collections.abc import Iterator

from collab.participants.assignment import ORACLE
from collab.stages.base import Job, OracleStage, Planning
from collab.stages.decode import decoded
from collab.stages.keys import Keys
from collab.stages.publish import Publish
from collab.stages.trials import Trial, attack_code, find_turns, make_trial_job


class HandOut(OracleStage):
    """The oracle gives an adversary what its class has of the truth: pairs, candidates, a stolen module."""

    name, version = "hand_out", 4

    def jobs(self, planning: Planning) -> Iterator[Job]:
        """One for each trial of an attack that is given something."""
        for turn, trial in find_turns(planning):
            if trial.attack.hand_out is not None:
                allies = (f"publish {ally}" for ally in trial.attack.hand_out.allies)
                needs = (f"publish {trial.victim}", "decode oracle", *allies)
                name = trial.name_job("hand out to")
                yield make_trial_job(self, trial, name, (turn, 1), needs, participant=ORACLE)

    def key(self, keys: Keys, job: Job) -> str:
        """The attack, who gets it, what the victim published, and the oracle's images."""
        return self.key_of(keys, job.order)

    @staticmethod
    def key_of(keys: Keys, trial: Trial) -> str:
        """Of what an adversary is given."""
        options = {**attack_code(keys, trial), "to": trial.attacker, "of": trial.victim}
        allies = [] if trial.attack.hand_out is None else trial.attack.hand_out.allies
        used = [
            Publish.key_of(keys, trial.victim),
            decoded(keys, ORACLE),
            *(Publish.key_of(keys, ally) for ally in allies),
        ]
        return keys.make(HandOut, ORACLE, options, used)
