"""The one rule: a region, a value and its interval."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab.results.table import Result
from collab.verdicts.judging import AT_LEAST, NOT_BELOW, Comparison, Found, Region, judge_family, subtract


def row(value: float | None, low: float | None = None, high: float | None = None, n: int = 100) -> Result:
    return Result("s", "7", "a1", None, None, "top1", value, low, high, n, 3)


def verdict(region: Region, value: float, low: float, high: float, *, is_points: bool = False) -> str:
    return Comparison("x", region, Found(value, low, high, 100, 0), is_points=is_points).verdict


AT_LEAST_HALF = Region(low=0.5)
ABOVE_ZERO = Region(low=0.0, is_strict=True)


@pytest.mark.parametrize(
    ("region", "value", "low", "high", "told"),
    [
        (AT_LEAST_HALF, 0.6, 0.55, 0.65, "holds"),
        (AT_LEAST_HALF, 0.52, 0.5, 0.54, "holds"),
        (AT_LEAST_HALF, 0.5, 0.4, 0.6, "undecided"),
        (AT_LEAST_HALF, 0.5 - 1e-9, 0.4, 0.5, "undecided"),
        (AT_LEAST_HALF, 0.49, 0.48, 0.5 - 1e-9, "off by 0.01"),  # by a hair: the interval ends just short of the bound
        (AT_LEAST_HALF, 0.5 - 1e-9, 0.5 - 1e-9, 0.5 - 1e-9, "off by 1e-09"),  # a number without interval is exact
        (AT_LEAST_HALF, 0.5, 0.5, 0.5, "holds"),
        (Region(high=0.5), 0.53, 0.5 + 1e-9, 0.56, "off by 0.03"),
        (Region(high=0.5), 0.53, 0.5, 0.56, "undecided"),
        (Region(0.57, 0.63), 0.60, 0.58, 0.62, "holds"),
        (Region(0.57, 0.63), 0.60, 0.57, 0.63, "holds"),
        (Region(0.57, 0.63), 0.60, 0.56, 0.62, "undecided"),  # equivalence is shown by the whole interval
        (Region(0.57, 0.63), 0.60, 0.50, 0.70, "undecided"),
        (Region(0.57, 0.63), 0.55, 0.54, 0.56, "off by 0.02"),
        (Region(0.57, 0.63), 0.66, 0.64, 0.68, "off by 0.03"),
        (ABOVE_ZERO, 0.02, 0.001, 0.03, "holds"),
        (ABOVE_ZERO, 0.02, 0.0, 0.03, "undecided"),
        (ABOVE_ZERO, 0.0, 0.0, 0.0, "undecided"),  # both rows are right on every image
        (ABOVE_ZERO, -0.01, -0.02, 0.001, "undecided"),
        (ABOVE_ZERO, -0.02, -0.03, -0.001, "off by 0.02"),
    ],
)
def test_a_verdict_follows_from_region_value_and_interval(
    region: Region, value: float, low: float, high: float, told: str
) -> None:
    assert verdict(region, value, low, high) == told


def test_differences_of_accuracies_are_off_by_points() -> None:
    assert verdict(ABOVE_ZERO, -0.021, -0.03, -0.01, is_points=True) == "off by 2.1 points"


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_what_is_no_number_is_not_measured(value: float | None) -> None:
    assert Found.of(row(value)) is None
    assert subtract(row(value), row(0.5)) is None
    due = Comparison("x", AT_LEAST_HALF, None, missing="no top1 of row 7")
    assert (due.verdict, due.has_failed) == ("not measured: no top1 of row 7", True)
    chosen = Comparison("x", AT_LEAST_HALF, None, missing="the scenario plays no row 7", is_due=False)
    assert not chosen.has_failed


def test_what_is_not_comparable_does_not_fail_however_far_off() -> None:
    made = Comparison("x", AT_LEAST_HALF, Found(0.1, 0.1, 0.1, 9, 0), incomparable="creatures")
    assert (made.verdict, made.has_failed) == ("not comparable: creatures", False)


@given(
    a=st.floats(0, 1), b=st.floats(0, 1), down=st.floats(0, 0.1), up=st.floats(0, 0.1), other=st.floats(0, 0.1)
)  # fmt: skip
def test_a_difference_turns_round_with_its_interval(a: float, b: float, down: float, up: float, other: float) -> None:
    first, second = row(a, a - down, a + up), row(b, b - other, b + other)
    there, back = subtract(first, second), subtract(second, first)
    assert there
    assert back
    assert (there.value, there.low, there.high) == pytest.approx((-back.value, -back.high, -back.low))
    exact = subtract(first, row(b))
    assert exact
    assert (exact.low, exact.high) == pytest.approx((a - down - b, a + up - b))


def test_equal_half_widths_add_in_squares_and_a_factor_scales_the_second() -> None:
    found = subtract(row(0.6, 0.57, 0.63), row(0.5, 0.46, 0.54, n=50), times=2)
    assert found
    assert (found.value, found.low, found.high) == pytest.approx(
        (-0.4, -0.4 - math.hypot(0.03, 0.08), -0.4 + math.hypot(0.03, 0.08))
    )
    assert (found.n, found.seed) == (50, 3)


def test_the_interval_of_independent_differences_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    n, reach = 1000, 1.96
    covered = 0
    for _ in range(400):
        a, b = (rng.binomial(n, share) / n for share in (0.6, 0.55))
        half = [reach * math.sqrt(x * (1 - x) / n) for x in (a, b)]
        found = subtract(row(a, a - half[0], a + half[0]), row(b, b - half[1], b + half[1]))
        assert found
        covered += found.low <= 0.05 <= found.high
    assert 0.92 < covered / 400 < 0.98


@given(value=st.floats(-0.05, 0.05), n=st.integers(10, 10_000), fewer=st.floats(0.05, 1))
def test_fewer_images_never_make_a_claim_hold(value: float, n: int, fewer: float) -> None:
    def told(count: float) -> str:
        reach = 0.5 / math.sqrt(count)
        return verdict(Region(-0.02, 0.02), value, value - reach, value + reach).partition(" ")[0]

    if told(n * fewer) == "holds":
        assert told(n) == "holds"
    if told(n * fewer) == "off":
        assert told(n) == "off"


def test_equal_rows_can_be_shown_equal_and_a_point_more_cannot() -> None:
    """Not below is by a point at most: half a point around 0 holds, an interval that reaches -1.1 is undecided."""
    assert verdict(NOT_BELOW, 0.0, -0.005, 0.005) == "holds"
    assert verdict(NOT_BELOW, -0.006, -0.011, -0.001) == "undecided"
    assert verdict(NOT_BELOW, -0.016, -0.021, -0.011) == "off by 0.006"


def compared(value: float, error: float = 0.01) -> Comparison:
    return Comparison("x", AT_LEAST, Found(value, value - 1.96 * error, value + 1.96 * error, 1000, 0))


def test_the_lines_of_a_claim_are_a_family_that_contradicts_as_rarely_as_one_line() -> None:
    slightly, clearly, fine = compared(-0.021), compared(-0.035), compared(0.05)
    assert [each.verdict for each in (slightly, clearly, fine)] == ["off by 0.021", "off by 0.035", "holds"]
    assert [each.verdict for each in judge_family([slightly])] == ["off by 0.021"]
    told = [each.verdict for each in judge_family([slightly, clearly, fine, compared(0.001)])]
    assert told == ["undecided", "off by 0.035", "holds", "undecided"]  # p = .018 is above .025 / 3


def test_a_claim_of_many_lines_is_wrongly_contradicted_as_seldom_as_one() -> None:
    rng = np.random.default_rng(0)
    alone = family = 0
    for _ in range(1000):  # ten true claims, each just at its bound
        lines = [compared(0.01 * error) for error in rng.normal(size=10)]
        alone += any(each.has_failed for each in lines)
        family += any(each.has_failed for each in judge_family(lines))
    assert family <= 40
    assert alone > 150
