"""A lower bound of epsilon: what a canary proves of mechanisms that keep their word, and of one that does not."""

import math

import numpy as np
import pytest
import torch

from collab.defenses.public_gaussian import COUNT_WEIGHT, noisy_sums
from collab.errors import CollabError
from collab.metrics.audit import epsilon_lower_bound

EPSILON, DELTA, LENGTH, RUNS = 1.0, 1e-5, 2.0, 2000
NOISE = 3.7304
"""The analytic Gaussian mechanism of epsilon 1 and delta 1e-5; tests/test_guarantee.py puts it into the formula."""


def canary_scores(noise_multiplier: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """How far sums and counts of class 1 lie towards a canary, in runs with it and without it."""
    others, generator = torch.randn(20, 3, generator=torch.Generator().manual_seed(0)), torch.Generator()
    generator.manual_seed(seed)
    labels, weight = torch.arange(20) % 2, LENGTH * COUNT_WEIGHT
    canary = torch.tensor([[LENGTH, 0.0, 0.0]])
    deviation = noise_multiplier * math.hypot(LENGTH, weight)

    def score(rows: torch.Tensor, of: torch.Tensor) -> float:
        sums, counts = noisy_sums(rows, of, 2, weight, deviation, generator)
        return float(LENGTH * sums[1, 0] + weight**2 * counts[1])  # the likelihood ratio of both

    with_it = torch.cat([others, canary]), torch.cat([labels, torch.tensor([1])])
    runs = [(score(*with_it), score(others, labels)) for _ in range(RUNS)]
    return tuple(np.array(side) for side in zip(*runs, strict=True))  # type: ignore[return-value]


def test_a_canary_finds_less_than_what_is_stated_of_a_mechanism_that_keeps_its_word() -> None:
    members, others = canary_scores(NOISE, seed=1)
    assert 0 < epsilon_lower_bound(members, others, delta=DELTA) <= EPSILON


def test_a_canary_catches_a_mechanism_with_a_quarter_of_the_noise() -> None:
    members, others = canary_scores(NOISE / 4, seed=1)
    assert epsilon_lower_bound(members, others, delta=DELTA) > 1.2 * EPSILON


def test_equal_scores_prove_nothing_and_scores_apart_as_much_as_their_number_can() -> None:
    same = np.random.default_rng(0).normal(size=(2, 400))
    assert epsilon_lower_bound(*same, delta=DELTA) < 0.5
    bound = epsilon_lower_bound(np.ones(400), np.zeros(400), delta=0.0)
    rare = 1 - 0.025 ** (1 / 200)  # none of 200: the end of Clopper-Pearson in closed form
    assert bound == pytest.approx(math.log(0.025 ** (1 / 200) / rare))


def test_few_scores_and_nan_are_refused() -> None:
    with pytest.raises(CollabError, match="prove nothing"):
        epsilon_lower_bound(np.zeros(3), np.zeros(9), delta=0.0)
    with pytest.raises(CollabError, match="prove nothing"):
        epsilon_lower_bound(np.array([0, 0, 0, np.nan]), np.zeros(9), delta=0.0)
