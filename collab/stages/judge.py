"""The oracle scores what adversaries answered: the only place where an attack meets the truth."""

from collections.abc import Iterator

from collab.participants.assignment import ORACLE
from collab.stages.attack import Attack
from collab.stages.base import Job, OracleStage, Planning
from collab.stages.calibrate import CALIBRATE, Calibrate
from collab.stages.decode import decoded
from collab.stages.disclose import RECOGNIZE, disclosure_keys
from collab.stages.keys import Keys
from collab.stages.publish import Publish
from collab.stages.trials import Trial, find_turns, make_trial_job


class Judge(OracleStage):
    """The only place where an attack meets the truth."""

    name, version = "judge", 10

    def jobs(self, planning: Planning) -> Iterator[Job]:
        """One for each trial."""
        recognize = () if planning.scenario.disclosure is None else (RECOGNIZE,)
        for turn, trial in find_turns(planning):
            needs = (trial.name_job("attack"), f"publish {trial.victim}", "decode oracle", "decode heldout", *recognize)
            needs += (CALIBRATE,) if trial.attack.answers == "images" else ()
            name, place = trial.name_job("judge"), (turn, 3)
            yield make_trial_job(self, trial, name, place, needs, participant=ORACLE, labels=trial.labels)

    def key(self, keys: Keys, job: Job) -> str:
        """The answer, what was published, the oracle's images, held-out ones, and who looks at reconstructions."""
        return self.key_of(keys, job.order)

    @staticmethod
    def key_of(keys: Keys, trial: Trial) -> str:
        """Of what was found in an adversary's answer."""
        options, seen = disclosure_keys(keys)
        seen += [decoded(keys, "heldout")]
        seen += [Calibrate.key_of(keys)] if trial.attack.answers == "images" else []
        second = trial.attack.second_release
        seen += [] if second is None else [Publish.key_of(keys, second[0])]
        used = [Attack.key_of(keys, trial), Publish.key_of(keys, trial.victim), decoded(keys, ORACLE), *seen]
        return keys.make(Judge, ORACLE, options | ({"metrics": keys.metrics} if keys.metrics else {}), used)
