import math
from collections.abc import Callable, Iterable

import pytest
import torch
from torch import nn

from collab.defenses.obfuscation import (
    Labeled,
    Obfuscation,
    adversarial_turns,
    adversarial_weight,
    initial_turns,
    noise_image,
    unlikeness,
    unlikeness_to_noise,
)
from collab.metrics.visual import ms_ssim
from collab.seeding import Stream
from collab.training.loop import Recipe, Turn, take_turns
from collab.training.losses import attribute_loss
from collab.training.precision import resolve_compute
from collab.training.progress import Progress
from tests.digests import state_digest

COMPUTE = resolve_compute("fp32", "cpu")
GENERATOR = torch.Generator().manual_seed(0)
IMAGES = torch.rand(4, 3, 16, 16, generator=GENERATOR)
NOISE = noise_image(16, 16, GENERATOR)


def test_the_loss_of_attributes_has_a_closed_form() -> None:
    labels = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    torch.testing.assert_close(attribute_loss(torch.zeros(2, 2), labels), torch.tensor(math.log(2)))
    logits = torch.tensor([[1.0, -2.0], [0.5, 3.0]])
    p = 1 / (1 + torch.exp(-logits))
    expected = -torch.stack([p[0, 0].log(), (1 - p[0, 1]).log(), (1 - p[1, 0]).log(), (1 - p[1, 1]).log()]).mean()
    torch.testing.assert_close(attribute_loss(logits, labels), expected)


def test_an_image_is_not_unlike_itself_and_hardly_like_noise() -> None:
    assert unlikeness(IMAGES, IMAGES).item() == pytest.approx(0, abs=1e-6)
    assert unlikeness_to_noise(NOISE.expand(4, 3, 16, 16), NOISE).item() == pytest.approx(0, abs=1e-6)
    torch.testing.assert_close(unlikeness(IMAGES.flip(0), IMAGES), 1 - ms_ssim(IMAGES.flip(0), IMAGES).mean())
    assert unlikeness_to_noise(IMAGES, NOISE) > 0.5


def test_gradients_stay_finite_where_contrast_is_opposite() -> None:
    """The relu of SCIENCE 1.6: without it a power of a negative number is NaN."""
    rebuilt = (1 - IMAGES).requires_grad_()
    loss = unlikeness(rebuilt, IMAGES)
    loss.backward()
    assert loss.isfinite()
    assert rebuilt.grad is not None
    assert rebuilt.grad.isfinite().all()


def test_the_noise_is_gaussian_within_its_range_and_the_same_for_a_stream() -> None:
    assert (NOISE.min(), NOISE.max()) == (0, 1)
    drawn = noise_image(64, 64, torch.Generator().manual_seed(3))
    assert torch.equal(drawn, noise_image(64, 64, torch.Generator().manual_seed(3)))
    standard = (drawn - drawn.mean()) / drawn.std()
    assert (standard.abs() < 1).float().mean().item() == pytest.approx(0.683, abs=0.01)


def test_the_weight_of_hiding_follows_the_papers_schedule() -> None:
    assert [adversarial_weight(epoch) for epoch in range(20)] == [10] * 11 + [9, 8, 7, 6, 5, 4, 3, 2, 1]
    assert [adversarial_weight(epoch, 5) for epoch in range(5)] == [10, 10, 10, 8, 4]


def networks(privacy: bool = True) -> Obfuscation:
    torch.manual_seed(1)
    encode = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())

    def read(outputs: int) -> nn.Module:
        return nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 14 * 14, outputs))

    return Obfuscation(encode, read(3), nn.Conv2d(4, 3, 3, padding=1), read(2) if privacy else None)


def batch(private: bool = True) -> Labeled:
    utility = (torch.rand(4, 3, generator=torch.Generator().manual_seed(2)) < 0.5).float()
    return Labeled(IMAGES, utility, utility[:, :2] if private else None)


def turns_of(made: Obfuscation, data: Labeled, index: int) -> list[Turn]:
    return list(adversarial_turns(made, data, index, weight=10.0, noise=NOISE, task_loss=attribute_loss))


