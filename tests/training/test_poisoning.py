"""Step 2 on tiny networks: what a DPM is trained on, and what that must not touch."""

import copy
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from collab.metrics.visual import ssim
from collab.models.freeze import freeze
from collab.seeding import Stream
from collab.training import poisoning
from collab.training.loop import Recipe
from collab.training.poisoning import Poisoning, train_dpm
from collab.training.progress import Progress
from tests.digests import state_digest
from tests.training.world import CPU, ROWS, STREAM, World, seeded


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


@pytest.mark.parametrize("target", ["per_step", "per_image"])
def test_random_people_are_those_that_each_step_drew(
    world: World, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Tensor, ...]] = []
    monkeypatch.setattr(poisoning, "minimize", lambda loss, net, batches, *_, **__: seen.extend(batches(seeded(6))))
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


def test_labels_of_a_dpm_are_smoothed_as_its_recipe_says(world: World) -> None:
    recipe = Recipe(1, 64, "sgd", 0.05, label_smoothing=0.3)
    (smoothed,) = world.poisoned_with(Poisoning("labels", "abs", 0.0), world.dpm(), recipe)
    with torch.no_grad():
        logits = world.decider.eval()(world.dpm().train()(world.features.float()))
    assert smoothed == pytest.approx(
        functional.cross_entropy(logits, world.labels, label_smoothing=0.3).item(), rel=1e-4
    )
