"""U-Nets (Ronneberger et al., MICCAI 2015): from images to images, and from features to images."""

from itertools import pairwise
from typing import Literal, no_type_check

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from collab.models.layers import convolution


def _double(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(*convolution(inputs, outputs, 3), nn.ReLU(), *convolution(outputs, outputs, 3), nn.ReLU())


class UNet(nn.Module):
    """Images [batch, 3, side, side] to images in [0, 1] of the same size; halves the side `depth` times.

    Each level has twice the channels of the one above, `width` at the top, and gets its own map of the way down again
    on the way up.
    """

    def __init__(self, width: int = 32, depth: int = 3) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(depth + 1)]
        self.down = nn.ModuleList([_double(3, width), *(_double(above, below) for above, below in pairwise(widths))])
        self.up = nn.ModuleList([_double(above + below, above) for above, below in pairwise(widths)][::-1])
        self.last = nn.Conv2d(width, 3, 1)

    @override
    def forward(self, images: Float[Tensor, "batch 3 side side"]) -> Float[Tensor, "batch 3 side side"]:
        maps = [self.down[0](images)]
        for layers in self.down[1:]:
            maps.append(layers(functional.max_pool2d(maps[-1], 2)))
        x = maps.pop()
        for layers in self.up:
            beside = maps.pop()
            x = layers(torch.cat([functional.interpolate(x, size=beside.shape[2:]), beside], 1))
        return self.last(x).sigmoid()


TOP, WIDEST = 16, 256
"""Channels at full size, which each halving doubles, and the most that a level has (choice: ours, for CPUs)."""

LEAST_SIDE, MOST_HALVINGS = 4, 3
"""The smallest map on the way down, and how often features are halved at most."""


class FeatureUNet(nn.Module):
    """Features [batch, channel, height, width] to images [batch, 3, side, side] in [0, 1]; inverts an encoder.

    Features enter at their own scale, so that the way down begins there; two layers 3×3 – BN – ReLU at each level. Up
    to the scale of the features each level gets its own map of the way down again. Above it there is none: `upscale`
    enlarges twofold, at last by what remains. Features are no larger than images, and shapes are those of `feature`.
    """

    def __init__(
        self, feature: tuple[int, int, int], image_size: int, *, upscale: Literal["nearest", "bilinear"] = "nearest"
    ) -> None:
        super().__init__()
        channels, *scale = feature
        above = [(scale[0], scale[1])]  # from the features to full size
        while above[-1] != (image_size, image_size):
            above.append((min(2 * above[-1][0], image_size), min(2 * above[-1][1], image_size)))
        below = above[:1]  # from the features down
        while len(below) <= MOST_HALVINGS and min(below[-1]) >= 2 * LEAST_SIDE:
            below.append((below[-1][0] // 2, below[-1][1] // 2))
        widths = [min(TOP * 2**level, WIDEST) for level in range(len(above) + len(below) - 1)]
        own = widths[len(above) - 1 :]  # of the features' level and of those below
        self.enter = _double(channels, own[0])
        self.down = nn.ModuleList(nn.Sequential(nn.MaxPool2d(2), _double(*pair)) for pair in pairwise(own))
        self.enlarge = nn.ModuleList(nn.Upsample(sides, mode=upscale) for sides in below[-2::-1])
        self.up = nn.ModuleList(_double(a + b, a) for a, b in list(pairwise(own))[::-1])
        rise = zip(pairwise(widths[len(above) - 1 :: -1]), above[1:], strict=True)
        self.rise = nn.Sequential(
            *(nn.Sequential(nn.Upsample(sides, mode=upscale), _double(*pair)) for pair, sides in rise)
        )
        self.last = nn.Conv2d(widths[0], 3, 1)

    @no_type_check
    def forward(self, features: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch 3 side side"]:
        """Images, in fp32."""
        maps = [self.enter(features)]
        for layers in self.down:
            maps.append(layers(maps[-1]))
        x = maps.pop()
        for enlarge, layers in zip(self.enlarge, self.up, strict=True):
            x = layers(torch.cat([enlarge(x), maps.pop()], 1))
        return self.last(self.rise(x)).float().sigmoid()
