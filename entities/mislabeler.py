"""An entity that publishes wrong labels."""

import torch
from torch import Tensor
from typing_extensions import override

from collab.participants.entity import Entity

from . import options


class Mislabeler(Entity):
    """Publishes its poisoned features, some of them under a wrong label; refines on true ones."""

    Options = options.Mislabeler
    options: options.Mislabeler

    @override
    def published(self, features: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        is_wrong = torch.rand(len(labels), generator=generator) < self.options.fraction
        return features, self.task.make_wrong(labels, is_wrong, generator)
