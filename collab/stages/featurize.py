"""F of the images of an entity, once, into its private folder; and of the held-out ones, which the oracle has."""

from collections.abc import Iterator

from collab.participants.assignment import ORACLE
from collab.scenario import stage_rows
from collab.stages.base import EntityStage, Job, OracleStage, Planning, Urgency
from collab.stages.decode import decoded
from collab.stages.keys import Keys, remember
from collab.stages.pretrain import Pretrain


class Featurize(EntityStage):
    """Features that were computed once serve poisoning, publishing and all refining."""

    name, version = "featurize", 1

    def jobs(self, planning: Planning) -> Iterator[Job]:
        """One of each entity; who is late begins when all others have published."""
        entities = planning.scenario.entities
        late = {each.name for each in entities if each.options.is_late}
        first = [f"publish {name}" for name in planning.publishers if name not in late]
        for entity in entities:
            name, others = entity.name, first if entity.options.is_late else []
            needs = (f"decode {name}", f"pretrain {planning.leader}", *others)
            yield Job(f"featurize {name}", name, self.name, planning.publishing(name, 0), needs)

    @staticmethod
    @remember
    def key_of(keys: Keys, name: str) -> str:
        """F, the entity's images, and how features are stored."""
        used = [Pretrain.key_of(keys, keys.leader), decoded(keys, name)]
        return keys.make(Featurize, name, keys.stored, used)


class FeaturizeHeldout(OracleStage):
    """Everything is scored on these features; the released C as it is (control `c_public`), and guesses."""

    name, version = "featurize_heldout", 3

    def jobs(self, planning: Planning) -> Iterator[Job]:
        """One."""
        needs, labels = (f"pretrain {planning.leader}",), ((stage_rows.PUBLIC, ""),)
        yield Job("featurize heldout", ORACLE, self.name, (Urgency.RECONSTRUCT, 1), needs, labels)

    def key(self, keys: Keys, job: Job) -> str:
        """F, the held-out images, and how features are stored."""
        return self.key_of(keys)

    @staticmethod
    @remember
    def key_of(keys: Keys) -> str:
        """The same for every job."""
        used = [Pretrain.key_of(keys, keys.leader), decoded(keys, "heldout")]
        return keys.make(FeaturizeHeldout, ORACLE, keys.stored, used)
