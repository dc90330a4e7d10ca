"""Step 1 of the regime: one entity trains a network on its own images, splits it and releases F and C."""

from collections.abc import Iterator

from collab.entity import Entity
from collab.scenario.model import Scenario
from collab.scenario.parts import Refinement
from collab.stages.base import Planning, Playing, Stage, Task, Urgency
from collab.stages.decode import decoded
from collab.stages.keys import Keys, plain, remembered
from collab.training.progress import Progress
from collab.types import Report


class Pretrain(Stage[Entity]):
    """(DP-1, DP-2); its network is also the first row of Table 5, if that asks for the same training."""

    name, version = "pretrain", 2

    def tasks(self, planning: Planning) -> Iterator[Task]:
        """One, of the leader."""
        leader = planning.leader
        rows = [row for row in planning.rows if is_pretraining(planning.scenario, row)]
        yield Task(
            f"pretrain {leader}", leader, self.name, (Urgency.RELEASE, 2),
            needs=(f"decode {leader}", "decode heldout"),
            labels=tuple((str(row.row), leader) for row in rows) or (("pretrain", leader),),
        )  # fmt: skip

    def key(self, keys: Keys, task: Task) -> str:
        """The network and its training, the leader's images and the held-out ones."""
        return pretrained(keys)

    def play(self, player: Entity, task: Task, playing: Playing, progress: Progress) -> Report:
        """Asks the entity."""
        return player.pretrain(progress)


@remembered
def pretrained(keys: Keys) -> str:
    """The key of the released F and C."""
    used = [decoded(keys, keys.leader), decoded(keys, "heldout")]
    return keys.computed(Pretrain, keys.leader, plain(keys.scenario.model), used)


def is_pretraining(scenario: Scenario, row: Refinement) -> bool:
    """Whether a row from scratch asks for what pre-training does anyway: same images, same recipe."""
    is_leaders = row.own == "images" and row.entity == scenario.model.pretrain.by
    return is_leaders and row.epochs is None and scenario.scratch is None
