"""Intervals over images: of a share, and by bootstrap of a mean or a quantile."""

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from scipy.special import ndtri

from collab.errors import CollabError

DRAWS_AT_ONCE = 1 << 21
"""Resampled values held in memory at a time: 16 MB, and as much again for their indices."""


def share_interval(hits: int, count: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of the share `hits / count`; it lies in [0, 1] and has a width even at 0 and at 1.

    A bootstrap of 18 hits of 18 says [1, 1], as if the next image were certain; Wilson says [.82, 1]. His interval also
    covers the truth as often as it says where images are few (Brown, Cai and DasGupta 2001).

    Raises CollabError for no images, or a level outside (0, 1).
    """
    check_level(level, count)
    if not 0 <= hits <= count:
        raise CollabError(f"{hits} hits were counted among {count} images.")
    # As in scipy.stats, to the last bit, whose import takes each process half a second.
    share, z = hits / count, float(ndtri(0.5 + 0.5 * level))
    scale = 2 * (count + z**2)
    center = (2 * count * share + z**2) / scale
    reach = z / scale * math.sqrt(4 * count * share * (1 - share) + z**2)
    return 0.0 if hits == 0 else center - reach, 1.0 if hits == count else center + reach


def bootstrap_interval(
    values: Float[np.ndarray, " n"], rng: np.random.Generator, resamples: int = 1000, level: float = 0.95
) -> tuple[float, float]:
    """The percentile interval that covers the mean of `values` with probability `level`; equal values give no width.

    Raises CollabError for no values, or a level outside (0, 1).
    """
    return _percentile_interval(values, lambda drawn: drawn.mean(1), rng, resamples, level)


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
    if not 0 < quantile < 1:
        raise CollabError(f"there is no interval of the quantile {quantile}. Take a quantile in (0, 1).")
    return _percentile_interval(values, lambda drawn: np.quantile(drawn, quantile, axis=1), rng, resamples, level)


def resample_means(
    rows: Float[np.ndarray, "n columns"], rng: np.random.Generator, resamples: int
) -> Float[np.ndarray, "resamples columns"]:
    """Means of resampled rows, one row for each image: what is paired by image stays together."""
    means = np.empty((resamples, rows.shape[1]))
    at_once = max(DRAWS_AT_ONCE // rows.size, 1)
    for start in range(0, resamples, at_once):
        block = means[start : start + at_once]
        block[:] = rows[rng.integers(0, len(rows), (len(block), len(rows)))].mean(1)
    return means


def check_level(level: float, count: int) -> None:
    """Raises CollabError for a level outside (0, 1), or an interval over no values."""
    if not count or not 0 < level < 1:
        raise CollabError(
            f"there is no interval of level {level} over {count} values. Take a level in (0, 1), and a value at least."
        )


def _percentile_interval(
    values: Float[np.ndarray, " n"],
    statistic: Callable[[np.ndarray], np.ndarray],
    rng: np.random.Generator,
    resamples: int,
    level: float,
) -> tuple[float, float]:
    """The interval of a statistic of resampled values [resamples, n], which answers one value for each resample."""
    count = len(values)
    check_level(level, count)
    # scipy.stats.bootstrap draws the same resamples, but its ends differ from these in the last bit, by its version.
    at_once = max(DRAWS_AT_ONCE // count, 1)
    sizes = [min(at_once, resamples - start) for start in range(0, resamples, at_once)]
    drawn = np.concatenate([statistic(values[rng.integers(0, count, (size, count))]) for size in sizes])
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
