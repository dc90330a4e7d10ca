"""Whether a network has learned what it was shown: scored on its own training images, a thousand of them, from all."""

from types import SimpleNamespace
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from collab.participants.participant import Participant
from collab.training.feeds import ImageSet
from collab.training.precision import resolve_compute
from collab.training.tasks import Classification

CLASSES = 6


class Reads(nn.Module):
    """Says as an image's class how bright it is."""

    def forward(self, images: Tensor) -> Tensor:
        return nn.functional.one_hot((images.amax((1, 2, 3)) * 255).round().long(), CLASSES).float()


def score(rows: int, right: int) -> tuple[str, float, int | None]:
    """Of a network that is right about the first `right` of images that stand sorted, as folders have them."""
    shown = np.arange(rows) * CLASSES // rows
    labels = np.where(np.arange(rows) < right, shown, (shown + 1) % CLASSES)
    images = ImageSet(np.broadcast_to(shown.astype(np.uint8).reshape(-1, 1, 1, 1), (rows, 3, 4, 4)).copy(), labels)
    task = Classification(tuple("abcdef"))
    holder = SimpleNamespace(compute=resolve_compute("fp32", "cpu"), task=task, scenario=SimpleNamespace(seed=0))
    with torch.no_grad():
        measure = Participant.score_training(cast("Participant", holder), Reads(), images)
    return measure.metric, round(measure.value, 2), measure.n


def test_few_images_are_all_scored_and_many_evenly() -> None:
    assert score(rows=50, right=40) == ("top1_training", 0.8, 50)
    assert score(rows=1, right=1) == ("top1_training", 1.0, 1)
    assert score(rows=3000, right=1500) == ("top1_training", 0.5, 1000)  # the first 1,000 would all be right
