"""A Gaussian filter over the feature map, GF of DP Table 3."""

from dataclasses import dataclass

from torch import nn
from typing_extensions import override

from collab.defenses import options
from collab.defenses.base import FixedDefense
from collab.models.filters import Filter, gaussian_kernel


@dataclass(frozen=True)
class GaussianFilter(FixedDefense):
    r"""Publishes $w * F(x)$, channel by channel, $w_{ij} \propto \exp(-(i^2 + j^2) / 2\sigma^2)$ over `kernel`² places.

    Source: DP Table 3, GF; the paper states no strength. Outside the map its edge goes on.
    The filter is public and linear: whoever knows it can undo most of it (ATTACKS A1, A3).
    """

    Options = options.GaussianFilter

    kernel: int
    sigma: float

    @override
    def build(self, channels: int, *, rectified: bool) -> nn.Module:
        return Filter(gaussian_kernel(self.kernel, self.sigma))
