import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab.errors import CollabError
from collab.metrics.leakage import Leakage, normalized_leakage, spread

Scores = list[np.ndarray]


def scored(seeds: int = 3, n: int = 200, noise: float = 0.05) -> tuple[Scores, Scores, Scores]:
    """Attack, open and prior whose means lie at .4, .9 and .1; what makes an image hard is common to all three."""
    rng = np.random.default_rng(0)
    hard = [rng.normal(0, 0.3, n) for _ in range(seeds)]
    attack, opened, prior = ([base + part + rng.normal(0, noise, n) for part in hard] for base in (0.4, 0.9, 0.1))
    return attack, opened, prior


def leakage(attack: Scores, opened: Scores, prior: Scores, seed: int = 0, **options: float) -> Leakage:
    found = normalized_leakage(
        attack, opened, prior, np.random.default_rng(seed), **{"higher_discloses": True, **options}
    )  # type: ignore[arg-type]
    assert found is not None
    return found


def test_leakage_is_the_part_of_the_way_from_prior_to_open() -> None:
    attack, opened, prior = scored()
    m, m_open, m_prior = (np.concatenate(each).mean() for each in (attack, opened, prior))
    found = leakage(attack, opened, prior)
    assert found.value == pytest.approx((m - m_prior) / (m_open - m_prior))
    assert found.low < found.value < found.high


def test_the_prior_leaks_nothing_and_plain_features_leak_all() -> None:
    _, opened, prior = scored()
    assert leakage(prior, opened, prior) == Leakage(0.0, 0.0, 0.0)
    assert leakage(opened, opened, prior) == Leakage(1.0, 1.0, 1.0)


def test_leakage_is_not_clipped() -> None:
    attack, opened, prior = scored()
    assert leakage(opened, attack, prior).value > 2
    assert leakage([p - 0.4 for p in prior], opened, prior).value == pytest.approx(-0.5, abs=0.01)


@given(gain=st.floats(-50, 50).filter(lambda x: abs(x) > 0.01), offset=st.floats(-5, 5))
def test_leakage_has_no_unit_and_its_metric_may_rise_or_fall_with_disclosure(gain: float, offset: float) -> None:
    plain = scored(seeds=2, n=20)
    changed = leakage(*([gain * seed + offset for seed in each] for each in plain), higher_discloses=gain > 0)
    np.testing.assert_allclose(
        [changed.value, changed.low, changed.high],
        [leakage(*plain).value, leakage(*plain).low, leakage(*plain).high],
        rtol=1e-6,
        atol=1e-9,
    )


def test_the_interval_follows_the_delta_method() -> None:
    attack, opened, prior = scored(seeds=1, n=400)
    found = leakage(attack, opened, prior, resamples=20_000)
    scale = (opened[0] - prior[0]).mean()
    half = 1.96 * (attack[0] - prior[0] - found.value * (opened[0] - prior[0])).std() / scale / math.sqrt(400)
    assert (found.low, found.high) == pytest.approx((found.value - half, found.value + half), abs=half / 20)


def test_pairs_narrow_the_interval() -> None:
    attack, opened, prior = scored(seeds=1)
    shuffled = [np.random.default_rng(1).permutation(attack[0])]
    paired, loose = leakage(attack, opened, prior), leakage(shuffled, opened, prior)
    assert loose.value == pytest.approx(paired.value)
    assert loose.high - loose.low > 3 * (paired.high - paired.low)


def test_seeds_that_differ_widen_the_interval() -> None:
    attack, opened, prior = scored()
    apart = [seed + shift for seed, shift in zip(attack, (-0.2, 0.0, 0.2), strict=True)]
    wide, narrow = leakage(apart, opened, prior), leakage(attack, opened, prior)
    assert wide.value == pytest.approx(narrow.value)
    assert wide.high - wide.low > 5 * (narrow.high - narrow.low)


