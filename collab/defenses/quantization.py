"""Quantized features: few levels for each channel, so less of an image (ATTACKS 6)."""

from dataclasses import dataclass

from torch import nn
from typing_extensions import override

from collab.defenses import options
from collab.defenses.base import FixedDefense, PrivateView
from collab.models.filters import Levels, spread_over


@dataclass(frozen=True)
class Quantization(FixedDefense):
    """Publishes features rounded to 2^`bits` levels of each channel, over four of its standard deviations.

    Unlike `codec: int8`, which saves bytes, this is meant to lose: behind a DPM, which is then trained through it.
    """

    Options = options.Quantization

    bits: int

    @override
    def build(self, channels: int, *, rectified: bool) -> nn.Module:
        return Levels(channels, self.bits, rectified=rectified)

    @override
    def fit(self, module: nn.Module, view: PrivateView) -> tuple[float, ...]:
        """Measures the spread of each channel over the own rows, as those before it in a chain leave them."""
        assert isinstance(module, Levels)
        spread = spread_over(features for features, _, _ in view.features.batches(None))
        view.compute.place(module).spread.copy_(spread)
        return ()
