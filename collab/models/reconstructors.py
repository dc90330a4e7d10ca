"""Reconstructors: from features back to images, by stacks of inverse bottlenecks and upscalings (SCIENCE 2.2)."""

import re
from typing import Literal

from torch import nn

from collab.architectures import RECONSTRUCTOR
from collab.errors import ScenarioError
from collab.models.layers import MinMax, Residual, convolution
from collab.models.tokens import spread
from collab.models.unet import FeatureUNet

NARROWEST = 32
"""Channels below which stacks do not halve the width further (SCIENCE 2.2)."""


def build_reconstructor(
    kind: str,
    feature: tuple[int, int, int],
    image_size: int,
    *,
    tail_blocks: int = 2,
    upscale: Literal["nearest", "bilinear"] = "nearest",
) -> nn.Module:
    """An untrained R of `kind`, from features (channel, height, width) to images in [0, 1] of side `image_size`.

    p or r (as in `px2s2`): inverse bottlenecks without or with an identity sum; xN: N of them before each upscaling;
    sM: each upscaling enlarges by M, the last by what remains; -c: clamped instead of min-max image by image. Then
    `tail_blocks` more at full size, and 1×1 – BN – ReLU – 1×1. `unet` is `FeatureUNet`, which has no tail.
    Torch's own initialization, from its global generator. Raises ScenarioError for a kind that does not exist, or
    features larger than the image.
    """
    match = re.fullmatch(RECONSTRUCTOR, kind)
    if match is None:
        raise ScenarioError(
            f"reconstructor: there is no kind {kind!r}. A kind is unet, or p or r, x1 to x9, s2 or s4, and perhaps -c: "
            f"`px2s2`, `rx4s4-c`."
        )
    layers, (channels, height, width) = spread(feature)
    if max(height, width) > image_size:
        raise ScenarioError(
            f"reconstructor: features of {height}×{width} are larger than the images of {image_size}×{image_size} that "
            f"{kind} should rebuild. Give the image size that the features were made from."
        )
    if kind == "unet":
        return nn.Sequential(*layers, FeatureUNet((channels, height, width), image_size, upscale=upscale))
    is_residual, blocks, factor = match[1] == "r", int(match[2]), int(match[3])
    while (height, width) != (image_size, image_size):
        height, width = min(height * factor, image_size), min(width * factor, image_size)
        layers += [_inverse_bottleneck(channels, is_residual) for _ in range(blocks)]
        narrower = max(channels // 2, NARROWEST)
        if narrower < channels:
            # Before the upscaling, with which it commutes, at a fraction of the cost.
            layers += convolution(channels, narrower, 1, norm=False)
            channels = narrower
        layers.append(nn.Upsample((height, width), mode=upscale))
    layers += [_inverse_bottleneck(channels, is_residual) for _ in range(tail_blocks)]
    output = nn.Conv2d(channels, 3, 1)
    if match[4]:
        nn.init.constant_(output.bias, 0.5)  # type: ignore[arg-type]  # amid the range: where a clamp cuts, nothing is learned
    layers += [*convolution(channels, channels, 1), nn.ReLU(), output]
    return nn.Sequential(*layers, nn.Hardtanh(0.0, 1.0) if match[4] else MinMax())


def _inverse_bottleneck(channels: int, is_residual: bool) -> nn.Module:
    """1×1 – BN – 3×3 – BN – 1×1 – ReLU: one ReLU, at the end."""
    middle = max(channels // 4, 16)
    body = nn.Sequential(
        *convolution(channels, middle, 1), *convolution(middle, middle, 3), nn.Conv2d(middle, channels, 1)
    )
    return Residual(body) if is_residual else body.append(nn.ReLU())
