"""A Gaussian filter over the feature map, GF of DP Table 3."""

from dataclasses import dataclass
from typing import ClassVar, Self

from torch import nn
from typing_extensions import override

from collab.defenses.base import Defense, PrivateView
from collab.models.filters import Filter, gaussian_kernel
from collab.scenario import defenses
from collab.scenario.base import DefenseOptions


@dataclass(frozen=True)
class GaussianFilter(Defense):
    r"""Publishes $w * F(x)$, channel by channel, $w_{ij} \propto \exp(-(i^2 + j^2) / 2\sigma^2)$ over `kernel`² places.

    Source: DP Table 3, GF; the paper states no strength. Outside the map its edge goes on.
    The filter is public and linear: whoever knows it can undo most of it (ATTACKS A1, A3).
    """

    kind: ClassVar[str] = "gaussian_filter"
    Options: ClassVar[type[DefenseOptions]] = defenses.GaussianFilter
    is_private: ClassVar[bool] = False
    is_learned: ClassVar[bool] = False

    kernel: int
    sigma: float

    @property
    @override
    def batch_size(self) -> int:
        return 256

    @override
    @classmethod
    def from_options(cls, options: defenses.GaussianFilter) -> Self:
        return cls(options.kernel, options.sigma)

    @override
    def build(self, channels: int, *, rectified: bool) -> nn.Module:
        return Filter(gaussian_kernel(self.kernel, self.sigma))

    @override
    def fit(self, module: nn.Module, view: PrivateView) -> tuple[float, ...]:
        return ()
