"""A fixed random rotation of channels, the positive control of an audit: it looks like a key and is none."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from typing_extensions import override

from collab.defenses import options
from collab.defenses.base import FixedDefense, PrivateView


class Rotation(nn.Module):
    """A 1×1 convolution with an orthogonal matrix [channels, channels], the identity until it is drawn."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("matrix", torch.eye(channels))
        self.matrix: Tensor

    @override
    def forward(self, features: Tensor) -> Tensor:
        return torch.einsum("oc,bchw->bohw", self.matrix.to(features.dtype), features)


@dataclass(frozen=True)
class Orthogonal(FixedDefense):
    """Publishes Q F(x), Q a random orthogonal matrix over channels from the private stream (ATTACKS 3.1, D3).

    A deliberately weak defense: a handful of pairs gives Q away, C cannot read what is published, and an audit in which
    this is not broken has a fault.
    """

    Options = options.Orthogonal

    @override
    def build(self, channels: int, *, rectified: bool) -> nn.Module:
        return Rotation(channels)

    @override
    def fit(self, module: nn.Module, view: PrivateView) -> tuple[float, ...]:
        """Draws Q uniformly: the QR decomposition of a normal matrix, signs of R's diagonal taken out."""
        assert isinstance(module, Rotation)
        size = len(module.matrix)
        drawn = torch.randn(size, size, generator=view.stream.torch("rotation"), dtype=torch.float64)
        matrix, upper = torch.linalg.qr(drawn)
        module.matrix.copy_(matrix * upper.diagonal().sign())
        view.compute.place(module).eval()
        return ()
