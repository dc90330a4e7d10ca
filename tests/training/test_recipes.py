"""The steps of the regime on tiny networks: what they minimize, and what they must not touch."""

import copy
from collections.abc import Callable, Mapping
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from collab.defenses.dpm_network import build_dpm
from collab.metrics.visual import ssim
from collab.models.backbones import build_split
from collab.models.freeze import freeze
from collab.seeding import Stream
from collab.training import recipes
from collab.training.feeds import FeatureFeed, ImageSet, InMemory
from collab.training.loop import Recipe
from collab.training.precision import Compute
from collab.training.progress import Progress
from collab.training.recipes import (
    EVAL_BATCH,
    Poisoning,
    blur,
    features_of,
    outputs_of,
    refine_decider,
    shift_and_flip,
    train_classifier,
    train_dpm,
    train_reconstructor,
    with_budget,
)
from tests.digests import state_digest

CPU = Compute(torch.device("cpu"), torch.float32)
STREAM = Stream(0, "a1", "poison")
ONE_STEP = Recipe(epochs=1, batch_size=64, optimizer="sgd", learning_rate=0.05)
ROWS, CLASSES, SIDE = 40, 3, 16


class World:
    """Images whose brightness tells their class, and networks for them with random weights."""

    def __init__(self) -> None:
        torch.manual_seed(1)
        labels = np.arange(ROWS) % CLASSES
        noise = np.random.default_rng(1).integers(0, 100, (ROWS, 3, SIDE, SIDE))
        self.images = ImageSet((noise + 70 * labels[:, None, None, None]).astype(np.uint8), labels)
        self.featurizer = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU())
        self.decider = nn.Sequential(
            nn.Conv2d(8, 8, 3, 2, 1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(8, 3),
        )
        self.reconstructor = nn.Sequential(
            nn.Conv2d(8, 8, 3, 1, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Upsample(scale_factor=2), nn.Conv2d(8, 3, 1)
        )
        freeze(self.featurizer)
        rows = torch.arange(ROWS).numpy()
        self.pictures = self.images.take(rows, CPU.device)
        self.labels = torch.from_numpy(labels)
        self.features = self.featurizer(self.pictures).half()

    def feed(self, batch_size: int = 64) -> FeatureFeed:
        return FeatureFeed([InMemory(self.features, self.labels)], (8, 8, 8), batch_size, CPU.device)

    def dpm(self) -> nn.Module:
        torch.manual_seed(2)
        module = build_dpm(8, blocks=1, width=None, norm="batch", rectify=True)
        with torch.no_grad():  # away from the identity, so that it poisons something
            for value in module.parameters():
                value.add_(0.2 * torch.randn(value.shape))
        return module

    def poisoned_with(
        self, aim: Poisoning, module: nn.Module, recipe: Recipe = ONE_STEP, progress: Progress | None = None
    ) -> tuple[float, ...]:
        return train_dpm(
            module,
            self.feed(recipe.batch_size),
            self.images,
            self.decider,
            self.reconstructor,
            aim,
            recipe,
            stream=STREAM,
            compute=CPU,
            progress=progress or Progress(),
        )


@pytest.fixture
def world() -> World:
    return World()


def first_losses(world: World, aim: Poisoning) -> tuple[float, Mapping[str, float], dict[str, float]]:
    """The first loss as trained with, its terms as told, and terms computed here, with unfolded networks."""
    module = world.dpm()
    freeze(world.decider), freeze(world.reconstructor)
    with torch.no_grad():
        poisoned = copy.deepcopy(module).train()(world.features.float())
        logits, original = world.decider(poisoned), world.decider(world.features.float())
        likeness = ssim(world.reconstructor(poisoned), world.pictures)
        p, q = original.log_softmax(1), logits.log_softmax(1)
        terms = {
            "labels": -logits.log_softmax(1)[torch.arange(ROWS), world.labels].mean().item(),
            "logits": (p.exp() * (p - q)).sum(1).mean().item(),
            "abs": likeness.abs().mean().item(),
            "signed": likeness.mean().item(),
        }
    (found,) = world.poisoned_with(aim, module, progress=(progress := Progress()))
    return found, progress.terms, terms


@pytest.mark.parametrize("equivalence", ["labels", "logits"])
@pytest.mark.parametrize(("ssim_loss", "weight"), [("abs", 0.0), ("abs", 2.0), ("signed", 5.0)])
def test_dpm_is_trained_on_equivalence_plus_lambda_times_disparity(
    world: World, equivalence: str, ssim_loss: str, weight: float
) -> None:
    found, told, terms = first_losses(world, Poisoning(equivalence, ssim_loss, weight))  # type: ignore[arg-type]
    assert terms["logits"] > 1e-3  # the module does poison
    disparity = terms[ssim_loss] if weight else 0.0
    assert told == pytest.approx({"equivalence": terms[equivalence], "disparity": disparity}, rel=1e-4)
    assert found == pytest.approx(terms[equivalence] + weight * terms[ssim_loss], rel=1e-4)


@pytest.mark.parametrize("equivalence", ["labels", "logits"])
def test_a_dpm_learns_and_leaves_decider_and_reconstructor_untouched(world: World, equivalence: str) -> None:
    module = world.dpm()
    nets = (world.decider, world.reconstructor)
    before, own = [state_digest(net) for net in nets], state_digest(module)
    grads = [value.requires_grad for net in nets for value in net.parameters()]
    aim = Poisoning(equivalence, "abs", 1.0)  # type: ignore[arg-type]
    losses = world.poisoned_with(aim, module, Recipe(6, 8, "adamw", 0.01))
    assert losses[-1] < losses[0]
    assert [state_digest(net) for net in nets] == before
    assert [value.requires_grad for net in nets for value in net.parameters()] == grads
    assert all(value.grad is None for net in nets for value in net.parameters())
    assert state_digest(module) != own
    assert not module.training
    assert not any(value.requires_grad for value in module.parameters())


def test_equal_streams_train_equal_modules(world: World) -> None:
    def trained(stream: Stream) -> str:
        module, recipe = world.dpm(), Recipe(2, 8, "adamw", 0.01)
        train_dpm(
            module, world.feed(8), world.images, world.decider, world.reconstructor, Poisoning("labels", "abs", 1.0),
            recipe, stream=stream, compute=CPU, progress=Progress(),
        )  # fmt: skip
        return state_digest(module)

    assert trained(STREAM) == trained(STREAM) != trained(Stream(1, "a1", "poison"))


def refined(world: World, bn: str, recipe: Recipe) -> nn.Module:
    decider = copy.deepcopy(world.decider)
    refine_decider(decider, world.feed(8), recipe, bn=bn, stream=STREAM, compute=CPU, progress=Progress())  # type: ignore[arg-type]
    return decider


def test_frozen_batchnorm_keeps_its_statistics_and_still_learns_its_scale(world: World) -> None:
    recipe = Recipe(3, 8, "sgd", 0.1)
    frozen, updated = refined(world, "frozen", recipe)[1], refined(world, "update", recipe)[1]
    start = world.decider[1]
    assert torch.equal(frozen.running_mean, start.running_mean)
    assert torch.equal(frozen.running_var, start.running_var)
    assert torch.equal(frozen.num_batches_tracked, start.num_batches_tracked)
    assert not torch.equal(frozen.weight, start.weight)
    assert not torch.equal(updated.running_mean, start.running_mean)


def test_refining_leaves_the_featurizer_alone_and_the_decider_in_eval_mode(world: World) -> None:
    before = state_digest(world.featurizer)
    decider = refined(world, "update", Recipe(2, 8, "sgd", 0.1))
    assert state_digest(world.featurizer) == before
    assert state_digest(decider) != state_digest(world.decider)
    assert not any(part.training for part in decider.modules())


def test_refining_learns_what_brightness_tells(world: World) -> None:
    decider = refined(world, "update", Recipe(20, 8, "adam", 0.02))
    logits = outputs_of(decider, world.features, CPU)
    assert (logits.argmax(1) == world.labels).float().mean() > 0.9


def test_first_loss_of_the_classifier_is_cross_entropy_with_smoothing_in_train_mode(world: World) -> None:
    network = nn.Sequential(copy.deepcopy(world.featurizer).requires_grad_(True), copy.deepcopy(world.decider))
    with torch.no_grad():
        logits = copy.deepcopy(network).train()(world.pictures)
    target = 0.8 * functional.one_hot(world.labels, CLASSES) + 0.2 / CLASSES
    expected = -(target * logits.log_softmax(1)).sum(1).mean().item()
    recipe = Recipe(1, 64, "sgd", 0.1, label_smoothing=0.2)
    (found,) = train_classifier(network, world.images, recipe, stream=STREAM, compute=CPU, progress=Progress())
    assert found == pytest.approx(expected, rel=1e-4)
    assert not network.training


def test_reconstructor_meets_each_feature_with_its_own_image(world: World) -> None:
    net = copy.deepcopy(world.reconstructor)
    with torch.no_grad():
        rebuilt = copy.deepcopy(net).train()(world.features.float())
    expected = (rebuilt - world.pictures).abs().mean().item()
    shuffled = (rebuilt - world.pictures.roll(1, 0)).abs().mean().item()
    assert expected != pytest.approx(shuffled, rel=1e-3)
    losses = train_reconstructor(
        net, world.feed(), world.images, ONE_STEP, stream=STREAM, compute=CPU, progress=Progress()
    )
    assert losses[0] == pytest.approx(expected, rel=1e-4)


def test_a_reconstructor_learns_to_invert(world: World) -> None:
    recipe = Recipe(8, 8, "adam", 1e-2)
    losses = train_reconstructor(
        world.reconstructor, world.feed(8), world.images, recipe, stream=STREAM, compute=CPU, progress=Progress()
    )
    assert losses[-1] < 0.9 * losses[0]


def test_features_and_logits_come_in_row_order_whatever_the_batches(world: World) -> None:
    many = np.arange(EVAL_BATCH + 30) % ROWS
    images = ImageSet(world.images.images[many], world.images.labels[many])
    batches = list(features_of(world.featurizer, images, CPU))
    features, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
    assert len(batches) == 2
    assert torch.equal(labels, world.labels[many])
    torch.testing.assert_close(features, world.featurizer(world.pictures)[many], rtol=1e-4, atol=1e-5)
    whole, pieces = (outputs_of(world.decider, inputs, CPU) for inputs in (features, features.split(7)))
    torch.testing.assert_close(whole, pieces, rtol=1e-4, atol=1e-5)


def test_a_network_is_never_given_more_rows_than_are_evaluated_at_a_time() -> None:
    class Counting(nn.Module):
        seen: ClassVar[list[int]] = []

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            self.seen.append(len(rows))
            return 2 * rows

    rows = torch.arange(2 * EVAL_BATCH + 1)[:, None]
    outputs = outputs_of(Counting(), rows, CPU)
    assert Counting.seen == [EVAL_BATCH, EVAL_BATCH, 1]
    assert torch.equal(outputs, 2 * rows.float())
    assert outputs_of(Counting(), rows[:0], CPU).shape == (0, 1)


def test_features_pass_through_the_transform(world: World) -> None:
    (plain, _), (doubled, _) = (
        next(features_of(world.featurizer, world.images, CPU, transform=transform))
        for transform in (None, nn.Upsample(scale_factor=2))
    )
    assert doubled.shape[2:] == (16, 16)
    assert torch.equal(doubled[:, :, ::2, ::2], plain)


def test_a_classifier_learns_what_can_be_learned() -> None:
    labels = np.arange(48) % 2
    dark_or_bright = np.full((48, 3, 16, 16), 40, dtype=np.uint8) + (150 * labels).astype(np.uint8).reshape(-1, 1, 1, 1)
    with STREAM.initialization():
        split = build_split("resnet8", "conv2_1", classes=2, width=4)
    net = nn.Sequential(split.featurizer, split.decider)
    losses = train_classifier(
        net, ImageSet(dark_or_bright, labels), Recipe(6, 8, "sgd", 0.05, augment=True),
        stream=STREAM, compute=CPU, progress=Progress(),
    )  # fmt: skip
    assert losses[-1] < 0.2 < losses[0]
    assert not net.training


def test_shifts_and_mirrors_are_those_of_a_slow_loop() -> None:
    images = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    generator = torch.Generator().manual_seed(5)
    top, left = (torch.randint(0, 5, (6, 1), generator=generator) for _ in range(2))
    mirrored = torch.rand(6, 1, generator=generator) < 0.5
    expected = []
    for number, image in enumerate(images):
        padded = torch.zeros(3, 20, 20)
        padded[:, 2:18, 2:18] = image
        cut = padded[:, int(top[number]) : int(top[number]) + 16, int(left[number]) : int(left[number]) + 16]
        expected.append(cut.flip(2) if mirrored[number] else cut)
    assert mirrored.any()
    assert torch.equal(shift_and_flip(images, torch.Generator().manual_seed(5))[0], torch.stack(expected))


@pytest.mark.parametrize("spoil", [None, blur], ids=["shifts drawn at once", "spoilt batch by batch"])
def test_an_epoch_draws_what_it_drew_batch_by_batch(
    spoil: Callable[[Tensor, torch.Generator], Tensor] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The formulation that drew order, shifts and mirrors within the step, as the reference: the same bits."""
    pixels = np.random.default_rng(3).integers(0, 256, (37, 3, 16, 16), dtype=np.uint8)
    images, seen = ImageSet(pixels, np.arange(37) % 5), []
    monkeypatch.setattr(recipes, "minimize", lambda loss, net, batches, *_, **__: seen.extend(batches(seeded(6))))
    train_classifier(
        nn.Identity(), images, Recipe(1, 8, "sgd", 0.1, augment=True),
        stream=STREAM, compute=CPU, progress=Progress(), spoil=spoil,
    )  # fmt: skip
    generator, expected = seeded(6), []
    order = torch.randperm(37, generator=generator)
    for index in torch.tensor_split(order, 5):
        x = torch.from_numpy(pixels[index.numpy()]).float().div_(255)
        padded = nn.functional.pad(x, (2, 2, 2, 2))
        top, left = (torch.randint(0, 5, (len(x), 1), generator=generator) for _ in range(2))
        rows, columns = top + torch.arange(16), left + torch.arange(16)
        columns = torch.where(torch.rand(len(x), 1, generator=generator) < 0.5, columns.flip(1), columns)
        x = padded.permute(0, 2, 3, 1)[torch.arange(len(x)).view(-1, 1, 1), rows.unsqueeze(2), columns.unsqueeze(1)]
        x = x.permute(0, 3, 1, 2)
        expected.append((x if spoil is None else spoil(x, generator), index % 5))
    assert len(seen) == len(expected) == 5
    for (x, y), (same_x, same_y) in zip(seen, expected, strict=True):
        assert torch.equal(x, same_x)
        assert torch.equal(y, same_y)
        assert x.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("target", ["per_step", "per_image"])
def test_random_people_are_those_that_each_step_drew(
    world: World, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Tensor, ...]] = []
    monkeypatch.setattr(recipes, "minimize", lambda loss, net, batches, *_, **__: seen.extend(batches(seeded(6))))
    module = world.dpm()
    with STREAM.initialization("noise 0"):
        train_dpm(
            module, world.feed(8), world.images, world.decider, world.reconstructor,
            Poisoning("labels", "abs", 1.0, target), Recipe(1, 8, "sgd", 0.1),  # type: ignore[arg-type]
            stream=STREAM, compute=CPU, progress=Progress(), identifier=(nn.Identity(), 7),
        )  # fmt: skip
    fixed = torch.randint(7, (ROWS,), generator=STREAM.torch("people"))
    with STREAM.initialization("noise 0"):
        order = torch.tensor_split(torch.randperm(ROWS, generator=seeded(6)), 5)
        for (*_, people), index in zip(seen, order, strict=True):
            assert torch.equal(people, fixed[index] if target == "per_image" else torch.randint(7, (len(index),)))


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_budget_of_steps_gives_small_rows_more_passes() -> None:
    recipe = Recipe(10, 10, "sgd", 0.1)
    assert with_budget(recipe, 100, 1000, "epochs").epochs == 10
    assert with_budget(recipe, 100, 1000, "steps").epochs == 100
    assert with_budget(recipe, 1000, 1000, "steps").epochs == 10


def test_labels_of_a_dpm_are_smoothed_as_its_recipe_says(world: World) -> None:
    recipe = Recipe(1, 64, "sgd", 0.05, label_smoothing=0.3)
    (smoothed,) = world.poisoned_with(Poisoning("labels", "abs", 0.0), world.dpm(), recipe)
    with torch.no_grad():
        logits = world.decider.eval()(world.dpm().train()(world.features.float()))
    assert smoothed == pytest.approx(
        functional.cross_entropy(logits, world.labels, label_smoothing=0.3).item(), rel=1e-4
    )
