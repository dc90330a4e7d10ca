"""An encoder that takes the place of F, with the decider that learned beside it."""

import copy
from typing import Self

from jaxtyping import Float
from torch import Tensor, nn

from collab.models.backbones import Split


class Encoder(nn.Module):
    """E(x) for images [batch, 3, side, side] in [0, 1], of the shape of F(x); `decider` reads it, and is its own."""

    def __init__(self, featurizer: nn.Module, decider: nn.Module) -> None:
        super().__init__()
        self.featurizer, self.decider = featurizer, decider

    @classmethod
    def beginning_as(cls, split: Split) -> Self:
        """Copies of F and C, which are free to learn on."""
        return cls(*(copy.deepcopy(part).requires_grad_(True) for part in (split.featurizer, split.decider)))

    def forward(self, images: Float[Tensor, "batch 3 side side"]) -> Float[Tensor, "batch channel height width"]:
        """The features that are published."""
        features: Tensor = self.featurizer(images)
        return features
