import math
import subprocess
import sys
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, bootstrap

from collab.errors import CollabError
from collab.metrics import intervals
from collab.metrics.intervals import bootstrap_interval, quantile_interval, resample_means, share_interval


def test_shares_follow_the_normal_approximation() -> None:
    values = np.repeat([1.0, 0.0], [700, 300])
    low, high = bootstrap_interval(values, np.random.default_rng(0), resamples=20_000)
    half = 1.96 * math.sqrt(0.7 * 0.3 / 1000)
    assert (low, high) == pytest.approx((0.7 - half, 0.7 + half), abs=0.003)


def test_measures_follow_the_normal_approximation() -> None:
    values = np.random.default_rng(1).normal(5, 2, 1000)
    low, high = bootstrap_interval(values, np.random.default_rng(0), resamples=5000, level=0.9)
    half = 1.645 * values.std() / math.sqrt(1000)
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.02)


def test_the_shortcut_for_shares_has_the_same_distribution() -> None:
    values = np.repeat([1.0, 0.0], [30, 70])
    short = bootstrap_interval(values, np.random.default_rng(0), resamples=20_000)
    long = bootstrap_interval(values * 2 + 3, np.random.default_rng(1), resamples=20_000)
    assert [(x - 3) / 2 for x in long] == pytest.approx(short, abs=0.0101)  # a step of the mean is .01


@pytest.mark.parametrize(
    ("truth", "draw"),
    [(1.0, lambda rng: rng.normal(1, 3, 60)), (0.4, lambda rng: (rng.random(60) < 0.4).astype(float))],
)
def test_intervals_cover_the_truth_about_as_often_as_they_say(
    truth: float, draw: Callable[[np.random.Generator], np.ndarray]
) -> None:
    rng = np.random.default_rng(2)
    covered = []
    for _ in range(400):
        low, high = bootstrap_interval(draw(rng), rng, resamples=300)
        covered.append(low <= truth <= high)
    assert 0.90 <= np.mean(covered) <= 0.98


@pytest.mark.parametrize("value", [0.0, 1.0, 0.37])
def test_equal_values_have_no_width(value: float) -> None:
    assert bootstrap_interval(np.full(20, value), np.random.default_rng(0)) == pytest.approx((value, value))


def test_a_longer_list_narrows_and_a_higher_level_widens() -> None:
    values = np.random.default_rng(4).random(4000)

    def width(count: int, level: float) -> float:
        low, high = bootstrap_interval(values[:count], np.random.default_rng(0), level=level)
        return high - low

    assert width(4000, 0.95) < width(400, 0.95) < width(400, 0.99)


def test_equal_generators_give_equal_intervals() -> None:
    for values in (np.random.default_rng(5).random(500), np.repeat([1.0, 0.0], 50)):
        first, again = (bootstrap_interval(values, np.random.default_rng(7)) for _ in range(2))
        assert first == again


def test_memory_is_bounded_whatever_the_number_of_values(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(6).random(300)
    drawn = []

    class Counting(np.random.Generator):
        def integers(self, low: int, high: int, size: tuple[int, int]) -> np.ndarray:
            drawn.append(size[0] * size[1])
            return super().integers(low, high, size)

    monkeypatch.setattr(intervals, "DRAWS_AT_ONCE", 1000)
    low, high = bootstrap_interval(values, Counting(np.random.PCG64(0)), resamples=1000)
    assert sum(drawn) == 300_000
    assert max(drawn) <= 1000
    assert low < values.mean() < high


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"),
    [(18, 18, 0.8241, 1.0), (0, 18, 0.0, 0.1759), (81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605)],
)
def test_a_share_has_wilsons_interval(hits: int, count: int, low: float, high: float) -> None:
    """The last two are examples of Newcombe (1998), Table I, method 3; of 18 of 18 the end is n / (n + z^2)."""
    assert share_interval(hits, count) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("level", [0.95, 0.9])
