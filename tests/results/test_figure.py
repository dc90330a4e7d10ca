"""Numbers with intervals: differences to the last bit as they were, means, comparisons and how they are printed."""

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from collab.results.figure import (
    Deviation,
    Figure,
    add_figures,
    average,
    average_groups,
    pool_deviations,
    reject_in_family,
)

NUMBERS = st.floats(-1e6, 1e6, allow_subnormal=False)
REACHES = st.floats(0, 1e3, allow_subnormal=False)


@st.composite
def figures(draw: st.DrawFn) -> Figure:
    value = draw(NUMBERS)
    return Figure(value, value - draw(REACHES), value + draw(REACHES), draw(st.integers(1, 1000)))


def newcombe(a: Figure, b: Figure) -> tuple[float, float, float]:
    """The difference as reports once computed it, of result rows."""
    assert a.low is not None and a.high is not None and b.low is not None and b.high is not None  # noqa: PT018
    value = a.value - b.value
    down = math.hypot(a.value - a.low, b.high - b.value)
    up = math.hypot(a.high - a.value, b.value - b.low)
    return value, value - down, value + up


def mover(terms: list[tuple[float, Figure]]) -> tuple[float, float, float]:
    """The sum of factors times figures as verdicts once computed it."""
    ends = [(factor * each.value, factor * (each.low or 0), factor * (each.high or 0)) for factor, each in terms]
    value = sum(middle for middle, _, _ in ends)
    below = math.hypot(*(middle - min(low, high) for middle, low, high in ends))
    above = math.hypot(*(max(low, high) - middle for middle, low, high in ends))
    return value, value - below, value + above


def ends(figure: Figure) -> tuple[float, float | None, float | None]:
    return figure.value, figure.low, figure.high


@given(figures(), figures())
def test_a_difference_is_that_of_both_former_formulas_to_the_last_bit(a: Figure, b: Figure) -> None:
    assert ends(a - b) == newcombe(a, b) == mover([(1.0, a), (-1.0, b)]) == ends(add_figures([a, -b]))


@given(st.lists(st.tuples(st.floats(-3, 3, allow_subnormal=False), figures()), min_size=1, max_size=5))
def test_a_sum_of_multiples_is_the_former_formula_to_the_last_bit(terms: list[tuple[float, Figure]]) -> None:
    assert ends(add_figures([factor * figure for factor, figure in terms])) == mover(terms)


@given(figures(), figures())
def test_a_difference_the_other_way_round_is_the_difference_turned_over(a: Figure, b: Figure) -> None:
    assert a - b == -(b - a)
    assert (a - b).direction == -(b - a).direction


@given(figures(), figures())
def test_the_interval_of_a_difference_is_as_wide_as_the_wider_and_no_wider_than_both(a: Figure, b: Figure) -> None:
    reach, one, other = (a - b).reach, a.reach, b.reach
    assert reach is not None and one is not None and other is not None  # noqa: PT018
    slack = 1e-9 * (1 + abs(a.value) + abs(b.value) + one + other)
    assert max(one, other) - slack <= reach <= one + other + slack


@given(figures(), figures())
def test_of_figures_apart_the_difference_is_above_zero(a: Figure, b: Figure) -> None:
    if a.is_above(b):
        assert (a - b).direction == 1
        assert not b.is_above(a)


def test_without_an_interval_nothing_is_clear() -> None:
    alone, known = Figure(9.0), Figure(1.0, 0.5, 1.5, 10)
    assert not alone.is_above(known)
    assert not alone.is_above(0.0)
    assert (alone - known) == Figure(8.0, n=10)
    assert (alone - known).direction == 0
    assert alone.reach is None


def test_a_difference_rests_on_the_fewer_images() -> None:
    assert (Figure(1.0, 0.9, 1.1, 120) - Figure(0.5, 0.4, 0.6, 30)).n == 30


@given(st.lists(NUMBERS, min_size=2, max_size=9))
def test_the_mean_of_numbers_has_students_interval(values: list[float]) -> None:
    mean, error = average(values), statistics.stdev(values) / math.sqrt(len(values))
    reach = -float(student.ppf(0.025, len(values) - 1)) * error
    middle = statistics.fmean(values)
    assert ends(mean) == pytest.approx((middle, middle - reach, middle + reach), rel=1e-9, abs=1e-6)
    assert mean.n == len(values)
    assert average(values[:1]) == Figure(values[0], n=1)


