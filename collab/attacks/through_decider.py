"""Through the decider: what C can read of poisoned features, a reconstructor can show (ATTACKS A4d)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from typing_extensions import override

from collab.attacks import options
from collab.attacks.base import Compute, Knowledge, Progress, Stream
from collab.attacks.inversion import Perceptual, invert
from collab.errors import EntityError
from collab.models.reconstructors import build_reconstructor
from collab.models.tokens import blocks_of
from collab.training.loop import Recipe
from collab.training.losses import likeness_loss
from collab.training.recipes import outputs_of


@dataclass(frozen=True)
class ThroughDecider(Perceptual):
    """Trains a reconstructor from what the first blocks of C make of F(Q), and shows what they make of the shard.

    Equivalence forces deep blocks to answer alike, and they hold less of the image: the depth is an option.
    """

    Options = options.ThroughDecider
    needs = frozenset({"featurizer", "decider", "public_data"})

    depth: int
    reconstructor: str
    recipe: Recipe

    @override
    def rehearse(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> dict[str, Tensor]:
        read, learner = self._build(known, stream, compute)
        invert(
            learner, lambda images: read(known.featurizer(images)), (known.public_data,), self.recipe,
            stream=stream, compute=compute, progress=progress, loss=self.loss(likeness_loss, known, compute),
        )  # fmt: skip
        return dict(learner.state_dict())

    @override
    def rebuild(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> Tensor:
        read, learner = self._build(known, stream, compute)
        learner.load_state_dict(known.rehearsed)
        return outputs_of(nn.Sequential(read, learner), known.features, compute)

    def _build(self, known: Knowledge, stream: Stream, compute: Compute) -> tuple[nn.Sequential, nn.Module]:
        """The first blocks of C, and an untrained reconstructor of what they answer."""
        blocks = blocks_of(known.decider)
        if self.depth >= len(blocks):
            raise EntityError(
                f"through_decider: `depth` is {self.depth}, and C has {len(blocks) - 1} blocks before its head. "
                "Lower `depth`, or split the network at an earlier hook."
            )
        read = nn.Sequential(*blocks[: self.depth])
        images = known.public_data.take(torch.arange(2).numpy(), compute.device)
        with torch.no_grad():
            _, channels, height, width = read(known.featurizer(images)).shape
        with stream.initialization():
            learner = build_reconstructor(self.reconstructor, (channels, height, width), images.shape[-1])
        return read, learner