def test_a_share_has_the_interval_of_scipy_to_the_last_bit(level: float) -> None:
    for count in (1, 2, 7, 250, 1000, 4999):
        for hits in {0, 1, count // 3, count // 2, count - 1, count}:
            assert share_interval(hits, count, level) == tuple(binomtest(hits, count).proportion_ci(level, "wilson"))


def test_an_import_of_what_hosts_play_leaves_out_what_takes_long() -> None:
    code = "import sys, collab.runtime.host; print({'scipy.stats', 'matplotlib', 'sklearn'} & {*sys.modules})"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.strip() == "set()"


@given(st.integers(1, 5000).flatmap(lambda count: st.tuples(st.integers(0, count), st.just(count))))
def test_the_interval_of_a_share_holds_it_and_stays_between_nothing_and_all(found: tuple[int, int]) -> None:
    hits, count = found
    low, high = share_interval(hits, count)
    assert 0 <= low <= hits / count <= high <= 1
    assert low < high


@pytest.mark.parametrize(("count", "level"), [(0, 0.95), (5, 1.0)])
def test_no_share_is_refused(count: int, level: float) -> None:
    with pytest.raises(CollabError, match=f"{count} values"):
        share_interval(0, count, level)


@pytest.mark.parametrize(("count", "level"), [(0, 0.95), (5, 1.0), (5, 0.0)])
def test_nothing_to_cover_is_refused(count: int, level: float) -> None:
    with pytest.raises(CollabError, match=f"{count} values"):
        bootstrap_interval(np.zeros(count), np.random.default_rng(0), level=level)


def test_columns_of_an_image_stay_together() -> None:
    x = np.random.default_rng(1).random((30, 1))
    means = resample_means(np.hstack((x, 3 * x + 1)), np.random.default_rng(0), 200)
    np.testing.assert_allclose(means[:, 1], 3 * means[:, 0] + 1)
    assert means[:, 0].mean() == pytest.approx(x.mean(), abs=4 * x.std() / math.sqrt(30 * 200))
    assert means[:, 0].std() == pytest.approx(x.std() / math.sqrt(30), rel=0.2)


@pytest.mark.parametrize("quantile", [None, 0.5, 0.95])
@pytest.mark.parametrize("count", [2, 33, 700])
def test_intervals_are_those_of_scipy(count: int, quantile: float | None) -> None:
    values = np.random.default_rng(2).normal(5, 2, count)
    ours, theirs = np.random.default_rng(0), np.random.default_rng(0)
    if quantile is None:
        statistic, interval = np.mean, bootstrap_interval(values, ours, 500, 0.9)
    else:
        statistic, interval = partial(np.quantile, q=quantile), quantile_interval(values, quantile, ours, 500, 0.9)
    expected = bootstrap(
        (values,), statistic, n_resamples=500, confidence_level=0.9, method="percentile", vectorized=True, rng=theirs
    ).confidence_interval
    assert interval == pytest.approx(tuple(expected), rel=1e-12)
    assert interval[0] < interval[1]


@pytest.mark.parametrize("quantile", [0.0, 1.0])
def test_a_quantile_lies_between_nothing_and_all(quantile: float) -> None:
    with pytest.raises(CollabError, match=r"\(0, 1\)"):
        quantile_interval(np.zeros(5), quantile, np.random.default_rng(0))


def test_resampled_rows_are_bounded_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []

    class Counting(np.random.Generator):
        def integers(self, low: int, high: int, size: tuple[int, int]) -> np.ndarray:
            drawn.append(size[0] * size[1])
            return super().integers(low, high, size)

    monkeypatch.setattr(intervals, "DRAWS_AT_ONCE", 1000)
    resample_means(np.random.default_rng(5).random((300, 2)), Counting(np.random.PCG64(0)), 50)
    assert sum(drawn) == 50 * 300
    assert max(drawn) <= 500  # two columns
