"""Step 1 of the regime: one entity trains a network on its own images, splits it and releases F and C."""

from collections.abc import Iterator

from collab.participants.entity import Entity
from collab.scenario import stage_rows
from collab.scenario.stage_rows import is_pretraining
from collab.stages.base import Job, Planning, Playing, Stage, Urgency
from collab.stages.decode import decoded
from collab.stages.find_copies import COPIES
from collab.stages.keys import Keys, plain, remembered
from collab.training.progress import Progress
from collab.types import Report


class Pretrain(Stage[Entity]):
    """(DP-1, DP-2); its network is also the first row of Table 5, if that asks for the same training."""

    name, version = "pretrain", 3

    def jobs(self, planning: Planning) -> Iterator[Job]:
        """One, of the leader."""
        leader = planning.leader
        rows = [row for row in planning.rows if is_pretraining(planning.scenario, row)]
        yield Job(
            f"pretrain {leader}", leader, self.name, (Urgency.RELEASE,),
            needs=(f"decode {leader}", "decode heldout"),
            labels=tuple((str(row.name), leader) for row in rows) or ((stage_rows.PRETRAIN, leader),), after=(COPIES,),
        )  # fmt: skip

    def key(self, keys: Keys, job: Job) -> str:
        """The network and its training, the leader's images and the held-out ones."""
        return pretrained(keys)

    def play(self, entity: Entity, job: Job, playing: Playing, progress: Progress, /) -> Report:
        """Asks the entity."""
        return entity.pretrain(progress)


@remembered
def pretrained(keys: Keys) -> str:
    """The key of the released F and C."""
    used = [decoded(keys, keys.leader), decoded(keys, "heldout")]
    return keys.computed(Pretrain, keys.leader, plain(keys.scenario.model), used)
