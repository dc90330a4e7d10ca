"""Figures with their 95 % intervals over images: shares, means, mean average precision, mean correlation."""

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from collab.metrics.intervals import bootstrap_interval, share_interval
from collab.metrics.paired import RESAMPLES, resample_precision
from collab.metrics.utility import mcc, mean_average_precision, resample_mcc
from collab.seeding import Stream
from collab.types import Measure


def mean_measure(metric: str, values: Tensor, seed: int) -> Measure:
    """The mean of one value per image [batch], with its 95 % interval: by bootstrap, of truth values by Wilson."""
    if values.dtype == torch.bool:
        hits, count = int(values.sum()), len(values)
        low, high = share_interval(hits, count)
        return Measure(metric, hits / count, low, high, count)
    sample = values.double().cpu().numpy()
    low, high = bootstrap_interval(sample, Stream(seed, "metrics", "bootstrap").numpy(metric))
    return Measure(metric, float(sample.mean()), low, high, len(sample))


def map_measure(
    metric: str, scores: Float[Tensor, "batch attributes"], labels: Bool[Tensor, "batch attributes"], seed: int
) -> Measure:
    """Mean average precision with the interval over resampled images; attributes that no image has are left out.

    Copies of an image in a resample stand at one rank, behind which its precision is taken. Raises DataError if no
    image has any attribute.
    """
    value, _ = mean_average_precision(scores, labels)
    times = _resample(metric, len(scores), seed)
    means = resample_precision(scores.numpy(), labels.numpy(), times)
    return Measure(metric, value, *_bounds(means[~np.isnan(means)]), len(scores))  # few images may have no attribute


def mcc_measure(
    metric: str, probabilities: Float[Tensor, "batch attributes"], labels: Bool[Tensor, "batch attributes"], seed: int
) -> Measure:
    """The mean over attributes of Matthews' correlation at threshold .5, with the interval over resampled images."""
    times = _resample(metric, len(labels), seed)
    means = resample_mcc(probabilities, labels, times).mean(1)
    return Measure(metric, float(mcc(probabilities, labels).mean()), *_bounds(means), len(labels))


def _resample(metric: str, count: int, seed: int) -> np.ndarray:
    """How often each image is drawn [resamples, images]."""
    rng = Stream(seed, "metrics", "bootstrap").numpy(metric)
    return rng.multinomial(count, np.full(count, 1 / count), RESAMPLES).astype(np.float64)


def _bounds(resampled: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(resampled, [0.025, 0.975])
    return float(low), float(high)
