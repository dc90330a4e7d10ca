"""A world that trainings are tried in: images whose brightness tells their class, and networks for them."""

import numpy as np
import torch
from torch import nn

from collab.defenses.dpm_network import build_dpm
from collab.models.freeze import freeze
from collab.seeding import Stream
from collab.training.feeds import FeatureFeed, ImageSet, InMemory
from collab.training.loop import Recipe
from collab.training.poisoning import Poisoning, train_dpm
from collab.training.precision import Compute
from collab.training.progress import Progress

CPU = Compute("cpu", "float32")
STREAM = Stream(0, "a1", "poison")
ONE_STEP = Recipe(epochs=1, batch_size=64, optimizer="sgd", learning_rate=0.05)
ROWS, CLASSES, SIDE = 40, 3, 16


class World:
    """Images whose brightness tells their class, and networks for them with random weights."""

    def __init__(self) -> None:
        torch.manual_seed(1)
        labels = np.arange(ROWS) % CLASSES
        noise = np.random.default_rng(1).integers(0, 100, (ROWS, 3, SIDE, SIDE))
        self.images = ImageSet((noise + 70 * labels[:, None, None, None]).astype(np.uint8), labels)
        self.featurizer = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU())
        self.decider = nn.Sequential(
            nn.Conv2d(8, 8, 3, 2, 1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(8, 3),
        )
        self.reconstructor = nn.Sequential(
            nn.Conv2d(8, 8, 3, 1, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Upsample(scale_factor=2), nn.Conv2d(8, 3, 1)
        )
        freeze(self.featurizer)
        rows = torch.arange(ROWS).numpy()
        self.pictures = self.images.take(rows, CPU.device)
        self.labels = torch.from_numpy(labels)
        self.features = self.featurizer(self.pictures).half()

    def feed(self, batch_size: int = 64) -> FeatureFeed:
        return FeatureFeed([InMemory(self.features, self.labels)], (8, 8, 8), batch_size, CPU.device)

    def dpm(self) -> nn.Module:
        torch.manual_seed(2)
        module = build_dpm(8, blocks=1, width=None, norm="batch", rectify=True)
        with torch.no_grad():  # away from the identity, so that it poisons something
            for value in module.parameters():
                value.add_(0.2 * torch.randn(value.shape))
        return module

    def poisoned_with(
        self, aim: Poisoning, module: nn.Module, recipe: Recipe = ONE_STEP, progress: Progress | None = None
    ) -> tuple[float, ...]:
        return train_dpm(
            module,
            self.feed(recipe.batch_size),
            self.images,
            self.decider,
            self.reconstructor,
            aim,
            recipe,
            stream=STREAM,
            compute=CPU,
            progress=progress or Progress(),
        )


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
