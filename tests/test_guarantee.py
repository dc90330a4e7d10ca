"""Noise that the accountant says, put into other formulas that are written here."""

import math
import sys

import pytest

from collab.errors import ResourceError
from collab.guarantee import OF_UNIT, OUTSIDE, Guarantee, gaussian_noise, list_outside, sampled_epsilon, sampled_noise
from tests.metrics.test_audit import NOISE

pytest.importorskip("dp_accounting")

DELTA = 1e-5


def normal(x: float) -> float:
    return math.erfc(-x / math.sqrt(2)) / 2


def delta_of(noise: float, epsilon: float) -> float:
    """Theorem 8 of Balle and Wang (ICML 2018), of sensitivity 1."""
    return normal(1 / (2 * noise) - epsilon * noise) - math.exp(epsilon) * normal(-1 / (2 * noise) - epsilon * noise)


@pytest.mark.parametrize("epsilon", [0.5, 1.0, 3.0, 8.0])
def test_noise_of_one_mechanism_is_the_least_by_the_analytic_formula(epsilon: float) -> None:
    noise = gaussian_noise(epsilon, DELTA)
    assert delta_of(noise, epsilon) == pytest.approx(DELTA, rel=1e-3)
    assert delta_of(0.99 * noise, epsilon) > DELTA


def test_the_noise_that_canaries_are_played_with_is_that_of_epsilon_1() -> None:
    assert gaussian_noise(1.0, DELTA) == pytest.approx(NOISE, abs=1e-3)


def test_without_sampling_steps_are_one_mechanism_of_their_root() -> None:
    steps, epsilon = 16, 2.0
    noise = sampled_noise(epsilon, DELTA, sampling_rate=1.0, steps=steps)
    assert noise == pytest.approx(math.sqrt(steps) * gaussian_noise(epsilon, DELTA), rel=0.01)


def renyi_epsilon(noise: float, rate: float, steps: int) -> float:
    """Of Mironov, Talwar and Zhang (2019) for whole orders, turned by Proposition 12 of Canonne et al. (2020)."""
    bounds = []
    for order in range(2, 41):
        terms = (
            math.comb(order, k) * (1 - rate) ** (order - k) * rate**k * math.exp(k * (k - 1) / (2 * noise**2))
            for k in range(order + 1)
        )
        renyi = steps * math.log(sum(terms)) / (order - 1)
        bounds.append(renyi + math.log1p(-1 / order) - math.log(DELTA * order) / (order - 1))
    return min(bounds)


def test_epsilon_of_sampled_steps_is_a_little_below_the_bound_by_renyi_divergence() -> None:
    noise, rate, steps = 1.1, 0.05, 200
    found, bound = sampled_epsilon(noise, DELTA, sampling_rate=rate, steps=steps), renyi_epsilon(noise, rate, steps)
    assert 0.8 * bound < found <= bound


def test_noise_for_sampled_steps_gives_the_epsilon_that_was_asked() -> None:
    noise = sampled_noise(4.0, DELTA, sampling_rate=0.1, steps=50)
    assert sampled_epsilon(noise, DELTA, sampling_rate=0.1, steps=50) == pytest.approx(4.0, rel=0.01)
    assert sampled_epsilon(noise, DELTA, sampling_rate=0.1, steps=50) <= 4.0


def test_without_the_accountant_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dp_accounting", None)
    with pytest.raises(ResourceError, match=r"pip install 'collab\[dp\]'"):
        gaussian_noise(1.0, DELTA)


def test_what_lies_outside_names_the_number_of_images_where_steps_are_sampled() -> None:
    once = Guarantee("m", "image", 1.0, DELTA, 1.0, 1.0)
    sampled = Guarantee("m", "image", 1.0, DELTA, 1.0, 1.0, steps=9, sampling_rate=0.1)
    assert list_outside(once) == (*OUTSIDE, OF_UNIT["image"])
    assert "number of own images" in list_outside(sampled)[-1]
