"""An entity that publishes features that come from no image: a malicious publisher."""

import torch
from torch import Tensor
from typing_extensions import override

from collab.participants.entity import Entity

from . import options


class Noisy(Entity):
    """Publishes noise with mean and deviation of its true features in place of some of them, under their labels.

    The store cannot tell: the values are finite, of the right shape, and no larger than others. `vet: holdout` can.
    """

    Options = options.Noisy
    options: options.Noisy

    @override
    def published(self, features: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        is_noise = torch.rand(len(labels), generator=generator) < self.options.fraction
        noise = torch.randn(features.shape, generator=generator).to(features.device)
        alike = features.mean() + features.std() * noise
        return torch.where(is_noise.to(features.device).view(-1, 1, 1, 1), alike, features), labels
