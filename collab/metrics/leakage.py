"""How much of what plain features disclose an attack got (SCIENCE 5.3)."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from collab.errors import CollabError
from collab.metrics.intervals import check_level, resample_means

HIGHER_DISCLOSES = {"ssim_max": True, "pdist": False}
"""The quantities that leakage is measured by, and whether they rise or fall with disclosure."""


@dataclass(frozen=True)
class Leakage:
    """Normalized leakage with its interval: 0 is no more than the prior, 1 as bad as plain features; not clipped."""

    value: float
    low: float
    high: float


def normalized_leakage(
    attack: Float[np.ndarray, " _"],
    opened: Float[np.ndarray, " _"],
    prior: Float[np.ndarray, " _"],
    rng: np.random.Generator,
    resamples: int = 1000,
    level: float = 0.95,
    *,
    higher_discloses: bool,
) -> Leakage | None:
    r"""$L = (m - m_\mathrm{prior}) / (m_\mathrm{open} - m_\mathrm{prior})$; None, printed `undefined`, without a scale.

    Each $m$ is the mean of one metric over images. The three arrays score the same images in the same order, for
    resamples draw whole images. `opened` is attack A1 on unpoisoned features, `prior` the best prior.
    `higher_discloses` is true of SSIM, false of a distance.

    Without a scale: plain features do not disclose more than the prior beyond the interval of
    $m_\mathrm{open} - m_\mathrm{prior}$. Where they disclose *less*, the scale would be turned over: an attack that
    rebuilds nothing would come out at 1. The few resamples that turn or lose the sign of this difference have no $L$
    and no part in the interval of $L$.

    Raises CollabError for arrays that are no pairs, values that are not finite, no images, or a level outside (0, 1).
    """
    lengths = [len(scores) for scores in (attack, opened, prior)]
    if len(set(lengths)) > 1:
        raise CollabError(
            "leakage compares scores of the same images; attack, open and prior have {}, {} and {} of them. Score all "
            "three on one sample of rows.".format(*lengths)
        )
    check_level(level, len(attack))
    images = np.stack((attack, opened, prior), 1).astype(np.float64)
    if not np.isfinite(images).all():
        raise CollabError("leakage needs finite scores, and some are not. Look for the image whose score is NaN.")
    ends = [(1 - level) / 2, (1 + level) / 2]
    sign = 1 if higher_discloses else -1
    gained, scale = sign * _differences(resample_means(images, rng, resamples))
    if np.quantile(scale, ends[0]) <= 0:
        return None
    whole_gained, whole_scale = sign * _differences(images.mean(0)[None])
    has_sign = scale > 0
    low, high = np.quantile(gained[has_sign] / scale[has_sign], ends)
    return Leakage(float(whole_gained[0] / whole_scale[0]), float(low), float(high))


def _differences(means: Float[np.ndarray, "rows 3"]) -> Float[np.ndarray, "2 rows"]:
    """Attack less prior, and open less prior."""
    return np.stack((means[:, 0] - means[:, 2], means[:, 1] - means[:, 2]))