@pytest.mark.parametrize(("index", "learns"), [(0, "E"), (1, "E"), (2, "E"), (3, "RA"), (4, "C"), (7, "E"), (8, "RA")])
def test_only_those_whose_turn_it_is_change_and_nothing_of_the_others_does(index: int, learns: str) -> None:
    """Weights, and BatchNorm's statistics too: who stands still stands still."""
    made = networks()
    before = {name: state_digest(player) for name, player in made.players.items()}
    take_turns(
        lambda data, _, __: turns_of(made, data, index) + ([] if "E" in learns else [still(made)]),
        made.players,
        lambda _: [batch()],
        Recipe(1, 4, "adam", 1e-3, schedule="constant"),
        steps=1, stream=Stream(0, "a1", "poison"), compute=COMPUTE, progress=Progress(),
    )  # fmt: skip
    changed = {name for name, player in made.players.items() if state_digest(player) != before[name]}
    assert changed == set(learns)
    assert not any(value.requires_grad for player in made.players.values() for value in player.parameters())


def still(made: Obfuscation) -> Turn:
    """A turn of E without consequence, as the loop reports the losses of the first player's turns."""
    return Turn(("E",), lambda: 0 * sum(value.sum() for value in made.obfuscator[0].parameters()))


def values(made: Obfuscation, index: int) -> list[float]:
    for player in made.players.values():
        player.eval()
    return [float(turn.loss().detach()) for turn in turns_of(made, batch(), index)]


def test_the_losses_of_the_turns_are_the_sums_that_the_paper_states() -> None:
    made, data = networks(), batch()
    [noisy], [apart], [private], others, [task] = (values(made, index) for index in range(5))
    with torch.no_grad():
        features = made.obfuscator(IMAGES)
        o1 = float(attribute_loss(made.task(features), data.utility))
        o2 = float(attribute_loss(made.privacy(features), data.private))
        o3 = float(unlikeness(made.reconstructor(features), IMAGES))
        o4 = float(unlikeness_to_noise(made.reconstructor(features), NOISE))
    assert noisy == pytest.approx(o1 + 10 * o4, rel=1e-5)
    assert apart == pytest.approx(o1 - 10 * o3, rel=1e-5)
    assert private == pytest.approx(o1 - 10 * o2, rel=1e-5)
    assert others == pytest.approx([o3, o2], rel=1e-5)
    assert task == pytest.approx(o1, rel=1e-5)


def test_without_private_attributes_nobody_reads_them() -> None:
    made, data = networks(privacy=False), batch(private=False)
    assert list(made.players) == ["E", "C", "R"]
    learning = [[turn.learns for turn in turns_of(made, data, index)] for index in range(5)]
    assert learning == [[("E",)], [("E",)], [("E",)], [("R",)], [("C",)]]
    assert [turn.learns for turn in initial_turns(made, data)] == [("R",)]


def alike(made: Obfuscation) -> float:
    for player in made.players.values():
        player.eval()
    with torch.no_grad():
        return 1 - float(unlikeness(made.reconstructor(made.obfuscator(IMAGES)), IMAGES))


def test_the_reconstructor_learns_to_rebuild_and_turn_one_leads_away_from_the_image() -> None:
    made = networks(privacy=False)

    def play(first: str, turns: Callable[[Labeled], Iterable[Turn]]) -> None:
        players = {first: made.players[first]}
        take_turns(
            lambda data, _, __: turns(data), players, lambda _: [batch()] * 60, Recipe(1, 4, "adam", 1e-2),
            steps=60, stream=Stream(0, "a1", "poison"), compute=COMPUTE, progress=Progress(),
        )  # fmt: skip

    first = alike(made)
    play("R", lambda data: initial_turns(made, data))
    rebuilt = alike(made)
    assert rebuilt > first + 0.2
    play("E", lambda data: turns_of(made, data, 1))
    assert alike(made) < rebuilt - 0.2


def test_a_killed_training_goes_on_to_the_same_bits(tmp_path) -> None:
    def play(progress: Progress, epochs_told: int = 99) -> str:
        made = networks()

        class Killed(Exception):
            pass

        def told(epoch: int, epochs: int, loss: float, terms: object) -> None:
            if epoch == epochs_told:
                raise Killed

        progress.told = told
        try:
            take_turns(
                lambda data, index, _: turns_of(made, data, index),
                made.players, lambda _: [batch()] * 5, Recipe(3, 4, "adam", 1e-2),
                steps=5, stream=Stream(0, "a1", "poison"), compute=COMPUTE, progress=progress,
            )  # fmt: skip
        except Killed:
            return ""
        return state_digest(made.obfuscator) + state_digest(made.task)

    whole = play(Progress())
    assert play(Progress(folder=tmp_path, name="p", seconds_between=0.0), 2) == ""
    assert play(Progress(folder=tmp_path, name="p", seconds_between=0.0)) == whole
