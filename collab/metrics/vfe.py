"""Visual Feature Entropy of VisualMixer (SCIENCE 1.7): how hard an image is to discern, higher = harder."""

from typing import Literal

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from collab.errors import ScenarioError

Border = Literal["zero", "replicate"]


def vfe_window(side: int) -> int:
    """Side of a window for images of `side` pixels: 14 from 112 on, as at the paper's 224, and 8 below (ours)."""
    return 14 if side >= 112 else 8


def visual_feature_entropy(
    images: Float[Tensor, "batch channel height width"], *, window: int | None = None, border: Border = "zero"
) -> Float[Tensor, " batch"]:
    r"""The gradient energy of a window $\omega$ of $s \times s$ pixels, mean over windows and channels.

    $$ \mathrm{VFE}(x) = \operatorname*{mean}_{ch, \omega} \sum_{(i,j) \in \omega} (x_{i,j+1} - x_{i,j})^2 + (x_{i+1,j} - x_{i,j})^2 $$

    Source: (V1), from the authors' code; $s$ = `window`, that of the side unless given; windows lie side by side, and
    what is left at the right and the bottom of the image is in none. Pixels beyond a window's right and bottom edge
    count as 0, which adds its border's energy; `replicate` has them equal their neighbor. The unit is that of squared
    pixels, here of images in [0, 1]; which one the paper's figures are in is unknown, so only ratios compare.
    Raises ScenarioError where no window fits.
    """  # noqa: E501 (the equation)
    side = vfe_window(min(images.shape[2:])) if window is None else window
    if min(images.shape[2:]) < side:
        raise ScenarioError(f"VFE has no window of {side} pixels in images {tuple(images.shape[2:])}. Use larger ones.")
    tiles = images.float().unfold(2, side, side).unfold(3, side, side)  # batch channel rows columns window window
    if border == "zero":
        tiles = functional.pad(tiles, (0, 1, 0, 1))
    across, down = tiles.diff(dim=-1), tiles.diff(dim=-2)
    if border == "zero":  # the added row and column have no energy of their own
        across, down = across[..., :-1, :], down[..., :-1]
    return (across.square().sum((-1, -2)) + down.square().sum((-1, -2))).mean((1, 2, 3))
