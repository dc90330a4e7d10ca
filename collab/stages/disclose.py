"""What R shows of held-out images to networks that neither defenses nor attacks know (`disclosure`)."""

from collections.abc import Iterator
from typing import Any

from collab.participants.assignment import ORACLE
from collab.scenario import stage_rows
from collab.stages.base import EntityStage, Job, OracleStage, Planning, Urgency
from collab.stages.decode import decoded
from collab.stages.find_copies import COPIES
from collab.stages.keys import Keys, plain, remember
from collab.stages.publish import Poison

RECOGNIZE = "recognize oracle"
"""The name of the job that trains the independent recognizer."""


class Recognize(OracleStage):
    """Trains the recognizer, and asks it about held-out images and guesses."""

    name, version = "recognize", 4

    def jobs(self, planning: Planning) -> Iterator[Job]:
        """One, if the scenario measures disclosure."""
        if planning.scenario.disclosure is not None:
            needs, labels = ("decode oracle", "decode heldout"), ((stage_rows.RECOGNIZER, ""),)
            yield Job(RECOGNIZE, ORACLE, self.name, (Urgency.JUDGES, 1), needs, labels, after=(COPIES,))

    def key(self, keys: Keys, job: Job) -> str:
        """The recognizer's training, the oracle's images and the held-out ones."""
        return self.key_of(keys)

    @staticmethod
    @remember
    def key_of(keys: Keys) -> str:
        """The same for every job."""
        stated = plain(keys.scenario.disclosure)
        options = {name: stated.get(name) for name in ("recognizer", "lpips")}
        return keys.make(Recognize, ORACLE, options, [decoded(keys, ORACLE), decoded(keys, "heldout")])


class Disclose(EntityStage):
    """Looks at reconstructions before and after the own module."""

    name, version, runs = "disclose", 4, ("defenses",)

    def jobs(self, planning: Planning) -> Iterator[Job]:
        """One of each entity that publishes, if the scenario measures disclosure."""
        for name in planning.row_publishers if planning.scenario.disclosure is not None else ():
            needs, labels = (f"poison {name}", RECOGNIZE), ((stage_rows.DISCLOSURE, name),)
            yield Job(f"disclose {name}", name, self.name, planning.publishing(name, 3), needs, labels)

    @staticmethod
    def key_of(keys: Keys, name: str) -> str:
        """What is measured, the fitted defense, and the recognizer."""
        options, seen = disclosure_keys(keys)
        return keys.make(Disclose, name, options, [Poison.key_of(keys, name), *seen])


def disclosure_keys(keys: Keys) -> tuple[dict[str, Any], list[str]]:
    """What is measured of reconstructions, and the key of the networks that look at them."""
    disclosure = keys.scenario.disclosure
    if disclosure is None:
        return {}, []
    asked = {"queries", "gallery", *(["images"] if disclosure.images is not None else [])}
    return disclosure.model_dump(mode="json", include=asked), [Recognize.key_of(keys)]
