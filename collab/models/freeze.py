"""Networks that no longer learn: frozen, and folded for speed."""

import copy
from typing import Self, TypeVar, no_type_check

import torch
from torch import Tensor, nn
from torch.fx.experimental.optimization import fuse
from typing_extensions import override

Network = TypeVar("Network", bound=nn.Module)


def freeze(net: Network) -> Network:
    """`net` itself, in eval mode and without gradients of its parameters; gradients of its input still flow."""
    return net.eval().requires_grad_(False)


class Fixed(nn.Module):
    """A network that stands still while others train behind it: in eval mode, and without gradients."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = freeze(network)

    @override
    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        self.network.eval()
        return self

    @no_type_check
    def forward(self, x: Tensor) -> Tensor:
        """What the network answers."""
        with torch.no_grad():
            return self.network(x)


def fold(net: nn.Module) -> nn.Module:
    """A frozen copy in which each BatchNorm that follows a convolution is part of it; `net` is untouched.

    For networks that gradients flow through while something else learns: its values differ by rounding (1e-6 relative).
    Save `net`, never this copy. Of a network that torch.fx cannot trace, as a plugin's may be, it is a frozen copy.
    """
    try:
        return freeze(fuse(freeze(copy.deepcopy(net)), inplace=True))
    except Exception:  # whatever its code makes of the proxies that it is traced with
        return freeze(copy.deepcopy(net))
