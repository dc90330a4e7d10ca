import math

import pytest
import torch
from torch import nn

from collab.seeding import Stream
from collab.training.adversarial import (
    Game,
    adversary_turns,
    deception_loss,
    decoder_loss,
    discernment,
    feature_attack_loss,
    perceptual_distance,
    pixel_distance,
    protector_loss,
    protector_turn,
)
from collab.training.loop import Recipe, Turn, take_turns
from collab.training.losses import attribute_loss
from collab.training.precision import resolve_compute
from collab.training.progress import Progress
from tests.digests import state_digest

IMAGES = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
TARGETS = (torch.rand(4, 2, generator=torch.Generator().manual_seed(1)) < 0.5).float()


def test_distances_of_a_constant_shift_are_its_square() -> None:
    torch.testing.assert_close(pixel_distance(IMAGES + 0.5, IMAGES), torch.tensor(0.25))
    layers = [IMAGES, IMAGES[:, :1]]
    shifted = [layers[0] + 1, layers[1] - 2]
    torch.testing.assert_close(perceptual_distance(shifted, layers), torch.tensor(5.0))
    torch.testing.assert_close(feature_attack_loss(torch.ones(3, 2), torch.zeros(3, 2)), torch.tensor(1.0))


def test_the_discriminators_equations_against_their_logarithms() -> None:
    real, fooled = torch.tensor([[2.0], [-1.0]]), torch.tensor([[0.5], [-3.0]])
    d = torch.sigmoid
    torch.testing.assert_close(deception_loss(fooled), (1 - d(fooled)).log().mean())
    torch.testing.assert_close(discernment(real, fooled), d(real).log().mean() + (1 - d(fooled)).log().mean())
    torch.testing.assert_close(discernment(torch.zeros(2, 1), torch.zeros(2, 1)), torch.tensor(-2 * math.log(2)))


def test_a_decoder_lowers_2_by_deceiving_and_a_discriminator_raises_3_by_telling_apart() -> None:
    sure_of_real = torch.full((2, 1), 4.0)
    assert deception_loss(sure_of_real) < deception_loss(-sure_of_real)
    assert discernment(sure_of_real, -sure_of_real) > discernment(-sure_of_real, sure_of_real)
    assert discernment(sure_of_real, -sure_of_real) <= 0


def test_the_sums_5_and_9() -> None:
    a, b, c = (torch.tensor(value) for value in (0.25, 3.0, -0.5))
    assert decoder_loss(a, b, c, perceptual_weight=2.0, gan_weight=4.0).item() == 0.25 + 6 - 2
    assert protector_loss(a, b, c, pixel_weight=2.0, perceptual_weight=4.0).item() == 0.25 - 6 + 2


@pytest.mark.parametrize("beta", [0.5, 1.0, 4.0])
def test_9_is_the_information_objective_13_with_weights_one_over_beta(beta: float) -> None:
    """Another equation of the paper, with H by (14) and by (15): -H + βL = β (L - H / β)."""
    utility, pixel, perceptual = (torch.tensor(value) for value in (0.7, 0.2, 0.1))
    by_14 = -pixel + beta * utility
    by_15 = -(pixel + perceptual) + beta * utility
    torch.testing.assert_close(
        by_14, beta * protector_loss(utility, pixel, perceptual, pixel_weight=1 / beta, perceptual_weight=0.0)
    )
    torch.testing.assert_close(
        by_15, beta * protector_loss(utility, pixel, perceptual, pixel_weight=1 / beta, perceptual_weight=1 / beta)
    )


def test_the_embedding_is_fixed_in_the_feature_level_attack() -> None:
    predicted, embedded = torch.zeros(2, 3, requires_grad=True), torch.ones(2, 3, requires_grad=True)
    feature_attack_loss(predicted, embedded).backward()
    assert embedded.grad is None
    torch.testing.assert_close(predicted.grad, torch.full((2, 3), -2 / 6))


def game(**weights: float) -> Game:
    torch.manual_seed(2)
    encode = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
    head = nn.Sequential(nn.Flatten(), nn.Linear(256, 2))
    decode = nn.Sequential(nn.Conv2d(4, 3, 3, padding=1), nn.BatchNorm2d(3), nn.Sigmoid())
    tell = nn.Sequential(nn.Flatten(), nn.Linear(192, 1))
    stated = {"pixel_weight": 1.0, "perceptual_weight": 1.0, "decoder_perceptual_weight": 1.0, "gan_weight": 1.0}
    return Game(encode, head, decode, tell, lambda images: [images, images.square()], **{**stated, **weights})


def played(made: Game, turns: list[Turn], times: int = 1) -> None:
    take_turns(
        lambda *_: turns, made.players, lambda _: [None] * times, Recipe(1, 4, "adam", 1e-2, schedule="constant"),
        steps=times, stream=Stream(0, "a1", "poison"), compute=resolve_compute("fp32", "cpu"), progress=Progress(),
    )  # fmt: skip


def test_only_those_whose_turn_it_is_change() -> None:
    made = game()
    dec, tell = adversary_turns(made, IMAGES)
    defend = protector_turn(made, IMAGES, TARGETS, attribute_loss)
    for turn, learns in ((dec, {"Dec"}), (tell, {"D"}), (defend, {"Enc", "f"})):
        idle = Turn(("Enc",), lambda: 0 * made.encoder[0].weight.sum())
        before = {name: state_digest(player) for name, player in made.players.items()}
        played(made, [turn] if "Enc" in learns else [turn, idle])
        changed = {name for name, player in made.players.items() if state_digest(player) != before[name]}
        assert changed == learns


def error(made: Game) -> float:
    with torch.no_grad():
        return float(pixel_distance(made.decoder(made.encoder(IMAGES)), IMAGES))


def test_the_decoder_comes_nearer_and_the_encoder_goes_away() -> None:
    made = game(gan_weight=0.0)
    for player in made.players.values():
        player.eval()
    first = error(made)
    dec, _ = adversary_turns(made, IMAGES)
    played(made, [dec, Turn(("Enc",), lambda: 0 * made.encoder[0].weight.sum())], 60)
    near = error(made)
    assert near < 0.8 * first
    played(made, [protector_turn(made, IMAGES, TARGETS, attribute_loss)], 60)
    assert error(made) > 1.5 * near


def test_without_weights_only_utility_is_left_and_the_decoder_is_not_asked() -> None:
    made = game(pixel_weight=0.0, perceptual_weight=0.0)
    object.__setattr__(made, "decoder", nn.Identity())  # would fail on four channels
    loss = protector_turn(made, IMAGES, TARGETS, attribute_loss).loss()
    torch.testing.assert_close(loss, attribute_loss(made.head(made.encoder(IMAGES)), TARGETS))


def test_the_protectors_loss_is_9_of_its_parts() -> None:
    made = game(pixel_weight=2.0, perceptual_weight=3.0)
    for player in made.players.values():
        player.eval()
    rebuilt = made.decoder(made.encoder(IMAGES))
    utility = attribute_loss(made.head(made.encoder(IMAGES)), TARGETS)
    looks = (rebuilt - IMAGES).square().mean() + (rebuilt.square() - IMAGES.square()).square().mean()
    expected = utility - 2 * (rebuilt - IMAGES).square().mean() - 3 * looks
    torch.testing.assert_close(protector_turn(made, IMAGES, TARGETS, attribute_loss).loss(), expected)
