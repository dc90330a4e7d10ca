"""Scores with intervals: what a network can still read, what a reconstructor can still show."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from collab.metrics.priors import class_mean_prior, mean_image_prior, unrelated_prior
from collab.metrics.scores import mean_measure
from collab.metrics.visual import distances_of_images, l1, ssim, ssim_window
from collab.training.precision import Compute
from collab.training.recipes import EVAL_BATCH
from collab.types import Measure


def means(scores: Mapping[str, Tensor], seed: int) -> tuple[Measure, ...]:
    """The mean of each metric over its values [batch], with its interval."""
    return tuple(mean_measure(name, values, seed) for name, values in scores.items())


def distances(
    reconstructor: nn.Module,
    features: Tensor,
    poisoned: Tensor,
    images: Callable[[int, int], Tensor],
    *,
    compute: Compute,
    metrics: Mapping[str, Callable[[Tensor, Tensor], Tensor]] | None = None,
) -> dict[str, Tensor]:
    """Every metric for each image [batch], from its `..._original` and from its `..._poisoned` features.

    Those of Table 2 unless others are given.
    """
    parts: dict[str, list[Tensor]] = {}
    for start in range(0, len(features), EVAL_BATCH):
        stop = min(start + EVAL_BATCH, len(features))
        truth = images(start, stop)
        metrics = distances_of_images(truth.shape[-1]) if metrics is None else metrics
        for what, x in (("original", features[start:stop]), ("poisoned", poisoned[start:stop])):
            with torch.no_grad(), compute.autocast():
                rebuilt = reconstructor(x.to(compute.device).float())
            for name, metric in metrics.items():
                parts.setdefault(f"{name}_{what}", []).append(metric(rebuilt, truth))
    return {name: torch.cat(values).cpu() for name, values in parts.items()}


PICTURES = 8
"""Images of either kind that are kept to look at."""


def worst_and_median(likeness: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers of the `PICTURES` largest values, largest first, and of as many others in the middle of the order."""
    order = np.argsort(-likeness, kind="stable")
    worst, rest = order[:PICTURES], order[PICTURES:]
    start = max(0, min(len(order) // 2 - PICTURES // 2 - PICTURES, len(rest) - PICTURES))
    return worst, rest[start : start + PICTURES]


def likeness(rebuilt: Tensor, images: Tensor, seed: int) -> tuple[Measure, ...]:
    """How near rebuilt images [batch, 3, H, W] come to the true ones, by every distance of Table 2."""
    return means(
        {name: metric(rebuilt, images) for name, metric in distances_of_images(images.shape[-1]).items()}, seed
    )


def guesses(images: Tensor, labels: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
    """Images [batch, 3, H, W] that are guessed for `images` without looking at features, by their name."""
    return {
        "unrelated": unrelated_prior(images, generator),
        "mean": mean_image_prior(images),
        "class_mean": class_mean_prior(images, labels),
    }


def priors(guessed: Mapping[str, Tensor], images: Tensor, seed: int) -> tuple[Measure, ...]:
    """What guesses without features score on images [batch, 3, H, W]: the floor under every attack (SCIENCE 5.4)."""
    window = ssim_window(images.shape[-1])[0]
    return tuple(
        mean_measure(f"{metric}_prior_{name}", function(guess, images), seed)
        for name, guess in guessed.items()
        for metric, function in (("l1", l1), (f"ssim[{window}]", ssim))
    )
