"""The Deep Poisoning Module: residual bottlenecks that keep the shape of the features (DP 3.3)."""

from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor, nn
from typing_extensions import override

from collab.errors import ScenarioError
from collab.models.filters import Features, Keyed
from collab.models.layers import Residual, bottleneck
from collab.training.columns import send


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


class Rotating(Keyed):
    """Several modules, of which each row passes through one: what is learned of one tells nothing of the others' rows.

    In training a row takes one at random, drawn anew each time from torch's global generator. In eval mode a private
    `key` and the row of `source` that came in (itself unless given) say which, as in `Noise`: nobody else knows which
    rows share a module, and a shard holds rows of all of them.
    """

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        super().__init__()
        self.each = nn.ModuleList(modules)

    def pick(self, features: Features) -> Tensor:
        """The number of each row's module, [batch]."""
        if self.training:
            return torch.randint(len(self.each), (len(features),))
        return torch.tensor([number % len(self.each) for number in self.numbers(features)])

    @override
    def forward(self, features: Features, source: Features | None = None) -> Features:
        picked = self.pick(features if source is None else source)
        order = picked.argsort(stable=True)  # the rows of the first module, then those of the second
        there, back = send(torch.stack([order, order.argsort()]), features.device)
        rows = torch.split(there, picked.bincount(minlength=len(self.each)).tolist())
        shares = [module(features[own]) for module, own in zip(self.each, rows, strict=True) if len(own)]
        return torch.cat(shares)[back]
