"""Gaussian noise on pixels, what VisualMixer is compared with: images as hard to discern, by noise."""

from dataclasses import dataclass

import torch
from torch import nn
from typing_extensions import override

from collab.defenses import options
from collab.defenses.base import ImageDefense, PrivateView
from collab.defenses.visual_mixer import mean_entropy
from collab.metrics.vfe import Border
from collab.models.filters import Features, Noise

MOST_SIGMA = 8.0
"""The largest deviation, for pixels in [0, 1]: beyond it nearly every value is cut off, and more changes nothing."""

STEPS = 20
"""Steps of the bisection: the strength is then known to one part in a million."""

SAMPLE = 512
"""Own images that the strength is sought on."""


class CutNoise(Noise):
    """Noise on images, cut off at 0 and 1."""

    @override
    def forward(self, features: Features, source: Features | None = None) -> Features:
        return super().forward(features, source).clamp(0, 1)


@dataclass(frozen=True)
class PixelNoise(ImageDefense):
    r"""Publishes $x + \sigma n$ cut off at 0 and 1, $n \sim N(0, 1)$, $\sigma$ such that VFE grows `gain`-fold.

    The papers call the noise of their comparison differentially private; there is no such guarantee here, and none is
    needed: what counts is how much accuracy is left where an image has become as hard to discern.
    """

    Options = options.PixelNoise

    gain: float
    border: Border

    @override
    def build(self, channels: int, *, rectified: bool) -> nn.Module:
        return CutNoise(channels, 1.0)

    @override
    def fit(self, module: nn.Module, view: PrivateView) -> tuple[float, ...]:
        """Seeks the strength by bisection on some own images; takes the largest where `gain` is out of reach."""
        assert isinstance(module, CutNoise)
        view.compute.place(module).eval()
        key = view.stream.integer("noise")

        def noisy(sigma: float) -> nn.Module:
            module.fit(torch.full((3, 1, 1), sigma), key)
            return module

        target = self.gain * mean_entropy(view, lambda images: images, self.border, SAMPLE)
        low, high = 0.0, MOST_SIGMA
        for _ in range(STEPS):
            middle = (low + high) / 2
            is_enough = mean_entropy(view, noisy(middle), self.border, SAMPLE) >= target
            low, high = (low, middle) if is_enough else (middle, high)
        noisy(0.0 if self.gain == 1 else high)
        return ()
