"""Step 1 of the regime: one entity trains a network on its own images, splits it and releases F and C."""

from collections.abc import Iterator
from typing import Any

from collab.scenario import stage_rows
from collab.scenario.network import Network
from collab.scenario.stage_rows import is_pretraining
from collab.stages.base import EntityStage, Job, Planning, Urgency
from collab.stages.decode import decoded
from collab.stages.find_copies import COPIES
from collab.stages.keys import Keys, plain, remember
from collab.weights import digest_weights

_OF_WEIGHTS = ("weights", "weights_license", "mean", "std")


class Pretrain(EntityStage):
    """(DP-1, DP-2); its network is also the first row of Table 5, if that asks for the same training."""

    name, version = "pretrain", 6

    def jobs(self, planning: Planning) -> Iterator[Job]:
        """One, of the leader."""
        leader = planning.leader
        rows = [row for row in planning.rows if is_pretraining(planning.scenario, row)]
        yield Job(
            f"pretrain {leader}", leader, self.name, (Urgency.RELEASE,),
            needs=(f"decode {leader}", "decode heldout"),
            labels=tuple((str(row.name), leader) for row in rows) or ((stage_rows.PRETRAIN, leader),), after=(COPIES,),
        )  # fmt: skip

    @staticmethod
    @remember
    def key_of(keys: Keys, name: str) -> str:
        """The network and its training, the leader's images and the held-out ones."""
        used = [decoded(keys, name), decoded(keys, "heldout")]
        model = keys.scenario.model
        code = {"code": keys.code("backbones", model.backbone)} if model.opens else {}
        return keys.make(Pretrain, name, network_options(model) | code, used)


def network_options(model: Network) -> dict[str, Any]:
    """The part without what says where weights lie; with the digest of what lies there, and what that brings along."""
    options = {key: value for key, value in plain(model).items() if key not in _OF_WEIGHTS}
    if model.pretrain.decider_by is None:
        del options["pretrain"]["decider_by"]
    file = model.weights_file
    if file is not None:
        options["weights"] = [digest_weights(file.path), file.mean, file.std, file.license]
    return options