@pytest.mark.parametrize(("shift", "is_defined"), [(0.0, False), (0.01, False), (0.2, True), (-0.2, False)])
def test_leakage_is_undefined_where_open_discloses_no_more_than_the_prior(shift: float, is_defined: bool) -> None:
    attack, _, prior = scored(n=50)
    rng = np.random.default_rng(2)
    opened = [seed + shift + rng.normal(0, 0.3, 50) for seed in prior]
    for rises in (True, False):
        scores = [[seed if rises else -seed for seed in each] for each in (attack, opened, prior)]
        found = normalized_leakage(*scores, np.random.default_rng(0), higher_discloses=rises)
        assert (found is not None) == is_defined


def test_equal_open_and_prior_are_undefined() -> None:
    attack, _, prior = scored()
    assert normalized_leakage(attack, prior, prior, np.random.default_rng(0), higher_discloses=True) is None


def test_resamples_without_the_sign_of_the_scale_have_no_say() -> None:
    attack, prior = [np.full(6, 0.5)], [np.zeros(6)]
    opened = [np.array([1.0, 1.0, 1.0, 1.0, 1.0, -1.0])]  # 5 % of the resamples have a mean of 0, 1 % one below
    found = leakage(attack, opened, prior, level=0.8)
    assert found.value == pytest.approx(0.75)
    assert (found.low, found.high) == pytest.approx((0.5, 1.5))  # no, or two, of the -1


def test_scores_of_other_images_are_refused() -> None:
    attack, opened, prior = scored()
    for wrong in ((attack[:2], opened, prior), (attack, [seed[1:] for seed in opened], prior), (attack, opened, [])):
        with pytest.raises(CollabError, match="same images"):
            normalized_leakage(*wrong, np.random.default_rng(0), higher_discloses=True)
    attack[1][7] = np.nan
    with pytest.raises(CollabError, match="finite"):
        normalized_leakage(attack, opened, prior, np.random.default_rng(0), higher_discloses=True)
    with pytest.raises(CollabError, match="level"):
        normalized_leakage(opened, opened, prior, np.random.default_rng(0), level=0.0, higher_discloses=True)
    with pytest.raises(CollabError, match="one seed"):
        normalized_leakage([], [], [], np.random.default_rng(0), higher_discloses=True)


def test_spread_of_a_ladder_has_a_closed_form() -> None:
    ladder = np.random.default_rng(0).permutation(np.arange(101)) / 100
    found = spread(ladder, higher_discloses=True)
    expected = (0.5, 0.5, 0.95, 0.99, 1.0, 50 / 101, 101)
    assert tuple(vars(found).values()) == pytest.approx(expected)


def test_spread_of_a_falling_score_looks_at_its_low_end() -> None:
    scores = np.random.default_rng(1).gamma(2, size=333)
    up, down = (
        spread(scores, higher_discloses=True, threshold=1.0),
        spread(-scores, higher_discloses=False, threshold=-1.0),
    )
    assert (down.mean, down.median, down.p95, down.p99, down.worst) == (
        -up.mean,
        -up.median,
        -up.p95,
        -up.p99,
        -up.worst,
    )
    assert (down.share, down.n) == (up.share, up.n)
    assert spread(scores, higher_discloses=False).worst == scores.min() < up.median < up.p95 < up.p99 < up.worst


def test_share_at_rank_one() -> None:
    assert spread(np.array([1.0, 1.5, 2.0, 1.0]), higher_discloses=False, threshold=1.5).share == 0.5


def test_fp32_scores_keep_their_values() -> None:
    scores = np.full(100_000, 0.1, np.float32)
    assert spread(scores, higher_discloses=True).mean == float(np.float32(0.1))


@pytest.mark.parametrize("scores", [np.zeros(0), np.array([0.1, np.nan])])
def test_a_spread_needs_numbers(scores: np.ndarray) -> None:
    with pytest.raises(CollabError, match=f"{len(scores)} scores"):
        spread(scores, higher_discloses=True)
