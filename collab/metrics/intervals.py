"""Intervals of a share, and by bootstrap of a mean or quantile over images or a mean over images nested in seeds."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.stats import binomtest

from collab.errors import CollabError

DRAWS_AT_ONCE = 1 << 21
"""Resampled values held in memory at a time: 16 MB, and as much again for their indices."""


def share_interval(hits: int, count: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of the share `hits / count`; it lies in [0, 1] and has a width even at 0 and at 1.

    A bootstrap of 18 hits of 18 says [1, 1], as if the next image were certain; Wilson says [.82, 1]. His interval also
    covers the truth as often as it says where images are few (Brown, Cai and DasGupta 2001).

    Raises CollabError for no images, or a level outside (0, 1).
    """
    _check_level(level, f"{count} values")
    if not count:
        raise CollabError("the interval of a share of 0 values was asked; it needs a value.")
    found = binomtest(hits, count).proportion_ci(level, "wilson")
    return float(found.low), float(found.high)


def bootstrap_interval(
    values: Float[np.ndarray, " n"], rng: np.random.Generator, resamples: int = 1000, level: float = 0.95
) -> tuple[float, float]:
    """The percentile interval that covers the mean of `values` with probability `level`; equal values give no width.

    Raises CollabError for no values, or a level outside (0, 1).
    """
    count = len(values)
    if not count or not 0 < level < 1:
        raise CollabError(
            f"an interval of level {level} over {count} values was asked; it needs a level in (0, 1) and a value."
        )
    at_once = max(DRAWS_AT_ONCE // count, 1)
    sizes = [min(at_once, resamples - start) for start in range(0, resamples, at_once)]
    means = np.concatenate([values[rng.integers(0, count, (size, count))].mean(1) for size in sizes])
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def quantile_interval(
    values: Float[np.ndarray, " n"],
    quantile: float,
    rng: np.random.Generator,
    resamples: int = 1000,
    level: float = 0.95,
) -> tuple[float, float]:
    """The percentile interval of a `quantile` in (0, 1) of `values`, interpolated linearly as by numpy.

    A bootstrap never draws what is not there: beyond the largest of few values it cannot see, so that an interval of a
    quantile with fewer than ten values above it is too narrow.

    Raises CollabError for no values, or a level or quantile outside (0, 1).
    """
    count = len(values)
    _check_level(level, f"{count} values")
    if not count or not 0 < quantile < 1:
        raise CollabError(f"the quantile {quantile} of {count} values was asked; it lies in (0, 1), and needs a value.")
    at_once = max(DRAWS_AT_ONCE // count, 1)
    sizes = [min(at_once, resamples - start) for start in range(0, resamples, at_once)]
    drawn = (values[rng.integers(0, count, (size, count))] for size in sizes)
    found = np.concatenate([np.quantile(rows, quantile, axis=1) for rows in drawn])
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def nested_interval(
    values: Sequence[Float[np.ndarray, " _"]], rng: np.random.Generator, resamples: int = 1000, level: float = 0.95
) -> tuple[float, float]:
    """The percentile interval of the mean over images nested in random seeds; one array for each seed.

    The mean is that of the seeds' means: a seed with more images counts no more. One seed alone gives the interval over
    its images. Of few seeds a bootstrap sees too little of how they differ: with S of them their part of the variance
    comes out too small by the factor (S - 1) / S.

    Raises CollabError for no seeds, a seed without values, or a level outside (0, 1).
    """
    _check_level(level, f"{len(values)} seeds")
    means = nested_means([seed[:, None] for seed in values], rng, resamples)[:, 0]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def nested_means(
    values: Sequence[Float[np.ndarray, "_ columns"]], rng: np.random.Generator, resamples: int
) -> Float[np.ndarray, "resamples columns"]:
    """Resampled means: seeds drawn with replacement, then images of each; all columns of an image stay together.

    `values` has one array for each seed, one row for each image; what is paired by image stands in one row.

    Raises CollabError for no seeds or a seed without values.
    """
    sizes = [len(seed) for seed in values]
    if not sizes or not all(sizes):
        raise CollabError(
            f"seeds with {sizes} values were given to a bootstrap; it needs one seed, and a value in each."
        )
    drawn = rng.integers(0, len(values), (resamples, len(values)))
    means = np.empty((*drawn.shape, values[0].shape[1]))
    for seed, rows in enumerate(values):
        means[drawn == seed] = _means_of_rows(rows, rng, int((drawn == seed).sum()))
    return means.mean(1)


def _means_of_rows(
    rows: Float[np.ndarray, "n columns"], rng: np.random.Generator, resamples: int
) -> Float[np.ndarray, "resamples columns"]:
    means = np.empty((resamples, rows.shape[1]))
    at_once = max(DRAWS_AT_ONCE // rows.size, 1)
    for start in range(0, resamples, at_once):
        block = means[start : start + at_once]
        block[:] = rows[rng.integers(0, len(rows), (len(block), len(rows)))].mean(1)
    return means


def _check_level(level: float, over: str) -> None:
    if not 0 < level < 1:
        raise CollabError(f"an interval of level {level} over {over} was asked; it needs a level in (0, 1).")
