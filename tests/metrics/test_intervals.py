import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab.errors import CollabError
from collab.metrics import intervals
from collab.metrics.intervals import bootstrap_interval, nested_interval, nested_means, share_interval


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


def test_nested_means_vary_by_seeds_and_by_images() -> None:
    rng = np.random.default_rng(0)
    values = [rng.normal(shift, width, (n, 1)) for shift, width, n in ((0, 1, 20), (1, 2, 50), (5, 1, 35), (2, 0.1, 7))]
    means = nested_means(values, rng, 40_000)[:, 0]
    within = np.mean([seed.var() / len(seed) for seed in values])
    between = np.var([seed.mean() for seed in values])
    assert means.mean() == pytest.approx(np.mean([seed.mean() for seed in values]), abs=0.02)
    assert means.var() == pytest.approx((between + within) / len(values), rel=0.03)
    assert between > 10 * within  # or the seeds would not matter above


def test_columns_of_an_image_stay_together() -> None:
    x = np.random.default_rng(1).random((30, 1))
    means = nested_means([np.hstack((x, 3 * x + 1)), np.hstack((x**2, 3 * x**2 + 1))], np.random.default_rng(0), 200)
    np.testing.assert_allclose(means[:, 1], 3 * means[:, 0] + 1)
    assert means[:, 0].std() > 0


def test_one_seed_gives_the_interval_over_its_images() -> None:
    values = np.random.default_rng(2).normal(5, 2, 400)
    nested = nested_interval([values], np.random.default_rng(0), resamples=20_000)
    assert nested == pytest.approx(bootstrap_interval(values, np.random.default_rng(1), resamples=20_000), abs=0.01)


def test_images_of_one_seed_do_not_stand_for_other_seeds() -> None:
    rng = np.random.default_rng(3)
    seeds = [rng.normal(shift, 0.1, 500) for shift in (0.0, 1.0, 2.0)]
    low, high = nested_interval(seeds, rng)
    pooled_low, pooled_high = bootstrap_interval(np.concatenate(seeds), rng)
    assert high - low > 8 * (pooled_high - pooled_low)


def test_nested_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(4)
    covered = []
    for _ in range(300):
        low, high = nested_interval([rng.normal(rng.normal(1, 0.5), 2, 30) for _ in range(20)], rng, resamples=200)
        covered.append(low <= 1 <= high)
    assert 0.88 <= np.mean(covered) <= 0.98


def test_nested_draws_are_bounded_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []

    class Counting(np.random.Generator):
        def integers(self, low: int, high: int, size: tuple[int, int]) -> np.ndarray:
            drawn.append(size[0] * size[1])
            return super().integers(low, high, size)

    monkeypatch.setattr(intervals, "DRAWS_AT_ONCE", 1000)
    nested_means([np.random.default_rng(5).random((300, 2))], Counting(np.random.PCG64(0)), 50)
    assert sum(drawn[1:]) == 50 * 300
    assert max(drawn[1:]) <= 500  # two columns


@pytest.mark.parametrize("seeds", [[], [np.zeros(3), np.zeros(0)]])
def test_a_seed_without_values_is_refused(seeds: list[np.ndarray]) -> None:
    with pytest.raises(CollabError, match="needs one seed"):
        nested_interval(seeds, np.random.default_rng(0))


def test_a_nested_interval_needs_a_level() -> None:
    with pytest.raises(CollabError, match=r"level 1\.0"):
        nested_interval([np.zeros(3)], np.random.default_rng(0), level=1.0)
