"""An entity's private view at toy size, and modules fitted on it."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from collab.defenses.base import Defense, PrivateView
from collab.defenses.chain import Chain
from collab.models.backbones import build_split
from collab.models.freeze import freeze
from collab.training.feeds import FeatureFeed, ImageSet, InMemory
from collab.training.progress import Progress
from collab.training.tasks import CLASSES
from tests.defenses.fitting import (
    CHANNELS,
    COMPUTE,
    STREAM,
    reconstructor,
)


@pytest.fixture
def view() -> PrivateView:
    rng = np.random.default_rng(0)
    images = ImageSet(rng.integers(0, 255, (24, 3, 16, 16), dtype=np.uint8), rng.integers(0, 3, 24))
    with STREAM.initialization():
        split = build_split("resnet8", "conv3_1", classes=3, width=4)
    freeze(split.featurizer), freeze(split.decider)
    with torch.no_grad():
        features = split.featurizer(images.take(np.arange(24), COMPUTE.device)).half()
    feed = FeatureFeed([InMemory(features, torch.from_numpy(images.labels))], (CHANNELS, 8, 8), 8, COMPUTE.device)
    return PrivateView(
        feed, images, images, CLASSES, split.decider, reconstructor(), STREAM, COMPUTE, Progress(),
        featurizer=split.featurizer, another=reconstructor, identifier=lambda: (split.decider, 3),
        like_decider=lambda outputs: build_split("resnet8", "conv3_1", classes=outputs, width=4).decider,
    )  # fmt: skip


@pytest.fixture
def fitted(view: PrivateView) -> Callable[..., nn.Module]:
    """The module of a defense, or of several as a chain, fitted on `view`; `changes` are those of the view."""

    def fit(*defenses: Defense, **changes: object) -> nn.Module:
        defense = defenses[0] if len(defenses) == 1 else Chain(defenses)
        with STREAM.initialization():
            module = defense.build(CHANNELS, rectified=True)
        defense.fit(module, replace(view, **changes))
        return module.eval()

    return fit


@pytest.fixture
def features(view: PrivateView) -> Tensor:
    return torch.cat([x for x, _, _ in view.features.batches(None)])
