"""Step 1 of the regime: whoever pre-trained trains R, which inverts F, on public images and releases it.

Each entity tries it on plain features of its own before it trains anything against it.
"""

from collections.abc import Iterator

from collab.scenario import stage_rows
from collab.stages.base import EntityStage, Job, Planning, Urgency
from collab.stages.decode import decoded
from collab.stages.featurize import Featurize
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
        stated = plain(keys.scenario.reconstructor)
        options = {**{name: value for name, value in stated.items() if name not in _OF_READERS}, **keys.stored}
        return keys.make(Reconstruct, name, options, [Pretrain.key_of(keys, name), decoded(keys, "public")])


class TryReconstructor(EntityStage):
    """What R shows of own plain features (ATTACKS 3.4)."""

    name, version = "try_reconstructor", 1

    def jobs(self, planning: Planning) -> Iterator[Job]:
        """One of each party that publishes rows, unless nothing but weights is read."""
        for name in planning.row_publishers if not planning.scenario.federates_only else ():
            needs, labels = (f"featurize {name}", f"reconstruct {planning.leader}"), ((stage_rows.TRIED, name),)
            yield Job(name_trial(name), name, self.name, planning.publishing(name, 1), needs, labels)

    @staticmethod
    def key_of(keys: Keys, name: str) -> str:
        """What is asked of R, R, and the entity's features."""
        stated = plain(keys.scenario.reconstructor)
        asked = {each: stated[each] for each in ("least_ssim", "poor")}
        return keys.make(
            TryReconstructor, name, asked, [Featurize.key_of(keys, name), Reconstruct.key_of(keys, keys.leader)]
        )


def name_trial(name: str) -> str:
    """The name of the job in which an entity tries R."""
    return f"try reconstructor {name}"


_OF_READERS = ("least_ssim", "poor", "by")
"""What is stated of R that says how others take it, not how it is trained."""
