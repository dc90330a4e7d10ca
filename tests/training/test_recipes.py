"""The steps of the regime on tiny networks: what they minimize, and what they must not touch."""

import copy
from collections.abc import Callable
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from collab.models.backbones import build_split
from collab.training import recipes
from collab.training.augmentation import blur
from collab.training.feeds import ImageSet
from collab.training.loop import Recipe
from collab.training.progress import Progress
from collab.training.recipes import (
    EVAL_BATCH,
    features_of,
    outputs_of,
    refine_decider,
    train_classifier,
    train_reconstructor,
    with_budget,
)
from tests.digests import state_digest
from tests.training.world import CLASSES, CPU, ONE_STEP, ROWS, STREAM, World, seeded


@pytest.fixture
def world() -> World:
    return World()


def refined(world: World, bn: str, recipe: Recipe) -> nn.Module:
    decider = copy.deepcopy(world.decider)
    refine_decider(decider, world.feed(8), recipe, bn=bn, stream=STREAM, compute=CPU, progress=Progress())  # type: ignore[arg-type]
    return decider


def test_the_proximal_term_holds_weights_near_those_that_they_began_with(world: World) -> None:
    def moved(proximal: float) -> float:
        decider = copy.deepcopy(world.decider)
        refine_decider(
            decider, world.feed(8), Recipe(3, 8, "sgd", 0.02), bn="frozen", stream=STREAM, compute=CPU,
            progress=Progress(), proximal=proximal,
        )  # fmt: skip
        pairs = zip(decider.parameters(), world.decider.parameters(), strict=True)
        return float(torch.stack([(now - was).detach().square().sum() for now, was in pairs]).sum().sqrt())

    assert moved(0.0) > 2 * moved(3.0) > 4 * moved(20.0) > 0


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


def test_a_budget_of_steps_gives_small_rows_more_passes() -> None:
    recipe = Recipe(10, 10, "sgd", 0.1)
    assert with_budget(recipe, 100, 1000, "epochs").epochs == 10
    assert with_budget(recipe, 100, 1000, "steps").epochs == 100
    assert with_budget(recipe, 1000, 1000, "steps").epochs == 10
