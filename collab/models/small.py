"""ResNets for images of 16 to 64 pixels: a 3×3 stem without max-pool, stages of basic blocks (He et al., 4.2)."""

from torch import nn

from collab.models.layers import Residual, convolution, initialize


def small_pieces(blocks: tuple[int, ...], classes: int, width: int) -> dict[str, nn.Module]:
    """The network in order, one entry for each hook, and a head; stage s of `blocks` has width·2^s channels.

    Each stage but the first halves the side. Departure from He et al.: where the shape changes, the shortcut is a
    1×1 convolution with BatchNorm rather than padding with zeros.
    """
    pieces: dict[str, nn.Module] = {"stem": nn.Sequential(*convolution(3, width, 3), nn.ReLU())}
    inputs = width
    for stage, count in enumerate(blocks):
        outputs = width << stage
        for block in range(1, count + 1):
            pieces[f"conv{stage + 2}_{block}"] = basic_block(inputs, outputs)
            inputs = outputs
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
