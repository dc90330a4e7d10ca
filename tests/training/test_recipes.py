from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from collab.defenses.dpm_network import build_dpm
from collab.models.backbones import build_split
from collab.models.freeze import freeze, state_digest
from collab.models.reconstructors import build_reconstructor
from collab.seeding import Stream
from collab.training.feeds import FeatureFeed, ImageSet
from collab.training.loop import Recipe
from collab.training.precision import resolve_compute
from collab.training.progress import Progress
from collab.training.recipes import (
    Poisoning,
    features_of,
    refine_decider,
    shifted_and_flipped,
    train_classifier,
    train_dpm,
    train_reconstructor,
    with_budget,
)

COMPUTE = resolve_compute("fp32", "cpu")
RECIPE = Recipe(2, 8, "adam", 1e-3)
STREAM = Stream(0, "a1", "test")


class Memory:
    batch_rows = 16

    def __init__(self, x: torch.Tensor, y: torch.Tensor) -> None:
        self.x, self.y, self.rows, self.batches = x, y, len(x), -(-len(x) // 16)

    def read_into(self, x: torch.Tensor, y: torch.Tensor, batch: int, at: int) -> int:
        part = slice(batch * 16, batch * 16 + 16)
        count = len(self.y[part])
        x[at : at + count], y[at : at + count] = self.x[part], self.y[part]
        return count


@pytest.fixture
def world() -> tuple[nn.Module, nn.Module, nn.Module, FeatureFeed, ImageSet]:
    rng = np.random.default_rng(0)
    images = ImageSet(rng.integers(0, 255, (24, 3, 16, 16), dtype=np.uint8), rng.integers(0, 3, 24))
    with STREAM.initialization():
        split = build_split("resnet8", "conv3_1", classes=3, width=4)
        reconstructor = freeze(build_reconstructor("px2s2", (8, 8, 8), 16, tail_blocks=0))
    freeze(split.featurizer), freeze(split.decider)
    x, y = (torch.cat(parts) for parts in zip(*features_of(split.featurizer, images, COMPUTE), strict=True))
    feed = FeatureFeed([Memory(x.half(), y)], (8, 8, 8), 8, torch.device("cpu"))
    return split.featurizer, split.decider, reconstructor, feed, images


@pytest.mark.parametrize("equivalence", ["labels", "logits"])
def test_a_dpm_learns_and_leaves_decider_and_reconstructor_untouched(world: tuple, equivalence: str) -> None:
    _, decider, reconstructor, feed, images = world
    before = state_digest(decider), state_digest(reconstructor)
    dpm = build_dpm(8, blocks=1)
    untrained = state_digest(dpm)
    losses = train_dpm(
        dpm, feed, images, decider, reconstructor, Poisoning(equivalence, "abs", 1.0), replace(RECIPE, epochs=6),
        stream=STREAM, compute=COMPUTE, progress=Progress(),
    )  # fmt: skip
    assert (state_digest(decider), state_digest(reconstructor)) == before
    assert state_digest(dpm) != untrained
    assert losses[-1] < losses[0]
    assert not dpm.training
    assert not any(parameter.requires_grad for parameter in dpm.parameters())


def test_the_same_stream_trains_the_same_dpm_and_another_does_not(world: tuple) -> None:
    _, decider, reconstructor, feed, images = world

    def trained(stream: Stream) -> str:
        with STREAM.initialization():
            dpm = build_dpm(8, blocks=1)
        train_dpm(
            dpm, feed, images, decider, reconstructor, Poisoning("labels", "abs", 1.0), RECIPE,
            stream=stream, compute=COMPUTE, progress=Progress(),
        )  # fmt: skip
        return state_digest(dpm)

    assert trained(STREAM) == trained(STREAM)
    assert trained(STREAM) != trained(replace(STREAM, seed=1))


@pytest.mark.parametrize("bn", ["update", "frozen"])
def test_refining_changes_the_decider_and_its_statistics_only_if_asked(world: tuple, bn: str) -> None:
    _, decider, _, feed, _ = world
    decider.requires_grad_(True)
    before = {name: value.clone() for name, value in decider.state_dict().items()}
    refine_decider(decider, feed, RECIPE, bn=bn, stream=STREAM, compute=COMPUTE, progress=Progress())
    after = decider.state_dict()
    running = [name for name in after if "running_mean" in name]
    assert running
    assert all(torch.equal(before[name], after[name]) == (bn == "frozen") for name in running)
    assert any(not torch.equal(before[name], after[name]) for name in after if "running" not in name)


def test_a_reconstructor_learns_to_invert(world: tuple) -> None:
    _, _, reconstructor, feed, images = world
    losses = train_reconstructor(
        reconstructor.requires_grad_(True), feed, images, replace(RECIPE, epochs=8, learning_rate=1e-2),
        stream=STREAM, compute=COMPUTE, progress=Progress(),
    )  # fmt: skip
    assert losses[-1] < 0.9 * losses[0]


def test_a_classifier_learns_what_can_be_learned() -> None:
    labels = np.arange(48) % 2
    dark_or_bright = np.full((48, 3, 16, 16), 40, dtype=np.uint8) + (150 * labels).astype(np.uint8).reshape(-1, 1, 1, 1)
    with STREAM.initialization():
        split = build_split("resnet8", "conv2_1", classes=2, width=4)
    net = nn.Sequential(split.featurizer, split.decider)
    losses = train_classifier(
        net, ImageSet(dark_or_bright, labels), Recipe(6, 8, "sgd", 0.05, augment=True),
        stream=STREAM, compute=COMPUTE, progress=Progress(),
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
    assert torch.equal(shifted_and_flipped(images, torch.Generator().manual_seed(5))[0], torch.stack(expected))


def test_a_budget_of_steps_gives_small_rows_more_passes() -> None:
    recipe = Recipe(10, 10, "sgd", 0.1)
    assert with_budget(recipe, 100, 1000, "epochs").epochs == 10
    assert with_budget(recipe, 100, 1000, "steps").epochs == 100
    assert with_budget(recipe, 1000, 1000, "steps").epochs == 10
