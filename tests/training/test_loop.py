"""The loop: what each step does to a single weight, by closed forms."""

import math
from collections.abc import Iterable
from dataclasses import replace
from itertools import count, pairwise
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from collab.errors import CollabError
from collab.seeding import Stream
from collab.training.loop import Recipe, Until, _rate, minimize
from collab.training.precision import Compute
from collab.training.progress import Progress

STREAM = Stream(0, "a1", "loop")
CPU = Compute("cpu", "float32")
PLAIN = Recipe(epochs=1, batch_size=4, optimizer="sgd", learning_rate=0.1, schedule="constant")


def trace(recipe: Recipe, steps: int, *, gradient: float = 1.0, start: float = 1.0) -> list[float]:
    """The value of one weight before the first step and after each, under a loss of constant gradient."""
    weight = nn.Parameter(torch.tensor([start], dtype=torch.float64))
    seen: list[float] = []

    def loss(_: int) -> Tensor:
        seen.append(weight.item())
        return gradient * weight.sum()

    minimize(
        loss, nn.ParameterList([weight]), lambda _: range(steps), recipe,
        steps=steps, stream=STREAM, compute=CPU, progress=Progress(),
    )  # fmt: skip
    return [*seen, weight.item()]


def rates(recipe: Recipe, steps: int) -> list[float]:
    """Share of the full learning rate of each step, from how far Nesterov's momentum moved a weight."""
    values, momentum, found = trace(recipe, steps), 0.0, []
    for before, after in pairwise(values):
        momentum = 0.9 * momentum + 1
        found.append((before - after) / (1 + 0.9 * momentum) / recipe.learning_rate)
    return found


def test_constant_schedule_keeps_the_full_rate() -> None:
    assert rates(replace(PLAIN, epochs=3), 4) == pytest.approx([1.0] * 12)


def test_cosine_falls_from_the_full_rate_to_zero_and_is_half_in_the_middle() -> None:
    found = rates(replace(PLAIN, epochs=2, schedule="cosine"), 5)
    assert found == pytest.approx([math.cos(math.pi * step / 20) ** 2 for step in range(10)])  # half-angle form
    assert found[0] == pytest.approx(1)
    assert found[5] == pytest.approx(0.5)
    assert 0 < found[-1] < 0.03


def test_one_cycle_rises_from_a_twenty_fifth_to_its_peak_at_three_tenths_and_falls_to_zero() -> None:
    found = rates(replace(PLAIN, schedule="one_cycle"), 100)
    assert found[0] == pytest.approx(1 / 25)
    assert found[15] == pytest.approx((1 + 1 / 25) / 2)
    assert found.index(max(found)) == 30
    assert found[30] == pytest.approx(1)
    assert found[65] == pytest.approx(0.5)
    assert found[-1] < 1e-3
    assert found[:31] == sorted(found[:31])
    assert found[30:] == sorted(found[30:], reverse=True)


def test_one_cycle_is_torchs_own() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], 1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 1.0, total_steps=1001, pct_start=0.3, div_factor=25, final_div_factor=1e9, cycle_momentum=False
    )
    recipe = replace(PLAIN, schedule="one_cycle")
    for step in range(1000):
        assert _rate(recipe, step, 1000) == pytest.approx(theirs.get_last_lr()[0], abs=5e-3)
        optimizer.step()
        theirs.step()


def test_more_batches_than_announced_do_not_raise_the_rate_again() -> None:
    weight = nn.Parameter(torch.zeros(1))
    seen: list[float] = []

    def loss(_: int) -> Tensor:
        seen.append(weight.item())
        return weight.sum()

    recipe = replace(PLAIN, schedule="cosine")
    minimize(
        loss, nn.ParameterList([weight]), lambda _: range(12), recipe,
        steps=4, stream=STREAM, compute=CPU, progress=Progress(),
    )  # fmt: skip
    assert seen[-1] == seen[5]  # all steps after the fourth had a rate of 0, and momentum moves nothing then


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        ("sgd", 2 - 0.1 * 1.9 * (3 + 0.5 * 2)),  # Nesterov: g + 0.9 g, decay is part of g
        ("adam", 2 - 0.1),  # the first step of Adam has the size of the rate, whatever the gradient
        ("adamw", 2 * (1 - 0.1 * 0.5) - 0.1),  # decay is taken off the weight itself
    ],
)
def test_first_step_of_each_optimizer(optimizer: str, expected: float) -> None:
    recipe = replace(PLAIN, optimizer=optimizer, weight_decay=0.5)  # type: ignore[arg-type]
    assert trace(recipe, 1, gradient=3.0, start=2.0)[-1] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "muon"])
def test_each_optimizer_finds_the_least_square(optimizer: str) -> None:
    weight = nn.Parameter(torch.tensor([[3.0]]))
    recipe = Recipe(20, 4, optimizer, 0.05)  # type: ignore[arg-type]
    losses = minimize(
        lambda goal: (weight - goal).square().sum(),
        nn.ParameterList([weight]),
        lambda _: [1.0] * 10,
        recipe,
        steps=10,
        stream=STREAM,
        compute=CPU,
        progress=Progress(),
    )
    assert weight.item() == pytest.approx(1.0, abs=0.05)
    assert losses[-1] < 0.01 * losses[0]


