"""What features of held-out images, as they would be published, give away beside the task (`exposure`)."""

from collections.abc import Iterator

from collab.assignment import ORACLE
from collab.entity import Entity
from collab.oracle import Oracle
from collab.stages.base import Planning, Playing, Stage, Task, Urgency
from collab.stages.decode import decoded
from collab.stages.keys import Keys, plain, remembered
from collab.stages.publish import poisoned
from collab.training.progress import Progress
from collab.types import Report

EMBED = "embed oracle"
"""The name of the task that trains the embedding of individuals."""


class Embed(Stage[Oracle]):
    """Trains the embedding of individuals on those of the public images."""

    name, version = "embed", 2

    def tasks(self, planning: Planning) -> Iterator[Task]:
        """One, if the scenario asks for an embedding."""
        if planning.scenario.embeds:
            needs, labels = ("decode public", "decode heldout"), (("embedding", ""),)
            yield Task(EMBED, ORACLE, self.name, (Urgency.JUDGES, 2), needs, labels)

    def key(self, keys: Keys, task: Task) -> str:
        """Its training, the public images and the held-out ones."""
        return embedding(keys)

    def play(self, player: Oracle, task: Task, playing: Playing, progress: Progress) -> Report:
        """Asks the oracle."""
        return player.embed(progress)


class Expose(Stage[Entity]):
    """Trains decoders and readers on what would be published of held-out images."""

    name, version = "expose", 3

    def tasks(self, planning: Planning) -> Iterator[Task]:
        """One of each entity that publishes, if the scenario measures exposure."""
        embedded = (EMBED,) if planning.scenario.embeds else ()
        for name in planning.publishers if planning.scenario.exposure is not None else ():
            needs, labels = (f"poison {name}", *embedded), (("exposure", name),)
            yield Task(f"expose {name}", name, self.name, planning.publishing(name, 5), needs, labels)

    def key(self, keys: Keys, task: Task) -> str:
        """What is measured, the fitted defense, and the embedding."""
        wanted = keys.scenario.exposure
        seen = [embedding(keys)] if keys.scenario.embeds else []
        options = {} if wanted is None else plain(wanted)
        return keys.computed(Expose, task.who, options, [poisoned(keys, task.who), *seen])

    def play(self, player: Entity, task: Task, playing: Playing, progress: Progress) -> Report:
        """Asks the entity."""
        return player.expose(progress)


@remembered
def embedding(keys: Keys) -> str:
    """The key of the embedding of individuals."""
    wanted = None if keys.scenario.exposure is None else keys.scenario.exposure.embedding
    options = {} if wanted is None else plain(wanted)
    return keys.computed(Embed, ORACLE, options, [decoded(keys, "public"), decoded(keys, "heldout")])
