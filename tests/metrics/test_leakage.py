import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab.errors import CollabError
from collab.metrics.leakage import Leakage, normalized_leakage


def scored(n: int = 600, noise: float = 0.05) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Attack, open and prior whose means lie at .4, .9 and .1; what makes an image hard is common to all three."""
    rng = np.random.default_rng(0)
    hard = rng.normal(0, 0.3, n)
    attack, opened, prior = (base + hard + rng.normal(0, noise, n) for base in (0.4, 0.9, 0.1))
    return attack, opened, prior


def leakage(attack: np.ndarray, opened: np.ndarray, prior: np.ndarray, seed: int = 0, **options: float) -> Leakage:
    found = normalized_leakage(
        attack, opened, prior, np.random.default_rng(seed), **{"higher_discloses": True, **options}
    )  # type: ignore[arg-type]
    assert found is not None
    return found


def test_leakage_is_the_part_of_the_way_from_prior_to_open() -> None:
    attack, opened, prior = scored()
    m, m_open, m_prior = (scores.mean() for scores in (attack, opened, prior))
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
    assert leakage(prior - 0.4, opened, prior).value == pytest.approx(-0.5, abs=0.01)


@given(gain=st.floats(-50, 50).filter(lambda x: abs(x) > 0.01), offset=st.floats(-5, 5))
def test_leakage_has_no_unit_and_its_metric_may_rise_or_fall_with_disclosure(gain: float, offset: float) -> None:
    plain = scored(n=20)
    changed = leakage(*(gain * scores + offset for scores in plain), higher_discloses=gain > 0)
    np.testing.assert_allclose(
        [changed.value, changed.low, changed.high],
        [leakage(*plain).value, leakage(*plain).low, leakage(*plain).high],
        rtol=1e-6,
        atol=1e-9,
    )


def test_the_interval_follows_the_delta_method() -> None:
    attack, opened, prior = scored(n=400)
    found = leakage(attack, opened, prior, resamples=20_000)
    scale = (opened - prior).mean()
    half = 1.96 * (attack - prior - found.value * (opened - prior)).std() / scale / math.sqrt(400)
    assert (found.low, found.high) == pytest.approx((found.value - half, found.value + half), abs=half / 20)


def test_pairs_narrow_the_interval() -> None:
    attack, opened, prior = scored()
    shuffled = np.random.default_rng(1).permutation(attack)
    paired, loose = leakage(attack, opened, prior), leakage(shuffled, opened, prior)
    assert loose.value == pytest.approx(paired.value)
    assert loose.high - loose.low > 3 * (paired.high - paired.low)


@pytest.mark.parametrize(("shift", "is_defined"), [(0.0, False), (0.01, False), (0.2, True), (-0.2, False)])
def test_leakage_is_undefined_where_open_discloses_no_more_than_the_prior(shift: float, is_defined: bool) -> None:
    attack, _, prior = scored(n=150)
    rng = np.random.default_rng(2)
    opened = prior + shift + rng.normal(0, 0.3, 150)
    for rises in (True, False):
        scores = [each if rises else -each for each in (attack, opened, prior)]
        found = normalized_leakage(*scores, np.random.default_rng(0), higher_discloses=rises)
        assert (found is not None) == is_defined


def test_equal_open_and_prior_are_undefined() -> None:
    attack, _, prior = scored()
    assert normalized_leakage(attack, prior, prior, np.random.default_rng(0), higher_discloses=True) is None


def test_resamples_without_the_sign_of_the_scale_have_no_say() -> None:
    attack, prior = np.full(6, 0.5), np.zeros(6)
    opened = np.array([1.0, 1.0, 1.0, 1.0, 1.0, -1.0])  # 5 % of the resamples have a mean of 0, 1 % one below
    found = leakage(attack, opened, prior, level=0.8)
    assert found.value == pytest.approx(0.75)
    assert (found.low, found.high) == pytest.approx((0.5, 1.5))  # no, or two, of the -1


def test_scores_of_other_images_are_refused() -> None:
    attack, opened, prior = scored()
    for wrong in ((attack[:2], opened, prior), (attack, opened[1:], prior), (attack, opened, np.zeros(0))):
        with pytest.raises(CollabError, match="same images"):
            normalized_leakage(*wrong, np.random.default_rng(0), higher_discloses=True)
    attack[7] = np.nan
    with pytest.raises(CollabError, match="finite"):
        normalized_leakage(attack, opened, prior, np.random.default_rng(0), higher_discloses=True)
    with pytest.raises(CollabError, match="level"):
        normalized_leakage(opened, opened, prior, np.random.default_rng(0), level=0.0, higher_discloses=True)
    with pytest.raises(CollabError, match="0 values"):
        normalized_leakage(np.zeros(0), np.zeros(0), np.zeros(0), np.random.default_rng(0), higher_discloses=True)
