"""How far a mean over images may be off, where the same images were answered several times: by repeats, or in two rows.

An array of values is [repeats, images]: what each image got in each of several trainings of the same row. To compare
two rows, subtract their arrays first: what makes an image hard then cancels, image by image.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float

RESAMPLES = 400
"""Bootstrap samples of a figure that is no mean of a value of each image: each takes a pass over all images."""


def student_quantile(freedom: float, level: float = 0.95) -> float:
    r"""$t$ of a two-sided interval of `level`: 12.7 with one degree of freedom, 1.96 with many (or `math.inf`)."""
    from scipy.special import stdtrit  # .3 s of a core, in each process that imports it

    return float(stdtrit(min(freedom, 1e9), (1 + level) / 2))


def interval_of_means(
    values: Float[np.ndarray, " images"], imagined: Sequence[float] = (), level: float = 0.95
) -> tuple[float, float]:
    r"""$\bar v \pm t_{n-1} s / \sqrt n$ over images, for the mean of one value each; equal to a bootstrap of the mean.

    `imagined` images are added to the real ones. Without them 120 images that two rows answer alike would prove that
    the rows never differ. For a difference of hits, `imagined` is (1, -1): one image that only the first row has right,
    and one that only the second has (Bonett and Price 2012). For a share of hits it is (1, 1, 0, 0) (Agresti and Coull
    1998). With fewer than two values the ends are the value itself.
    """
    sample = np.concatenate([values, np.asarray(imagined, dtype=np.float64)])
    count, middle = len(sample), float(sample.mean())
    if count < 2:
        return middle, middle
    reach = student_quantile(count - 1, level) * float(sample.std(ddof=1)) / math.sqrt(count)
    return middle - reach, middle + reach


def reach_of_repeats(values: Float[np.ndarray, "repeats images"], level: float = 0.95) -> float:
    r"""What other repeats may add to the mean of all values: $t_{R-1} \sqrt{(s_R^2 - s_E^2 / n)^+ / R}$; 0 for one.

    $s_R$ is the deviation of the means of the $R$ repeats, $s_E$ that of what is left of a value without the means of
    its repeat and its image. $s_E^2 / n$ is taken off since the interval over images contains it already (analysis of
    variance with two crossed factors).
    """
    repeats, images = values.shape
    if repeats < 2:
        return 0.0
    means = values.mean(1)
    rest = values - means[:, None] - values.mean(0) + values.mean()
    noise = float((rest**2).sum()) / ((repeats - 1) * max(images - 1, 1))
    excess = max(float(means.var(ddof=1)) - noise / images, 0.0)
    return student_quantile(repeats - 1, level) * math.sqrt(excess / repeats)


def crossed_interval(
    values: Float[np.ndarray, "repeats images"], imagined: Sequence[float] = (), level: float = 0.95
) -> tuple[float, float]:
    """The interval of the mean of all values, over other images and other repeats: both reaches, squared and added."""
    low, high = interval_of_means(values.mean(0), imagined, level)
    middle = (low + high) / 2
    reach = math.hypot(middle - low, reach_of_repeats(values, level))
    return middle - reach, middle + reach


@lru_cache(maxsize=2)
def draw_images(count: int) -> Float[np.ndarray, "resamples images"]:
    """How often each of `count` images is drawn in each resample, the same for all rows: so their figures are pairs."""
    rng = np.random.default_rng(count)  # no stream of a run's: two runs on the same images are pairs as well
    drawn = rng.multinomial(count, np.full(count, 1 / count), RESAMPLES).astype(np.float64)
    drawn.setflags(write=False)
    return drawn


def resample_precision(
    scores: Float[np.ndarray, "images attributes"],
    truth: Bool[np.ndarray, "images attributes"],
    times: Float[np.ndarray, "resamples images"],
) -> Float[np.ndarray, " resamples"]:
    """Mean average precision where each image counts as often as `times` says, over attributes that some image has.

    Copies of an image stand at one rank, behind which its precision is taken; a score that is NaN counts as the lowest.
    NaN in a resample where no image has any attribute.
    """
    ranked = np.argsort(-np.where(np.isnan(scores), -np.inf, scores.astype(np.float64)), axis=0, kind="stable")
    total, count = np.zeros(len(times)), np.zeros(len(times))
    for order, is_true in zip(ranked.T, truth.T, strict=True):
        drawn = times[:, order]
        hits = drawn * is_true[order]
        positives = hits.sum(1)
        precision = hits.cumsum(1) / np.maximum(drawn.cumsum(1), 1)
        total += (precision * hits).sum(1) / np.maximum(positives, 1)
        count += positives > 0
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def resample_correlation(
    predicted: Bool[np.ndarray, "images attributes"],
    truth: Bool[np.ndarray, "images attributes"],
    times: Float[np.ndarray, "resamples images"],
) -> Float[np.ndarray, "resamples attributes"]:
    """Matthews' correlation of each attribute where each image counts as often as `times` says; 0 without a root."""
    # Counts in fp64: the product of four leaves int64 above 110,000 images.
    tp, tn, fp, fn = (
        times @ cell.astype(np.float64)
        for cell in (predicted & truth, ~predicted & ~truth, predicted & ~truth, ~predicted & truth)
    )
    # By numpy: torch's root of fp64 is not the nearest number on every machine.
    root = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    return (tp * tn - fp * fn) / np.maximum(root, 1)  # where the root is 0, so is what stands over it
