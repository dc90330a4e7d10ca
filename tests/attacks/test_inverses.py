"""What attacks may train: a U-Net, a new inverse in the place of R, and by a loss that looks through F."""

import math

import pytest
import torch
from torch import Tensor, nn

from collab.attacks.base import Attack
from collab.attacks.inversion import Loss, Mended, build_inverse
from collab.attacks.leaked_module import LeakedModule
from collab.attacks.simulated_client import SimulatedClient
from collab.attacks.unseen_reconstructor import UnseenReconstructor
from collab.metrics.priors import class_mean_prior
from collab.metrics.visual import ssim
from collab.models.unet import FeatureUNet
from collab.training.loop import Recipe
from collab.training.losses import inversion_loss, perceptual_loss
from tests.attacks.test_suite import (
    COMPUTE,
    FEATURES,
    IMAGES,
    LABELS,
    ROWS,
    Fold,
    answer,
    gained,
    known_to,
)

RECIPE = Recipe(8, 32, "adamw", 4e-3, schedule="one_cycle")
NO_VICTIM = {"victim_defense": None}


def breaks(attack: Attack, defense: str, **more: object) -> bool:
    prior = ssim(class_mean_prior(IMAGES[:ROWS], LABELS[:ROWS]), IMAGES[:ROWS])
    gain = ssim(answer(attack, defense, **more), IMAGES[:ROWS]) - prior
    return float(gain.mean()) > 2 * float(gain.std()) / math.sqrt(ROWS)


@pytest.mark.parametrize("weight", [0.0, 0.1])
def test_a_unet_inverts_f_and_shows_nothing_where_there_is_nothing(weight: float) -> None:
    attack = UnseenReconstructor("unet", RECIPE, perceptual_weight=weight)
    assert {name: breaks(attack, name) for name in ("D0", "D5", "D6")} == {"D0": True, "D5": False, "D6": False}


def test_a_unet_inverts_a_module_that_has_leaked() -> None:
    attack, encode = LeakedModule("unet", RECIPE), nn.Sequential(Fold())
    assert breaks(attack, "D1", victim_encoder=lambda images: gained(encode(images)))
    assert not breaks(attack, "D6", victim_encoder=lambda images: gained(encode(images)))


def test_a_simulated_client_may_train_a_unet() -> None:
    attack = SimulatedClient(2, 1.0, Recipe(6, 32, "adamw", 4e-3, schedule="one_cycle"), "unet")
    assert {name: breaks(attack, name, **NO_VICTIM) for name in ("D0", "D6")} == {"D0": True, "D6": False}


def test_an_inverse_is_r_behind_blocks_that_mend_or_a_new_one() -> None:
    known = known_to(SimulatedClient(1, 1.0, RECIPE), FEATURES, **NO_VICTIM)
    mended, new = build_inverse(known, None), build_inverse(known, "unet", 3)
    assert isinstance(mended, Mended)
    assert any(isinstance(part, FeatureUNet) for part in new.modules())
    assert new(torch.rand(2, FEATURES.shape[1] + 3, 8, 8)).shape == (2, 3, 16, 16)


def test_a_perceptual_loss_of_equal_features_is_zero_and_of_their_means_one() -> None:
    features = torch.randn(16, 4, 6, 6) * torch.tensor([1.0, 2.0, 5.0, 9.0]).view(-1, 1, 1) + 3
    assert perceptual_loss(features, features) == 0
    features = (features - features.mean((0, 2, 3), keepdim=True)) / features.std((0, 2, 3), correction=0, keepdim=True)
    means = features.mean((0, 2, 3), keepdim=True).expand_as(features)
    torch.testing.assert_close(perceptual_loss(means, features), torch.tensor(1 / 1.01))  # channels of one variance


def test_no_channel_counts_for_its_gain_or_offset_unless_it_hardly_varies() -> None:
    features, rebuilt = torch.randn(16, 3, 6, 6), torch.randn(16, 3, 6, 6)
    plain = perceptual_loss(rebuilt, features)
    torch.testing.assert_close(perceptual_loss(7 * rebuilt + 2, 7 * features + 2), plain)
    gains = torch.tensor([0.5, 1.0, 2.0]).view(-1, 1, 1)
    assert abs(perceptual_loss(gains * rebuilt, gains * features) / plain - 1) < 0.05
    still = torch.tensor([0.0, 1.0, 1.0]).view(-1, 1, 1)
    assert perceptual_loss(rebuilt, still * features).isfinite()


class Counted(nn.Module):
    """F, and how many images it has been shown."""

    def __init__(self) -> None:
        super().__init__()
        self.seen, self.fold = 0, Fold()

    def forward(self, images: Tensor) -> Tensor:
        self.seen += len(images)
        shown: Tensor = self.fold(images)
        return shown


def loss_of(weight: float, featurizer: nn.Module) -> Loss:
    attack = UnseenReconstructor("px2s2", RECIPE, perceptual_weight=weight)
    return attack.loss(inversion_loss, known_to(attack, FEATURES, featurizer=featurizer), COMPUTE)


def test_the_loss_adds_what_f_sees_and_by_default_nothing_at_all() -> None:
    featurizer = Counted()
    assert loss_of(0.0, featurizer) is inversion_loss
    loss = loss_of(0.5, featurizer)
    rebuilt = (IMAGES[:8] * 0.9).requires_grad_(True)
    value = loss(rebuilt, IMAGES[:8])
    expected = inversion_loss(rebuilt, IMAGES[:8]) + 0.5 * perceptual_loss(Fold()(rebuilt), Fold()(IMAGES[:8]))
    torch.testing.assert_close(value, expected)
    assert featurizer.seen == 16
    value.backward()
    assert rebuilt.grad is not None


def test_trained_by_it_a_network_shows_what_f_sees_as_the_truth() -> None:
    """By pixels alone F of what is shown is farther from F of the truth."""
    short = Recipe(3, 32, "adamw", 2e-3, schedule="one_cycle")
    far = [
        float(
            perceptual_loss(
                Fold()(answer(UnseenReconstructor("px2s2", short, perceptual_weight=weight), "D0")), FEATURES[:ROWS]
            )
        )
        for weight in (0.0, 1.0)
    ]
    assert far[1] < far[0]


def test_it_asks_for_f_where_it_looks_through_it() -> None:
    assert "featurizer" not in LeakedModule("unet", RECIPE).asks_for
    assert "featurizer" in LeakedModule("unet", RECIPE, perceptual_weight=0.1).asks_for
