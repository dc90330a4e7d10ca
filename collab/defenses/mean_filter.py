"""A mean filter over the feature map, MF of DP Table 3."""

from dataclasses import dataclass

from torch import nn
from typing_extensions import override

from collab.defenses import options
from collab.defenses.base import FixedDefense
from collab.models.filters import Filter, mean_kernel


@dataclass(frozen=True)
class MeanFilter(FixedDefense):
    r"""Publishes $w * F(x)$, channel by channel, $w_{ij} = 1/k^2$ over $k \times k$ places, $k$ = `kernel`.

    Source: DP Table 3, MF; the paper states no strength. Outside the map its edge goes on.
    The filter is public and linear: whoever knows it can undo most of it (ATTACKS A1, A3).
    """

    Options = options.MeanFilter

    kernel: int

    @override
    def build(self, channels: int, *, rectified: bool) -> nn.Module:
        return Filter(mean_kernel(self.kernel))
