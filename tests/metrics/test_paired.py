"""Intervals over images, and over repeats of the same images: closed forms, another implementation, coverage."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from collab.metrics.paired import (
    crossed_interval,
    interval_of_means,
    reach_of_repeats,
    resample_precision,
    student_quantile,
)


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=30))
def test_the_interval_of_a_mean_is_students(values: list[float]) -> None:
    sample = np.array(values)
    expected = stats.ttest_1samp(sample, 0).confidence_interval() if sample.std() > 1e-6 else (sample.mean(),) * 2
    assert interval_of_means(sample) == pytest.approx(tuple(expected), rel=1e-6, abs=1e-5)


def test_imagined_images_are_those_of_bonett_and_price_and_of_agresti_and_coull() -> None:
    """Of 200 images the first row alone has 30 right, the second alone 12."""
    n, first, second = 200, 30, 12
    hits = np.repeat([1.0, -1.0, 0.0], [first, second, n - first - second])
    p, q = (first + 1) / (n + 2), (second + 1) / (n + 2)
    reach = 1.96 * math.sqrt((p + q - (p - q) ** 2) / (n + 2))
    assert interval_of_means(hits, (1, -1)) == pytest.approx((p - q - reach, p - q + reach), abs=0.0006)
    share, count = (150 + 2) / (n + 4), n + 4
    reach = 1.96 * math.sqrt(share * (1 - share) / count)
    found = interval_of_means(np.repeat([1.0, 0.0], [150, 50]), (1, 1, 0, 0))
    assert found == pytest.approx((share - reach, share + reach), abs=0.0006)
    low, high = interval_of_means(np.zeros(120), (1, -1))
    assert low == -high < -0.02  # rows that answer 120 images alike may still differ


@pytest.mark.parametrize(("first", "second"), [(40, 12), (30, 15), (25, 22), (12, 40)])
def test_a_difference_is_clear_where_mcnemar_says_so(first: int, second: int) -> None:
    hits = np.repeat([1.0, -1.0, 0.0], [first, second, 1000 - first - second])
    low, high = interval_of_means(hits, (1, -1))
    chance = stats.binomtest(first, first + second).pvalue
    assert (low > 0 or high < 0) == (chance < 0.05)
    assert abs(chance - 0.05) > 0.01  # the exact test and this one may differ nearer to it


def test_it_is_the_interval_of_a_bootstrap() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(0.3, 1, 500)
    drawn = values[rng.integers(0, 500, (4000, 500))].mean(1)
    assert interval_of_means(values) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])), abs=0.01)


def test_repeats_add_what_they_differ_by_beyond_the_noise_of_images() -> None:
    """An exact table: repeats shift all images alike, so nothing is left over."""
    image, repeat = np.linspace(0, 1, 50), np.array([-0.2, 0.0, 0.2])
    values = repeat[:, None] + image
    assert reach_of_repeats(values) == pytest.approx(student_quantile(2) * 0.2 / math.sqrt(3))
    assert reach_of_repeats(values[:1]) == 0
    assert reach_of_repeats(np.tile(image, (4, 1))) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("repeats", "between"), [(1, 0.0), (3, 0.0), (3, 0.02), (5, 0.01), (5, 0.05)])
def test_crossed_intervals_cover_95_percent(repeats: int, between: float) -> None:
    """Values are a repeat's, an image's and what is left: 1,500 tables of 400 images."""
    rng, trials, images, truth = np.random.default_rng(repeats), 1500, 400, 0.1
    covered = 0
    for _ in range(trials):
        values = truth + between * rng.normal(size=(repeats, 1)) + 0.3 * rng.normal(size=(1, images))
        values = values + 0.3 * rng.normal(size=(repeats, images))
        low, high = crossed_interval(values)
        covered += low <= truth <= high
    assert 0.93 <= covered / trials <= 0.97


def test_precision_of_resamples_is_that_of_copied_images() -> None:
    rng = np.random.default_rng(0)
    scores, truth = rng.normal(size=(40, 3)), rng.random((40, 3)) < 0.3
    scores[3, 0] = np.nan
    times = rng.multinomial(40, np.full(40, 1 / 40), 5).astype(float)
    found = resample_precision(scores, truth, times)

    def precision(score: np.ndarray, is_true: np.ndarray, counts: np.ndarray) -> float:
        order = sorted(range(40), key=lambda at: (-score[at] if score[at] == score[at] else math.inf, at))
        drawn = hits = total = 0.0
        for at in order:
            drawn, hits = drawn + counts[at], hits + counts[at] * is_true[at]
            total += counts[at] * is_true[at] * hits / max(drawn, 1)
        return total / hits

    expected = [np.mean([precision(scores[:, k], truth[:, k], each) for k in range(3)]) for each in times]
    assert found == pytest.approx(expected)
    assert np.isnan(resample_precision(scores, np.zeros_like(truth), times)).all()
