"""The papers' own test (ATTACKS A0): the released reconstructor, which the defense was trained to fool."""

from dataclasses import dataclass

from torch import Tensor
from typing_extensions import override

from collab.attacks import options
from collab.attacks.base import Attack, Compute, Knowledge, Progress, Stream
from collab.training.recipes import outputs_of


@dataclass(frozen=True)
class StrawMan(Attack):
    """Applies R as it was released. That it fails is necessary for a defense, and proves little."""

    Options = options.StrawMan
    needs = frozenset({"reconstructor"})

    @override
    def rebuild(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> Tensor:
        return outputs_of(known.reconstructor, known.features, compute)
