"""A U-Net (Ronneberger et al., 2015) from images to images."""

from itertools import pairwise

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
