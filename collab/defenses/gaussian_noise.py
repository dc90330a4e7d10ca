"""Gaussian noise on features, GN of DP Table 3."""

from dataclasses import dataclass

from torch import nn
from typing_extensions import override

from collab.defenses import options
from collab.defenses.base import FixedDefense, PrivateView
from collab.models.filters import Noise, spread_over


@dataclass(frozen=True)
class GaussianNoise(FixedDefense):
    r"""Publishes $F(x) + a\, s_c\, n$, $n \sim N(0, 1)$, with $a$ = `sigma` and $s_c$ the spread of channel $c$.

    Source: DP Table 3, GN; the paper states no strength (SCIENCE 3: $\sigma = a$ times the standard deviation of each
    channel, here over the entity's own rows). Values may become negative after a ReLU: nothing is cut off.
    The draws belong to the entity's private stream, and the module that holds their key stays with it.
    """

    Options = options.GaussianNoise

    sigma: float

    @override
    def build(self, channels: int, *, rectified: bool) -> nn.Module:
        return Noise(channels, self.sigma)

    @override
    def fit(self, module: nn.Module, view: PrivateView) -> tuple[float, ...]:
        """Measures $s_c$ over the own rows, in fp64, and takes the key from the private stream."""
        assert isinstance(module, Noise)
        spread = spread_over(features for features, _, _ in view.features.batches(None))
        view.compute.place(module).fit(spread, view.stream.integer("noise"))
        return ()
