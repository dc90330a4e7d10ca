"""Step 1 of the regime: whoever pre-trained trains R, which inverts F, on public images and releases it."""

from collections.abc import Iterator

from collab.participants.entity import Entity
from collab.scenario import stage_rows
from collab.stages.base import Job, Planning, Playing, Stage, Urgency
from collab.stages.decode import decoded
from collab.stages.keys import Keys, plain, remembered
from collab.stages.pretrain import pretrained
from collab.training.progress import Progress
from collab.types import Report


class Reconstruct(Stage[Entity]):
    """(DP-3)."""

    name, version = "reconstruct", 2

    def jobs(self, planning: Planning) -> Iterator[Job]:
        """One, of the leader."""
        leader = planning.leader
        yield Job(
            f"reconstruct {leader}", leader, self.name, (Urgency.RECONSTRUCT, 2),
            needs=(f"pretrain {leader}", "decode public"), labels=((stage_rows.RECONSTRUCTOR, leader),),
        )  # fmt: skip

    def key(self, keys: Keys, job: Job) -> str:
        """R's kind and training, F, and the public images."""
        return reconstructed(keys)

    def play(self, entity: Entity, job: Job, playing: Playing, progress: Progress, /) -> Report:
        """Asks the entity."""
        return entity.reconstruct(progress)


@remembered
def reconstructed(keys: Keys) -> str:
    """The key of the released R."""
    options = {**plain(keys.scenario.reconstructor), **keys.stored}
    return keys.computed(Reconstruct, keys.leader, options, [pretrained(keys), decoded(keys, "public")])
