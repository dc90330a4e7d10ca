"""What leakage is measured against: the inverse of F itself that an adversary would train (SCIENCE 5.3)."""

from collections.abc import Iterator

from collab.attacks.options import LeakedModule
from collab.participants.assignment import ORACLE
from collab.scenario.model import Scenario
from collab.stages.base import Job, OracleStage, Planning, Urgency
from collab.stages.decode import decoded
from collab.stages.keys import Keys, plain, remember
from collab.stages.reconstruct import Reconstruct

CALIBRATE = "calibrate oracle"
"""The name of the job."""


def inverse_options(scenario: Scenario) -> LeakedModule:
    """How the inverse of F is trained: as the first `leaked_module` that starts as R; one pass where there is none."""
    tried = (attack for entity in scenario.entities for attack in getattr(entity.options, "attacks", ()))
    stated = (each for each in tried if isinstance(each, LeakedModule) and each.start == "released")
    return next(stated, LeakedModule(kind="leaked_module", start="released", epochs=1))


class Calibrate(OracleStage):
    """Trains `leaked_module` on plain features, once for all victims: what it makes of theirs is a leakage of 1."""

    name, version = "calibrate", 1

    def jobs(self, planning: Planning) -> Iterator[Job]:
        """One, where an attack answers images."""
        if any(attack.answers == "images" for _, _, attack in planning.attacks):
            needs = (f"reconstruct {planning.leader}", "decode public")
            order = inverse_options(planning.scenario)
            yield Job(CALIBRATE, ORACLE, self.name, (Urgency.JUDGES, 2), needs, order=order)

    def key(self, keys: Keys, job: Job) -> str:
        """How it is trained, R, and the public images."""
        return self.key_of(keys)

    @staticmethod
    @remember
    def key_of(keys: Keys) -> str:
        """The same for every job."""
        options = plain(inverse_options(keys.scenario))
        return keys.make(Calibrate, ORACLE, options, [Reconstruct.key_of(keys, keys.leader), decoded(keys, "public")])
