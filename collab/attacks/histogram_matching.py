"""Re-identification by histograms (ATTACKS V4): shuffling keeps every value, so it keeps which image it was."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from collab.attacks import options
from collab.attacks.base import Attack, Knowledge
from collab.seeding import Stream
from collab.training.feeds import ImageSet
from collab.training.precision import Compute
from collab.training.progress import Progress

AT_A_TIME = 64


def sorted_values(images: Tensor) -> Tensor:
    """The values of each channel of images [batch, 3, height, width] in order, [batch, values]: its histogram.

    That of a shuffled image is that of the image, whatever regions and channels were shuffled how.
    """
    return images.flatten(2).sort(dim=2).values.flatten(1)


def nearest_by_histogram(images: Tensor, candidates: Tensor) -> Tensor:
    """Of each image [batch, ...] the number of the candidate [count, ...] with the nearest histogram, [batch].

    Nearest in the mean absolute difference of sorted values, which is the distance between the histograms that moves
    the least mass (Wasserstein-1), over channels. Ties go to the first.
    """
    return torch.cdist(sorted_values(images), sorted_values(candidates), p=1).argmin(dim=1)


@dataclass(frozen=True)
class HistogramMatching(Attack):
    """Answers with the image of its own and public ones whose histogram is nearest: exact where it has the image."""

    kind = "histogram_matching"
    Options = options.HistogramMatching
    needs = frozenset({"images", "own_data", "public_data"})

    @override
    def rebuild(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> Tensor:
        shown = sorted_values(known.images)
        best = torch.full((len(shown),), torch.inf)
        found = torch.zeros(known.images.shape)
        for images in (known.own_data, known.public_data):
            for start in range(0, len(images), AT_A_TIME):
                candidates = _taken(images, start)
                distance, which = torch.cdist(shown, sorted_values(candidates), p=1).min(dim=1)
                is_nearer = distance < best
                found[is_nearer], best[is_nearer] = candidates[which[is_nearer]], distance[is_nearer]
        return found


def _taken(images: ImageSet, start: int) -> Tensor:
    rows = np.arange(start, min(start + AT_A_TIME, len(images)))
    return images.take(rows, torch.device("cpu"))