def test_mean_loss_of_each_epoch_is_returned_and_told() -> None:
    weight, told = nn.Parameter(torch.zeros(1)), []

    epochs = count()

    def batches(_: torch.Generator) -> Iterable[float]:
        epoch = next(epochs)
        return [epoch + 1.0, epoch + 3.0]

    losses = minimize(
        lambda value: 0 * weight.sum() + value,
        nn.ParameterList([weight]),
        batches,
        replace(PLAIN, epochs=3),
        steps=2,
        stream=STREAM,
        compute=CPU,
        progress=Progress(lambda *news: told.append(news)),
    )
    assert losses == (2.0, 3.0, 4.0)
    assert told == [(1, 3, 2.0, {}), (2, 3, 3.0, {}), (3, 3, 4.0, {})]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_loss_that_is_not_finite_ends_the_training_and_names_epoch_and_rate(bad: float) -> None:
    epochs = count()
    weight, told = nn.Parameter(torch.zeros(1)), []
    with pytest.raises(
        CollabError, match=r"epoch 2 of 5.*learning rate 0\.1 diverged. Lower `learning_rate`"
    ) as caught:
        minimize(
            lambda value: weight.sum() + value,
            nn.ParameterList([weight]),
            lambda _: [0.0, bad if next(epochs) else 0.0],
            replace(PLAIN, epochs=5),
            steps=2,
            stream=STREAM,
            compute=CPU,
            progress=Progress(lambda *news: told.append(news)),
        )
    assert caught.value.exit_code == 1
    assert len(told) == 1


def test_recipe_takes_the_fields_that_an_object_has_and_defaults_for_the_rest() -> None:
    stated = SimpleNamespace(
        epochs=7, batch_size=16, optimizer="adamw", learning_rate=0.5, schedule="one_cycle", by="a1", blocks=4
    )
    assert Recipe.of(stated) == Recipe(7, 16, "adamw", 0.5, schedule="one_cycle")
    assert Recipe.of(stated, epochs=2) == Recipe(2, 16, "adamw", 0.5, schedule="one_cycle")
    assert Recipe.of(SimpleNamespace(**vars(stated), augment=True, label_smoothing=0.2)).augment is True


def test_terms_are_told_beside_the_loss_and_move_nothing() -> None:
    """Of the loss 2w + 3w the first term is minimized alone in each step; means are those of each epoch."""

    def run(terms: tuple[str, ...]) -> tuple[float, list[dict[str, float]], Progress]:
        weight, told = nn.Parameter(torch.tensor([1.0], dtype=torch.float64)), list[dict[str, float]]()

        def loss(_: int) -> Tensor:
            twice, thrice = 2 * weight.sum(), 3 * weight.sum()
            return torch.stack([twice + thrice, twice.detach(), thrice.detach()]) if terms else twice + thrice

        progress = Progress(lambda epoch, epochs, loss, parts: told.append({"loss": loss, **parts}))
        minimize(
            loss, nn.ParameterList([weight]), lambda _: range(3), replace(PLAIN, epochs=2),
            steps=3, stream=STREAM, compute=CPU, progress=progress, terms=terms,
        )  # fmt: skip
        return weight.item(), told, progress

    alone, losses, _ = run(())
    with_terms, told, progress = run(("twice", "thrice"))
    assert with_terms == alone
    assert [each["loss"] for each in told] == [each["loss"] for each in losses]
    for each in told:
        assert each["twice"] + each["thrice"] == pytest.approx(each["loss"])
        assert each["thrice"] == pytest.approx(1.5 * each["twice"])
    assert progress.terms == {name: told[-1][name] for name in ("twice", "thrice")}


@pytest.mark.parametrize(
    ("gaps", "kept", "told"), [([1, 2, 5, 9], 2, 3), ([5, 1, 1, 1], 1, 1), ([1, 2, 3, 4], 4, 4)],
    ids=["third", "first", "never"],
)  # fmt: skip
def test_an_epoch_that_exceeds_the_limit_is_undone_but_the_first(gaps: list[int], kept: int, told: int) -> None:
    recipe, heard = replace(PLAIN, epochs=4), list[dict[str, float]]()

    def run(epochs: int, until: Until | None) -> tuple[float, tuple[float, ...], Progress]:
        weight = nn.Parameter(torch.tensor([1.0], dtype=torch.float64))
        progress = Progress(lambda epoch, epochs, loss, parts: heard.append(dict(parts)))
        losses = minimize(
            lambda _: weight.sum(), nn.ParameterList([weight]), lambda _: range(3), replace(recipe, epochs=epochs),
            steps=3, stream=STREAM, compute=CPU, progress=progress, until=until,
        )  # fmt: skip
        return weight.item(), losses, progress

    measured = iter(gaps)
    weight, losses, progress = run(4, Until("gap", 4.5, lambda: float(next(measured))))
    assert [each["gap"] for each in heard] == gaps[:told]
    assert progress.terms == {"gap": gaps[kept - 1]}
    assert (weight, losses) == run(kept, None)[:2]


def test_parts_of_a_training_run_the_course_of_the_whole() -> None:
    whole = replace(PLAIN, epochs=4, schedule="cosine")
    parts = [replace(whole, epochs=2, epochs_before=before, epochs_in_all=4) for before in (0, 2)]
    assert [rate for part in parts for rate in rates(part, 3)] == pytest.approx(rates(whole, 3))
