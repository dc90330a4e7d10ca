"""An entity that publishes wrong labels."""

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import override

from collab.participants.entity import Entity
from collab.scenario.base import EntityOptions


class Mislabeler(Entity):
    """Publishes its poisoned features, some of them under a wrong label; refines on true ones."""

    class Options(EntityOptions):
        """How much of it is wrong."""

        fraction: float = Field(0.5, ge=0, le=1, description="Expected share of published rows with a wrong label.")

    kind: ClassVar[str] = "mislabeler"
    options: Options

    @override
    def published(self, features: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        is_wrong = torch.rand(len(labels), generator=generator) < self.options.fraction
        return features, self.task.mistaken(labels, is_wrong, generator)
