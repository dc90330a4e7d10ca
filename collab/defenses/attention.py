"""Attention on pixels as in CBAM (Woo et al., ECCV 2018): which colors and which places a classifier reads."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

Images = Float[Tensor, "batch 3 side side"]


class PixelAttention(nn.Module):
    """Images times their attention: of channels, from means and largest values, then of places, from 7 x 7 around."""

    def __init__(self) -> None:
        super().__init__()
        self.channels = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 3))
        self.places = nn.Conv2d(2, 1, 7, padding=3)

    def weights(self, images: Images) -> Images:
        """The attention of each value, in (0, 1)."""
        seen = self.channels(images.mean((2, 3))) + self.channels(images.amax((2, 3)))
        by_channel = torch.sigmoid(seen).unsqueeze(-1).unsqueeze(-1)
        scaled = images * by_channel
        return by_channel * torch.sigmoid(self.places(torch.stack([scaled.mean(1), scaled.amax(1)], dim=1)))

    @override
    def forward(self, images: Images) -> Images:
        return images * self.weights(images)

    def score(self, images: Images, grid: int) -> Float[Tensor, "batch 3 regions"]:
        """Mean attention of each of grid x grid regions of each channel, row by row, in fp32 without gradients."""
        with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
            return functional.avg_pool2d(self.weights(images.float()), images.shape[-1] // grid).flatten(2)


def attending_classifier(attention: PixelAttention, classes: int) -> nn.Module:
    """A small classifier behind `attention`, to train both; what it learns is thrown away but for the attention."""
    return nn.Sequential(
        attention,
        nn.Conv2d(3, 16, 3, stride=2, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
        nn.Conv2d(32, 64, 3, stride=2, padding=1), nn.BatchNorm2d(64), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, classes),
    )  # fmt: skip
