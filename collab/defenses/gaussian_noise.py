"""Gaussian noise on features, GN of DP Table 3."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from collab.defenses.base import FixedDefense, PrivateView
from collab.models.filters import Noise
from collab.scenario import defenses
from collab.scenario.base import DefenseOptions


@dataclass(frozen=True)
class GaussianNoise(FixedDefense):
    r"""Publishes $F(x) + a\, s_c\, n$, $n \sim N(0, 1)$, with $a$ = `sigma` and $s_c$ the spread of channel $c$.

    Source: DP Table 3, GN; the paper states no strength (SCIENCE 3: $\sigma = a$ times the standard deviation of each
    channel, here over the entity's own rows). Values may become negative after a ReLU: nothing is cut off.
    The draws belong to the entity's private stream, and the module that holds their key stays with it.
    """

    kind: ClassVar[str] = "gaussian_noise"
    Options: ClassVar[type[DefenseOptions]] = defenses.GaussianNoise

    sigma: float

    @override
    def build(self, channels: int, *, rectified: bool) -> nn.Module:
        return Noise(channels, self.sigma)

    @override
    def fit(self, module: nn.Module, view: PrivateView) -> tuple[float, ...]:
        """Measures $s_c$ over the own rows, in fp64, and takes the key from the private stream."""
        assert isinstance(module, Noise)
        count, total, squares = 0, torch.zeros(()), torch.zeros(())
        for features, _, _ in view.features.batches(None):
            values: Tensor = features.double()
            count += values.numel() // values.shape[1]
            total = total.to(values.device) + values.sum(dim=(0, 2, 3))
            squares = squares.to(values.device) + values.square().sum(dim=(0, 2, 3))
        mean = total / count
        spread = (squares / count - mean.square()).clamp(min=0).sqrt()
        view.compute.place(module).fit(spread.view(-1, 1, 1), view.stream.integer("noise"))
        return ()