@given(st.lists(figures(), min_size=1, max_size=6))
def test_the_mean_of_groups_has_the_wider_of_students_interval_and_the_noise_of_images(groups: list[Figure]) -> None:
    values, count = [group.value for group in groups], len(groups)
    mean, between = sum(values) / count, 0.0
    if count > 1:
        deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / (count - 1))
        between = float(student.ppf(0.975, count - 1)) * deviation / math.sqrt(count)
    down, up = (
        math.hypot(*(((end or 0) - value) / count for end, value in zip(side, values, strict=True)))
        for side in ([group.low for group in groups], [group.high for group in groups])
    )
    found = average_groups(groups)
    expected = (mean, mean - max(down, between), mean + max(up, between))
    assert ends(found) == pytest.approx(expected, rel=1e-9, abs=1e-6)
    assert found.n == count
    shared = average_groups(groups, share_images=True)
    root = math.sqrt(count)
    expected = (mean, mean - math.hypot(root * down, between), mean + math.hypot(root * up, between))
    assert ends(shared) == pytest.approx(expected, rel=1e-9, abs=1e-6)


def test_several_places_tell_together_how_far_seeds_differ() -> None:
    assert pool_deviations([[1.0], [2.0]]) is None
    pairs = [[0.0, 2.0], [10.0, 12.0], [5.0, 7.0]]
    pooled = pool_deviations(pairs)
    assert pooled == Deviation(pytest.approx(math.sqrt(2)), 3)
    alone, together = (
        average_groups([Figure(value, value, value) for value in pairs[0]], deviation) for deviation in (None, pooled)
    )
    assert alone.reach == pytest.approx(12.7062 * math.sqrt(2) / math.sqrt(2), rel=1e-4)
    assert together.reach == pytest.approx(3.1824, rel=1e-4)


@given(st.floats(-3, 3), st.floats(0.1, 2), st.sampled_from([1, 2, 5, math.inf]))
def test_a_chance_is_that_of_students_test(value: float, error: float, freedom: float) -> None:
    reach = float(student.ppf(0.975, min(freedom, 1e9))) * error
    figure = Figure(value, value - reach, value + reach, freedom=freedom)
    expected = float(student.sf((value - 0.5) / error, min(freedom, 1e9)))
    assert figure.chance_above(0.5) == pytest.approx(expected, rel=1e-6, abs=1e-12)
    assert figure.chance_above(value - reach) == pytest.approx(0.025)
    assert (Figure(1.0).chance_above(0.0), Figure(1.0, 1.0, 1.0).chance_above(0.0)) == (1.0, 0.0)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.001, 0.2))
def test_a_family_rejects_as_holm_says(chances: list[float], level: float) -> None:
    """By adjusted p-values, which Holm's paper does not need: max over j <= i of (m - j + 1) p_(j)."""
    rejected, order = reject_in_family(chances, level), sorted(range(len(chances)), key=lambda at: chances[at])
    highest = 0.0
    for rank, at in enumerate(order):
        highest = max(highest, (len(chances) - rank) * chances[at])
        if abs(highest - level) > 1e-12:
            assert rejected[at] == (highest <= level)


@given(st.lists(NUMBERS, min_size=2, max_size=6))
def test_groups_without_errors_of_their_own_have_students_interval(values: list[float]) -> None:
    exact = [Figure(value, value, value) for value in values]
    assert ends(average_groups(exact)) == pytest.approx(ends(average(values)), rel=1e-9, abs=1e-9)


def test_how_figures_are_printed() -> None:
    figure = Figure(0.7142, 0.7022, 0.7262, 100)
    assert figure.format(100, 1) == "71.4 ±1.2"
    assert figure.format() == "0.714 ±0.012"
    assert figure.format(100, 1, sign="+") == "+71.4 ±1.2"
    assert str(figure) == "0.71 [0.70, 0.73]"
    assert Figure(0.5).format() == "0.500"
    assert str(Figure(0.5)) == "0.50"
    assert Figure(0.9, 0.7, 1.2).within(0.0, 1.0) == Figure(0.9, 0.7, 1.0)
