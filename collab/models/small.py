"""Networks for images of 16 to 64 pixels: ResNets (He et al., 4.2) and VGG16-BN, of any width."""

from torch import nn

from collab.architectures import ARCHITECTURES
from collab.models.layers import Residual, convolution, initialize

HIDDEN = 512
"""Hidden values of the two layers that `_mlp` networks end in; Xiao et al. state none."""


def vgg(backbone: str, classes: int, width: int) -> dict[str, nn.Module]:
    """The pieces of a small VGG of the catalog."""
    return vgg_pieces(ARCHITECTURES[backbone].blocks, classes, width)


def resnet(backbone: str, classes: int, width: int) -> dict[str, nn.Module]:
    """A small ResNet of the catalog in order, one entry for each hook, and a head; stage s has width·2^s channels.

    A 3×3 stem without max-pool, then basic blocks, whose stages but the first halve the side. In `_mlp` networks two
    further layers follow fc, which then is a hook, as the pooled features are. Departure from He et al.: where the
    shape changes, the shortcut is a 1×1 convolution with BatchNorm rather than padding with zeros.
    """
    pieces: dict[str, nn.Module] = {"stem": nn.Sequential(*convolution(3, width, 3), nn.ReLU())}
    inputs = width
    for stage, count in enumerate(ARCHITECTURES[backbone].blocks):
        outputs = width << stage
        for block in range(1, count + 1):
            pieces[f"conv{stage + 2}_{block}"] = basic_block(inputs, outputs)
            inputs = outputs
    if ARCHITECTURES[backbone].tail:
        pieces |= pooled_pieces(nn.Linear(inputs, inputs), classes)
    else:
        pieces["head"] = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes))
    for piece in pieces.values():
        initialize(piece)
    return pieces


def basic_block(inputs: int, outputs: int) -> Residual:
    """Two 3×3 convolutions; where the width changes, the side is halved."""
    changes = inputs != outputs
    stride = 2 if changes else 1
    body = nn.Sequential(*convolution(inputs, outputs, 3, stride=stride), nn.ReLU(), *convolution(outputs, outputs, 3))
    shortcut = nn.Sequential(*convolution(inputs, outputs, 1, stride=stride)) if changes else None
    return Residual(body, shortcut)


def pooled_pieces(fc: nn.Linear, classes: int) -> dict[str, nn.Module]:
    """What follows the last map of Xiao et al.'s networks: mean, `fc`, two layers; hooks give [batch, values, 1, 1]."""
    fc_piece = nn.Sequential(nn.Flatten(), fc, nn.Unflatten(1, (fc.out_features, 1, 1)))
    mlp = (nn.ReLU(), nn.Flatten(), nn.Linear(fc.out_features, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, classes))
    return {"avgpool": nn.AdaptiveAvgPool2d(1), "fc": fc_piece, "head": nn.Sequential(*mlp)}


def vgg_pieces(
    blocks: tuple[int, ...], classes: int, width: int, *, map_size: tuple[int, int] = (1, 1)
) -> dict[str, nn.Module]:
    """VGG with BatchNorm at any width: stage s of `blocks` has min(2^s, 8)·width channels and ends in a max-pool.

    The head takes the last map at `map_size` and has two hidden layers of 64·width values, with dropout. Width 64 and
    a map of 6×5 are the classifier of DeepObfuscator at 218×178 pixels (SCIENCE 2.4), without its sigmoid.
    """
    pieces: dict[str, nn.Module] = {}
    inputs = 3
    for stage, count in enumerate(blocks):
        outputs = width * min(1 << stage, 8)
        for block in range(1, count + 1):
            pieces[f"conv{stage + 1}_{block}"] = nn.Sequential(*convolution(inputs, outputs, 3), nn.ReLU())
            inputs = outputs
        pieces[f"pool{stage + 1}"] = nn.MaxPool2d(2)
    hidden, flat = 64 * width, inputs * map_size[0] * map_size[1]
    pieces["head"] = nn.Sequential(
        nn.AdaptiveAvgPool2d(map_size), nn.Flatten(),
        nn.Linear(flat, hidden), nn.ReLU(), nn.Dropout(0.5),
        nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout(0.5),
        nn.Linear(hidden, classes),
    )  # fmt: skip
    for piece in pieces.values():
        initialize(piece)
    return pieces
