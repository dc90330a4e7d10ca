"""Re-identification by histograms (ATTACKS V4): shuffling keeps every value, so it keeps which image it was."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from collab.attacks import options
from collab.attacks.base import Attack, Compute, Knowledge, Progress, Stream

AT_A_TIME = 64
"""Candidates whose sorted values are held at a time."""


def sorted_values(images: Tensor) -> Tensor:
    """The values of each channel of images [batch, 3, height, width] in order, [batch, values]: its histogram.

    That of a shuffled image is that of the image, whatever regions and channels were shuffled how.
    """
    return images.flatten(2).sort(dim=2).values.flatten(1)


@dataclass(frozen=True)
class HistogramMatching(Attack):
    """Answers with the image of its own and public ones whose histogram is nearest: exact where it has the image."""

    Options = options.HistogramMatching
    needs = frozenset({"images", "own_data", "public_data"})

    @override
    def rebuild(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> Tensor:
        published = sorted_values(known.images)
        best = torch.full((len(published),), torch.inf)
        answer = torch.zeros(known.images.shape)
        for images in (known.own_data, known.public_data):
            for start in range(0, len(images), AT_A_TIME):
                rows = np.arange(start, min(start + AT_A_TIME, len(images)))
                candidates = images.take(rows, torch.device("cpu"))
                # Wasserstein-1 between histograms: the least mass that turns one into the other. Ties go to the first.
                distance, which = torch.cdist(published, sorted_values(candidates), p=1).min(dim=1)
                is_nearer = distance < best
                answer[is_nearer], best[is_nearer] = candidates[which[is_nearer]], distance[is_nearer]
        return answer
