"""The simulated client: what it breaks and what it may not, and what its decoder is told."""

import math

import pytest
import torch

from collab.attacks.simulated_client import SimulatedClient, beside_classes
from collab.metrics.priors import class_mean_prior
from collab.metrics.visual import ssim
from collab.training.loop import Recipe
from tests.attacks.test_suite import IMAGES, LABELS, ROWS, answer

ATTACK = SimulatedClient(2, 1.0, Recipe(1, 32, "adamw", 1e-3, schedule="one_cycle"))


@pytest.mark.parametrize(("defense", "is_broken"), [("D0", True), ("D1", True), ("D5", False), ("D6", False)])
def test_it_breaks_plain_rows_and_gains_and_nothing_where_there_is_nothing(defense: str, is_broken: bool) -> None:
    prior = ssim(class_mean_prior(IMAGES[:ROWS], LABELS[:ROWS]), IMAGES[:ROWS])
    gain = ssim(answer(ATTACK, defense, victim_defense=None), IMAGES[:ROWS]) - prior
    assert (float(gain.mean()) > 2 * float(gain.std()) / math.sqrt(ROWS)) == is_broken


def test_classes_stand_behind_the_features_as_channels_of_ones() -> None:
    features = torch.randn(3, 2, 2, 2)
    both = beside_classes(features, torch.tensor([1, 0, 1]), 2)
    assert torch.equal(both[:, :2], features)
    assert both[:, 2:, 0, 0].tolist() == [[0, 1], [1, 0], [0, 1]]
    assert torch.equal(both[:, 2:], both[:, 2:, :1, :1].expand(-1, -1, 2, 2))
    assert beside_classes(features, torch.tensor([1, 0, 1]), 0) is features
