"""An entity that publishes the images of another once more: what two releases of one image give away together."""

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from collab.participants.entity import Entity
from collab.training.progress import Progress
from collab.types import Report

from . import options


class Republisher(Entity):
    """Holds the images of another entity and publishes them through a module of its own.

    So does an entity that publishes again after an edit, without some images, and so do two parties that hold the same
    ones. It is there for attacks on both (`linkage`), and in no pool.
    """

    Options = options.Republisher
    options: options.Republisher

    @override
    def published(self, features: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        is_kept = torch.rand(len(labels), generator=generator) >= self.options.without
        self._kept.append(is_kept)
        return features[is_kept.to(features.device)], labels[is_kept]

    @override
    def publish(self, progress: Progress) -> Report:
        self._kept: list[Tensor] = []
        report, file = super().publish(progress), self.private / "published.npy"
        np.save(file, np.load(file, allow_pickle=False)[torch.cat(self._kept).numpy()])
        return report
