"""Step 1 of the regime: whoever pre-trained trains R, which inverts F, on public images and releases it."""

from collections.abc import Iterator

from collab.scenario import stage_rows
from collab.stages.base import EntityStage, Job, Planning, Urgency
from collab.stages.decode import decoded
from collab.stages.keys import Keys, plain, remember
from collab.stages.pretrain import Pretrain


class Reconstruct(EntityStage):
    """(DP-3)."""

    name, version = "reconstruct", 3

    def jobs(self, planning: Planning) -> Iterator[Job]:
        """One, of the leader, unless nothing but weights is read."""
        if planning.scenario.federates_only:
            return
        leader = planning.leader
        yield Job(
            f"reconstruct {leader}", leader, self.name, (Urgency.RECONSTRUCT, 2),
            needs=(f"pretrain {leader}", "decode public"), labels=((stage_rows.RECONSTRUCTOR, leader),),
        )  # fmt: skip

    @staticmethod
    @remember
    def key_of(keys: Keys, name: str) -> str:
        """R's kind and training, F, and the public images."""
        options = {**plain(keys.scenario.reconstructor), **keys.stored}
        return keys.make(Reconstruct, name, options, [Pretrain.key_of(keys, name), decoded(keys, "public")])
