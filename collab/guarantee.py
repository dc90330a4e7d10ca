"""Differential privacy as a fact that travels: of which mechanism, how much, and what lies outside of it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from collab.errors import ResourceError


@dataclass(frozen=True)
class Guarantee:
    """What holds of all that an entity has published by one mechanism, whoever looks at it and whatever else they know.

    (ε, δ)-differential privacy of a `unit` that is added or removed: P[M(D) ∈ S] <= e^ε P[M(D') ∈ S] + δ. `sensitivity`
    is how far one unit moves what is summed (L2), `noise_multiplier` the deviation of the Gaussian noise in
    sensitivities. Noise is added in each of `steps`, to a sum over a random `sampling_rate` of the units.
    """

    mechanism: str
    unit: str
    epsilon: float
    delta: float
    sensitivity: float
    noise_multiplier: float
    steps: int = 1
    sampling_rate: float = 1.0


OUTSIDE = (
    "the release of F, C and R, which whoever pre-trains makes without noise",
    "options that were chosen by looking at these images",
    "figures that the simulator reports of own images",
    "noise in floating-point numbers (Mironov 2012)",
    "noise drawn from the seed of the scenario, for whoever knows it",
)
"""What no guarantee here covers."""

OF_UNIT = {
    "image": "further images of the same person: the unit is one image",
    "identity": "images of one person whom the source takes for two",
}
"""What the unit leaves out."""


def list_outside(guarantee: Guarantee) -> tuple[str, ...]:
    """What lies outside of a guarantee; of sampled steps their number follows from that of own units."""
    units = "images" if guarantee.unit == "image" else "people"
    sampled = [f"the number of own {units}, which is taken for public"] if guarantee.sampling_rate < 1 else []
    return (*OUTSIDE, *filter(None, [OF_UNIT.get(guarantee.unit)]), *sampled)


def gaussian_noise(epsilon: float, delta: float) -> float:
    """The least noise multiplier of one Gaussian mechanism with that ε and δ (Balle and Wang, ICML 2018).

    Raises ResourceError without the extra `dp`.
    """
    return float(_accounting().get_sigma_gaussian(epsilon, delta))


@cache
def sampled_noise(epsilon: float, delta: float, *, sampling_rate: float, steps: int) -> float:
    """The least noise multiplier of `steps` Gaussian mechanisms on Poisson samples, by privacy loss distributions.

    Rounded up to a thousandth. Raises ResourceError without the extra `dp`.
    """
    noise = _accounting().calibrate_dp_mechanism(_accountant, _sampled(sampling_rate, steps), epsilon, delta, tol=1e-3)
    return float(noise)


def sampled_epsilon(noise_multiplier: float, delta: float, *, sampling_rate: float, steps: int) -> float:
    """The ε of the same mechanism with that noise."""
    return float(_accountant().compose(_sampled(sampling_rate, steps)(noise_multiplier)).get_epsilon(delta))


def _accountant() -> Any:
    return _accounting().pld.PLDAccountant(value_discretization_interval=1e-3)


def _sampled(sampling_rate: float, steps: int) -> Callable[[float], Any]:
    dp = _accounting()
    return lambda noise: dp.SelfComposedDpEvent(
        dp.PoissonSampledDpEvent(sampling_rate, dp.GaussianDpEvent(noise)), steps
    )


def _accounting() -> Any:
    try:
        import dp_accounting
        import dp_accounting.pld
    except ImportError as error:
        raise ResourceError(
            "`dp` asks for noise that an accountant has to say, and dp-accounting is not installed. "
            "Install it: pip install 'collab[dp]'."
        ) from error
    return dp_accounting
