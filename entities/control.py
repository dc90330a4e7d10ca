"""A victim on which attacks are tried themselves: one whose features hide nothing, or show nothing (ATTACKS 3.1)."""

import torch
from torch import Tensor
from typing_extensions import override

from collab.participants.entity import Entity

from . import options


class Control(Entity):
    """Publishes F of another entity's images as they are (D0), or noise with the moments of each channel (D6).

    An attack that finds nothing in the first has failed, and one that finds something in the second was given the truth
    or is mistaken about a guess. It plays as an entity does, so that its shards are read and attacked like any other.
    """

    Options = options.Control
    options: options.Control

    @override
    def published(self, features: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        if self.options.shows == "plain":
            return features, labels
        deviation, mean = torch.std_mean(features.float(), (0, 2, 3), correction=0, keepdim=True)
        drawn = torch.randn(features.shape, generator=generator).to(features.device)
        return mean + deviation * drawn, labels
