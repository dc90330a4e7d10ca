"""How much of what plain features disclose an attack got, and how bad it is for the worst image (SCIENCE 5.3)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from collab.errors import CollabError
from collab.metrics.intervals import nested_means


@dataclass(frozen=True)
class Leakage:
    """Normalized leakage with its interval: 0 is no more than the prior, 1 as bad as plain features; not clipped."""

    value: float
    low: float
    high: float


def normalized_leakage(
    attack: Sequence[Float[np.ndarray, " _"]],
    opened: Sequence[Float[np.ndarray, " _"]],
    prior: Sequence[Float[np.ndarray, " _"]],
    rng: np.random.Generator,
    resamples: int = 1000,
    level: float = 0.95,
    *,
    higher_discloses: bool,
) -> Leakage | None:
    r"""$L = (m - m_\mathrm{prior}) / (m_\mathrm{open} - m_\mathrm{prior})$; None, printed `undefined`, without a scale.

    Each $m$ is the mean of one metric over images nested in random seeds: one array for each seed, and the three arrays
    of a seed score the same images in the same order, for resamples draw whole images. `opened` is attack A1 on
    unpoisoned features, `prior` the best prior. `higher_discloses` is true of SSIM, false of a distance.

    Without a scale: plain features do not disclose more than the prior beyond the interval of
    $m_\mathrm{open} - m_\mathrm{prior}$. Where they disclose *less*, the scale would be turned over: an attack that
    rebuilds nothing would come out at 1. The few resamples that turn or lose the sign of this difference have no $L$
    and no part in the interval of $L$.

    Raises CollabError for arrays that are no pairs, values that are not finite, no seeds, a seed without images, or a
    level outside (0, 1).
    """
    lengths = [[len(seed) for seed in each] for each in (attack, opened, prior)]
    if lengths[0] != lengths[1] or lengths[0] != lengths[2]:
        raise CollabError(
            f"leakage compares scores of the same images, seed by seed; the seeds of attack, open and prior have "
            f"{lengths[0]}, {lengths[1]} and {lengths[2]} images. Score all three on one sample of rows."
        )
    if not 0 < level < 1:
        raise CollabError(f"an interval of level {level} was asked of a leakage; it needs a level in (0, 1).")
    seeds = [np.stack(seed, 1).astype(np.float64) for seed in zip(attack, opened, prior, strict=True)]
    if not all(np.isfinite(seed).all() for seed in seeds):
        raise CollabError("a leakage was asked of scores that are not finite. Look for the image whose score is NaN.")
    ends = [(1 - level) / 2, (1 + level) / 2]
    sign = 1 if higher_discloses else -1
    gained, scale = sign * _differences(nested_means(seeds, rng, resamples))
    if np.quantile(scale, ends[0]) <= 0:
        return None
    whole_gained, whole_scale = sign * _differences(np.mean([seed.mean(0) for seed in seeds], 0)[None])
    has_sign = scale > 0
    low, high = np.quantile(gained[has_sign] / scale[has_sign], ends)
    return Leakage(float(whole_gained[0] / whole_scale[0]), float(low), float(high))


def _differences(means: Float[np.ndarray, "rows 3"]) -> Float[np.ndarray, "2 rows"]:
    """Attack less prior, and open less prior."""
    return np.stack((means[:, 0] - means[:, 2], means[:, 1] - means[:, 2]))


@dataclass(frozen=True)
class Spread:
    """How one score is spread over images: p95 is exceeded, in disclosure, by 5 % of them; `worst` by none.

    `share` is the part of the images that disclose more than a threshold.
    """

    mean: float
    median: float
    p95: float
    p99: float
    worst: float
    share: float
    n: int


def spread(scores: Float[np.ndarray, " n"], *, higher_discloses: bool, threshold: float = 0.5) -> Spread:
    """Summary of one score per image, never the mean alone; `higher_discloses` is true of SSIM, false of L1 or a rank.

    `threshold` is strict: .5 of an SSIM counts images above it, 1.5 of a rank, which discloses downward, those at rank
    1. Percentiles interpolate linearly between neighbors.

    Raises CollabError for no scores, or one that is NaN.
    """
    if not len(scores) or np.isnan(scores).any():
        raise CollabError(
            f"a spread of {len(scores)} scores was asked, {int(np.isnan(scores).sum())} of them NaN; it needs one, "
            "and numbers only."
        )
    sign = 1 if higher_discloses else -1
    disclosed = sign * scores.astype(np.float64)
    median, p95, p99, worst = (sign * np.quantile(disclosed, [0.5, 0.95, 0.99, 1])).tolist()
    share = float((disclosed > sign * threshold).mean())
    return Spread(float(scores.mean(dtype=np.float64)), median, p95, p99, worst, share, len(scores))
