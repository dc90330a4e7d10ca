"""Bootstrap intervals of a mean over images."""

import numpy as np
from jaxtyping import Float

from collab.errors import CollabError

DRAWS_AT_ONCE = 1 << 21
"""Resampled values held in memory at a time: 16 MB, and as much again for their indices."""


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
    if np.isin(values, (0.0, 1.0)).all():
        # The number of ones in a resample is binomial: the same distribution without drawing single values.
        means = rng.binomial(count, values.mean(), resamples) / count
    else:
        at_once = max(DRAWS_AT_ONCE // count, 1)
        sizes = [min(at_once, resamples - start) for start in range(0, resamples, at_once)]
        means = np.concatenate([values[rng.integers(0, count, (size, count))].mean(1) for size in sizes])
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
