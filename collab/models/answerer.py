"""A decider that answers: soft labels of features, as a shard of answers holds them."""

import copy
from typing import Self

from jaxtyping import Float
from torch import Tensor, nn


class Answerer(nn.Module):
    r"""$z \mapsto \mathrm{softmax}(C_i(z) / T)$: features [batch, C, H, W] to answers [batch, classes, 1, 1], fp32."""

    def __init__(self, decider: nn.Module, temperature: float = 1.0) -> None:
        super().__init__()
        self.decider, self.temperature = decider, temperature

    @classmethod
    def begin_as(cls, decider: nn.Module, temperature: float = 1.0) -> Self:
        """Asks a copy of `decider`, which can learn."""
        return cls(copy.deepcopy(decider).requires_grad_(True), temperature)

    def forward(self, features: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch classes 1 1"]:
        """The probabilities."""
        return (self.decider(features).float() / self.temperature).softmax(1)[:, :, None, None]
