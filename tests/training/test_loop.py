from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from collab.errors import CollabError
from collab.seeding import Stream
from collab.training.loop import Recipe, _rate, minimize
from collab.training.precision import resolve_compute
from collab.training.progress import Progress

STREAM = Stream(0, "a1", "loop")
COMPUTE = resolve_compute("fp32", "cpu")
RECIPE = Recipe(epochs=30, batch_size=4, optimizer="sgd", learning_rate=0.05)


def fitted(recipe: Recipe) -> tuple[float, tuple[float, ...], list[tuple[int, int, float]]]:
    """Fits one number to 3 by its squared distance."""
    number, told = nn.Parameter(torch.tensor(0.0)), []

    def batches(_: torch.Generator) -> Iterator[Tensor]:
        yield from (torch.tensor(3.0), torch.tensor(3.0))

    losses = minimize(
        lambda target: (number - target) ** 2, nn.ParameterList([number]), batches, recipe,
        steps=2, stream=STREAM, compute=COMPUTE, progress=Progress(lambda *news: told.append(news)),
    )  # fmt: skip
    return float(number.detach()), losses, told


@pytest.mark.parametrize(("optimizer", "rate"), [("sgd", 0.05), ("adam", 0.3), ("adamw", 0.3)])
def test_every_optimizer_finds_a_minimum_and_tells_every_epoch(optimizer: str, rate: float) -> None:
    number, losses, told = fitted(replace(RECIPE, optimizer=optimizer, learning_rate=rate))
    assert number == pytest.approx(3, abs=0.1)
    assert losses[-1] < losses[0]
    assert [(epoch, epochs) for epoch, epochs, _ in told] == [(epoch, 30) for epoch in range(1, 31)]
    assert tuple(loss for *_, loss in told) == losses


def test_a_loss_that_is_not_finite_ends_the_training_with_advice() -> None:
    with pytest.raises(CollabError, match=r"diverged. Lower `learning_rate`"):
        fitted(replace(RECIPE, learning_rate=1e30, schedule="constant"))


@pytest.mark.parametrize(("schedule", "at", "share"), [
    ("constant", 7, 1.0), ("cosine", 0, 1.0), ("cosine", 50, 0.5), ("cosine", 100, 0.0),
    ("one_cycle", 0, 0.04), ("one_cycle", 30, 1.0), ("one_cycle", 65, 0.5), ("one_cycle", 100, 0.0),
])  # fmt: skip
def test_schedules_at_their_landmarks(schedule: str, at: int, share: float) -> None:
    assert _rate(replace(RECIPE, schedule=schedule), at, 100) == pytest.approx(share, abs=1e-9)


def test_one_cycle_is_torchs_own() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], 1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 1.0, total_steps=1001, pct_start=0.3, div_factor=25, final_div_factor=1e9, cycle_momentum=False
    )
    recipe = replace(RECIPE, schedule="one_cycle")
    for step in range(1000):
        assert _rate(recipe, step, 1000) == pytest.approx(theirs.get_last_lr()[0], abs=5e-3)
        optimizer.step()
        theirs.step()


def test_a_recipe_is_read_off_anything_with_its_fields() -> None:
    stated = SimpleNamespace(epochs=3, batch_size=8, optimizer="adam", learning_rate=0.1, unrelated=1)
    assert Recipe.of(stated) == Recipe(3, 8, "adam", 0.1)
    assert Recipe.of(stated, epochs=9).epochs == 9
