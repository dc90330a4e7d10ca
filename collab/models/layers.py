"""Layers that torch lacks, written so that torch.fx can trace them.

Their `forward` is exempt from run-time type checks: while a network is traced, it is called with a proxy.
"""

from collections.abc import Sequence
from typing import no_type_check

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

FEW = 8
"""Channels that oneDNN computes at a time without AVX-512."""


class Normalize(nn.Module):
    """(x - mean) / std per channel, for images in [0, 1]; both are buffers, released with the featurizer."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1))

    @no_type_check
    def forward(
        self, images: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch channel height width"]:
        """Normalized images of the same shape."""
        return (images - self.mean) / self.std


class Residual(nn.Module):
    """body(x) + shortcut(x), and a ReLU unless `rectify` is off."""

    def __init__(self, body: nn.Module, shortcut: nn.Module | None = None, *, rectify: bool = True) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut or nn.Identity()
        self.activation = nn.ReLU() if rectify else nn.Identity()

    @no_type_check
    def forward(self, x: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch out high wide"]:
        """The sum, in the type of `body(x)`."""
        out = self.body(x)
        # In place, as in torchvision: fp32 features keep the bf16 of autocast. `out` is fresh, so no input is changed.
        out += self.shortcut(x)
        return self.activation(out)


class Grow(nn.Module):
    """x and body(x), channels concatenated: one dense layer of a DenseNet with the maps it was given."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    @no_type_check
    def forward(self, x: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch more height width"]:
        """The input's channels first, then the new ones."""
        return torch.cat([x, self.body(x)], 1)


class MinMax(nn.Module):
    r"""$(o - \min o) / (\max o - \min o + 10^{-6})$ per image over channels and pixels; in [0, 1), fp32."""

    @no_type_check
    def forward(self, x: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch channel height width"]:
        """Images of the same shape."""
        x = x.float()
        low = x.amin((1, 2, 3), keepdim=True)
        return (x - low) / (x.amax((1, 2, 3), keepdim=True) - low + 1e-6)


def initialize(network: nn.Module) -> None:
    """Kaiming's initialization of convolutions (fan out, ReLU), as in torchvision's ResNets; the rest is torch's."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")


class SampledConvolution(nn.Conv2d):
    """A 1×1 convolution with a stride, of few channels; without AVX-512 it leaves out rows and columns by itself.

    There the gradient that oneDNN computes, of fewer than 8 input channels that lie last, writes beyond its workspace
    (uxlfoundation/oneDNN, issue 6035): the process dies later, or weights are wrong.
    """

    @no_type_check
    def forward(self, input: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch out high wide"]:
        """What `Conv2d` answers."""
        if torch.backends.cpu.get_cpu_capability() == "AVX512":
            return super().forward(input)
        rows, columns = self.stride
        return functional.conv2d(input[:, :, ::rows, ::columns], self.weight, self.bias)


def convolution(inputs: int, outputs: int, side: int, *, stride: int = 1, norm: bool = True) -> tuple[nn.Module, ...]:
    """A `side`×`side` convolution that divides the size by `stride`, and its BatchNorm, which makes a bias idle."""
    kind = SampledConvolution if side == 1 and stride > 1 and inputs < FEW else nn.Conv2d
    layer = kind(inputs, outputs, side, stride=stride, padding=side // 2, bias=not norm)
    return (layer, nn.BatchNorm2d(outputs)) if norm else (layer,)


def bottleneck(channels: int, middle: int, *, norm: bool) -> nn.Sequential:
    """1×1 to `middle`, 3×3, 1×1 back to `channels`, ReLU between: the body of a residual block."""
    return nn.Sequential(
        *convolution(channels, middle, 1, norm=norm),
        nn.ReLU(),
        *convolution(middle, middle, 3, norm=norm),
        nn.ReLU(),
        *convolution(middle, channels, 1, norm=norm),
    )
