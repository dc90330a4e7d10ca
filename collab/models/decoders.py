"""Networks of the other papers' games: what rebuilds, what tells real from rebuilt, what sees as people do."""

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from collab.errors import ScenarioError
from collab.models.layers import Residual, bottleneck, convolution
from collab.models.tokens import spread

NARROWEST = 16
"""Channels below which a decoder does not halve its width; Xiao et al. end at 64."""


def build_obfuscator_reconstructor(feature: tuple[int, int, int], image_size: tuple[int, int]) -> nn.Module:
    """DeepObfuscator's R, features (channel, height, width) to images: bilinear enlarging and two layers, twice.

    At 128 channels as in SCIENCE 2.4: half size, 128 → 128 → 64, full size, 64 → 64 → 3; a layer is ReLU – BN – a
    transposed 3×3 convolution. The output is not held to [0, 1]: clamp it when scoring.
    """
    layers, (channels, _, _) = spread(feature)
    middle = max(channels // 2, 1)
    half = (image_size[0] // 2, image_size[1] // 2)
    for size, widths in ((half, (channels, channels, middle)), (image_size, (middle, middle, 3))):
        layers.append(nn.Upsample(size, mode="bilinear", align_corners=False))
        for inputs, outputs in pairwise(widths):
            layers += [nn.ReLU(), nn.BatchNorm2d(inputs), nn.ConvTranspose2d(inputs, outputs, 3, padding=1)]
    return nn.Sequential(*layers)


def build_decoder(
    feature: tuple[int, int, int], image_size: int, *, blocks: Sequence[int] = (1,), top: int | None = None
) -> nn.Module:
    """Xiao et al.'s Dec: the encoder reversed from where it was split, (channel, height, width) to images in [0, 1].

    Each stage: residual bottlenecks, `blocks` of them (the last count goes on), nearest ×2, a 3×3 convolution to half
    the channels. One value per channel (avgpool, fc) is first laid out by a full layer as `top` channels (as many as
    there are, unless given) of a map of image_size / 2^k, 4 to 7 at a side. The paper's, for fc of a resnet50 at 224
    pixels, is `top=2048, blocks=(3, 6, 4, 3, 1)`. The figure with its widths is lost: this is derived (SCIENCE 2.4).
    Raises ScenarioError for a map that doubling does not lead to `image_size`.
    """
    layers, (channels, height, width) = spread(feature)
    if height == width == 1:
        height = width = _smallest(image_size)
        wide = channels if top is None else top
        layers += [nn.Flatten(), nn.Linear(channels, wide * height * width), nn.Unflatten(1, (wide, height, width))]
        channels = wide
    stage = 0
    while height < image_size:
        for _ in range(blocks[min(stage, len(blocks) - 1)]):
            layers.append(Residual(bottleneck(channels, max(channels // 4, 1), norm=True)))
        narrower = max(channels // 2, NARROWEST)
        layers += [nn.Upsample(scale_factor=2, mode="nearest"), *convolution(channels, narrower, 3), nn.ReLU()]
        channels, height, width, stage = narrower, 2 * height, 2 * width, stage + 1
    if (height, width) != (image_size, image_size):
        raise ScenarioError(
            f"decoder: features of {feature[1]}×{feature[2]} do not double to images of {image_size}×{image_size}. "
            "Take an image size that the encoder halves without a remainder."
        )
    if not stage:
        layers.append(Residual(bottleneck(channels, max(channels // 4, 1), norm=True)))
    return nn.Sequential(*layers, nn.Conv2d(channels, 3, 3, padding=1), nn.Sigmoid())


def build_discriminator(image_size: int, *, width: int = 16) -> nn.Module:
    """Tells real images from rebuilt ones, a logit [batch, 1]; Xiao et al. state no architecture.

    4×4 convolutions that halve the side and double the channels until it is 4 to 7, as in DCGAN.
    """
    layers: list[nn.Module] = []
    inputs, outputs, side = 3, width, image_size
    while side >= 8:
        layers += [nn.Conv2d(inputs, outputs, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        inputs, outputs, side = outputs, 2 * outputs, side // 2
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(inputs * side * side, 1))


def _smallest(side: int) -> int:
    while side >= 8 and side % 2 == 0:
        side //= 2
    return side
