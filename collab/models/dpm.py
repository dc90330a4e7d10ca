"""The Deep Poisoning Module: residual bottlenecks that keep the shape of the features (DP 3.3)."""

from typing import Literal

from torch import nn

from collab.errors import ScenarioError
from collab.models.layers import Residual, bottleneck


def build_dpm(
    channels: int,
    *,
    blocks: int = 4,
    width: int | None = None,
    norm: Literal["batch", "none"] = "batch",
    rectify: bool = True,
) -> nn.Module:
    """An untrained P: `blocks` times 1×1 to `width`, 3×3, 1×1 back to `channels`, identity sum, ReLU.

    `width` is a quarter of `channels` unless given. `rectify` off leaves the last ReLU out, for features that may be
    negative. Torch's own initialization, drawn from its global generator: P does not start as the identity.
    Raises ScenarioError for fewer than one block or channel in the middle.
    """
    middle = channels // 4 if width is None else width
    if blocks < 1 or middle < 1:
        raise ScenarioError(
            f"dpm: {blocks} blocks of width {middle} were asked for features of {channels} channels; at least 1 "
            f"of each is needed. Set `blocks` and `width`."
        )
    return nn.Sequential(
        *(
            Residual(bottleneck(channels, middle, norm=norm == "batch"), rectify=rectify or block < blocks)
            for block in range(1, blocks + 1)
        )
    )
