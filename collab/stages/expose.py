"""What features of held-out images, as they would be published, give away beside the task (`exposure`)."""

from collections.abc import Iterator

from collab.participants.assignment import ORACLE
from collab.scenario import stage_rows
from collab.stages.base import EntityStage, Job, OracleStage, Planning, Urgency
from collab.stages.decode import decoded
from collab.stages.find_copies import COPIES
from collab.stages.keys import Keys, plain, remember
from collab.stages.publish import Poison

EMBED = "embed oracle"
"""The name of the job that trains the embedding of individuals."""


class Embed(OracleStage):
    """Trains the embedding of individuals on those of the public images."""

    name, version = "embed", 3

    def jobs(self, planning: Planning) -> Iterator[Job]:
        """One, if the scenario asks for an embedding."""
        if planning.scenario.embeds:
            needs, labels = ("decode public", "decode heldout"), ((stage_rows.EMBEDDING, ""),)
            yield Job(EMBED, ORACLE, self.name, (Urgency.JUDGES, 2), needs, labels, after=(COPIES,))

    def key(self, keys: Keys, job: Job) -> str:
        """Its training, the public images and the held-out ones."""
        return self.key_of(keys)

    @staticmethod
    @remember
    def key_of(keys: Keys) -> str:
        """The same for every job."""
        exposure = keys.scenario.exposure
        options = plain(None if exposure is None else exposure.embedding)
        return keys.make(Embed, ORACLE, options, [decoded(keys, "public"), decoded(keys, "heldout")])


class Expose(EntityStage):
    """Trains decoders and readers on what would be published of held-out images."""

    name, version = "expose", 5

    def jobs(self, planning: Planning) -> Iterator[Job]:
        """One of each entity that publishes, if the scenario measures exposure."""
        embedded = (EMBED,) if planning.scenario.embeds else ()
        for name in planning.row_publishers if planning.scenario.exposure is not None else ():
            needs, labels = (f"poison {name}", *embedded), ((stage_rows.EXPOSURE, name),)
            yield Job(f"expose {name}", name, self.name, planning.publishing(name, 5), needs, labels)

    @staticmethod
    def key_of(keys: Keys, name: str) -> str:
        """What is measured, the fitted defense, and the embedding."""
        seen = [Embed.key_of(keys)] if keys.scenario.embeds else []
        return keys.make(Expose, name, plain(keys.scenario.exposure), [Poison.key_of(keys, name), *seen])
