"""A decider that answers: soft labels of features, as a shard of answers holds them."""

import copy
from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Committee(nn.Module):
    """Several deciders that answer as one, by the mean of their outputs."""

    def __init__(self, deciders: list[nn.Module]) -> None:
        super().__init__()
        self.each = nn.ModuleList(deciders)

    def forward(self, features: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch classes"]:
        """The mean, fp32."""
        return torch.stack([decider(features).float() for decider in self.each]).mean(0)


class Answerer(nn.Module):
    r"""$z \mapsto \mathrm{softmax}(C_i(z) / T)$: features [batch, C, H, W] to answers [batch, classes, 1, 1], fp32.

    With `bits` they are rounded (`round_answers`).
    """

    def __init__(self, decider: nn.Module, temperature: float = 1.0, bits: int | None = None) -> None:
        super().__init__()
        self.decider, self.temperature, self.bits = decider, temperature, bits

    @classmethod
    def begin_as(cls, decider: nn.Module, temperature: float = 1.0, bits: int | None = None, deciders: int = 1) -> Self:
        """Asks a copy of `decider`, which can learn; or a committee of so many."""
        copies = [copy.deepcopy(decider).requires_grad_(True) for _ in range(deciders)]
        return cls(copies[0] if deciders == 1 else Committee(copies), temperature, bits)

    @property
    def deciders(self) -> list[nn.Module]:
        """Those that learn."""
        return list(self.decider.each) if isinstance(self.decider, Committee) else [self.decider]

    def forward(self, features: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch classes 1 1"]:
        """The probabilities."""
        answers = (self.decider(features).float() / self.temperature).softmax(1)
        return (answers if self.bits is None else round_answers(answers, self.bits))[:, :, None, None]


def round_answers(answers: Float[Tensor, "batch classes"], bits: int) -> Float[Tensor, "batch classes"]:
    r"""The distribution in multiples of $2^{-b}$ that is nearest to each, by largest remainders.

    Each value is rounded down; what is missing of the sum of 1 goes, a step each, to those that lost most.
    """
    steps = answers.double() * 2**bits
    whole = steps.floor()
    missing = (2**bits - whole.sum(1, keepdim=True)).round()
    rank = (steps - whole).argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    return ((whole + (rank < missing)) / 2**bits).float()
