import math
from collections.abc import Callable

import numpy as np
import pytest

from collab.errors import CollabError
from collab.metrics import intervals
from collab.metrics.intervals import bootstrap_interval


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


@pytest.mark.parametrize(("count", "level"), [(0, 0.95), (5, 1.0), (5, 0.0)])
def test_nothing_to_cover_is_refused(count: int, level: float) -> None:
    with pytest.raises(CollabError, match=f"{count} values"):
        bootstrap_interval(np.zeros(count), np.random.default_rng(0), level=level)
