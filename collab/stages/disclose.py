"""What R shows of held-out images to networks that neither defenses nor attacks know (`disclosure`)."""

from collections.abc import Iterator
from typing import Any

from collab.assignment import ORACLE
from collab.entity import Entity
from collab.oracle import Oracle
from collab.stages.base import Planning, Playing, Stage, Task, Urgency
from collab.stages.decode import decoded
from collab.stages.keys import Keys, plain, remembered
from collab.stages.publish import poisoned
from collab.training.progress import Progress
from collab.types import Report

RECOGNIZE = "recognize oracle"
"""The name of the task that trains the independent recognizer."""


class Recognize(Stage[Oracle]):
    """Trains the recognizer, and asks it about held-out images and guesses."""

    name, version = "recognize", 2

    def tasks(self, planning: Planning) -> Iterator[Task]:
        """One, if the scenario measures disclosure."""
        if planning.scenario.disclosure is not None:
            needs, labels = ("decode oracle", "decode heldout"), (("recognizer", ""),)
            yield Task(RECOGNIZE, ORACLE, self.name, (Urgency.JUDGES, 1), needs, labels)

    def key(self, keys: Keys, task: Task) -> str:
        """The recognizer's training, the oracle's images and the held-out ones."""
        return recognized(keys)

    def play(self, player: Oracle, task: Task, playing: Playing, progress: Progress) -> Report:
        """Asks the oracle."""
        return player.recognize(progress)


class Disclose(Stage[Entity]):
    """Looks at reconstructions before and after the own module."""

    name, version, runs = "disclose", 2, ("defenses",)

    def tasks(self, planning: Planning) -> Iterator[Task]:
        """One of each entity that publishes, if the scenario measures disclosure."""
        for name in planning.publishers if planning.scenario.disclosure is not None else ():
            needs, labels = (f"poison {name}", RECOGNIZE), (("disclosure", name),)
            yield Task(f"disclose {name}", name, self.name, planning.publishing(name, 3), needs, labels)

    def key(self, keys: Keys, task: Task) -> str:
        """What is measured, the fitted defense, and the recognizer."""
        options, seen = looked_at(keys)
        return keys.computed(Disclose, task.who, options, [poisoned(keys, task.who), *seen])

    def play(self, player: Entity, task: Task, playing: Playing, progress: Progress) -> Report:
        """Asks the entity."""
        return player.disclose(progress)


@remembered
def recognized(keys: Keys) -> str:
    """The key of the recognizer."""
    wanted = keys.scenario.disclosure
    stated = {} if wanted is None else plain(wanted)
    options = {name: stated.get(name) for name in ("recognizer", "lpips")}
    return keys.computed(Recognize, ORACLE, options, [decoded(keys, ORACLE), decoded(keys, "heldout")])


def looked_at(keys: Keys) -> tuple[dict[str, Any], list[str]]:
    """What is measured of reconstructions, and the key of the networks that look at them."""
    wanted = keys.scenario.disclosure
    if wanted is None:
        return {}, []
    return wanted.model_dump(mode="json", include={"queries", "gallery"}), [recognized(keys)]
