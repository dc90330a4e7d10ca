"""The training loops, one loss or several in turns: a schedule, optimizers, losses, batches."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn

from collab.errors import CollabError
from collab.seeding import Stream
from collab.training.precision import Compute
from collab.training.progress import Progress

Batch = TypeVar("Batch")


@dataclass(frozen=True)
class Recipe:
    """How long and with which steps a network is trained; no paper states one, so each scenario does."""

    epochs: int
    batch_size: int
    optimizer: Literal["sgd", "adam", "adamw"]
    learning_rate: float
    weight_decay: float = 0.0
    schedule: Literal["cosine", "one_cycle", "constant"] = "cosine"
    label_smoothing: float = 0.0
    augment: bool = False

    @classmethod
    def of(cls, schedule: object, *, epochs: int | None = None) -> "Recipe":
        """The recipe that any object with fields of these names states; `epochs` overrides its own."""
        stated = {part.name: getattr(schedule, part.name) for part in fields(cls) if hasattr(schedule, part.name)}
        return cls(**(stated if epochs is None else stated | {"epochs": epochs}))


def minimize(
    loss: Callable[[Batch], Tensor], learner: nn.Module, batches: Callable[[torch.Generator], Iterable[Batch]],
    recipe: Recipe, *, steps: int, stream: Stream, compute: Compute, progress: Progress
) -> tuple[float, ...]:  # fmt: skip
    """Minimizes `loss` over `recipe.epochs` passes of `batches(generator)`, each of about `steps` batches.

    `loss` sees one batch under the autocast of `compute` and answers a scalar; the parameters of `learner` follow it.
    Each epoch draws from a generator of its own (and dropout from torch's, seeded alike), so that a stage that was
    killed goes on from its last checkpoint to the same bits. Returns the mean loss of each epoch. Raises CollabError
    where a loss is not finite, so that no later stage builds on it.
    """
    optimizer = _optimizer(recipe, list(learner.parameters()))
    total = recipe.epochs * steps
    pace = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(recipe, min(step, total), total))
    kept, means = progress.checkpoint(), list[float]()
    states: dict[str, Any] = {"learner": learner, "optimizer": optimizer, "pace": pace}
    if found := kept.load():
        for name, part in states.items():
            part.load_state_dict(found[name])
        means = found["means"]
    for epoch in range(len(means), recipe.epochs):
        losses = []
        with stream.initialization(f"noise {epoch}"):
            for batch in batches(stream.torch(f"epoch {epoch}")):
                with compute.autocast():
                    value = loss(batch)
                optimizer.zero_grad(set_to_none=True)
                value.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                pace.step()
                losses.append(value.detach())  # read once an epoch: a GPU is not made to wait for each number
        means.append(_finite_mean(losses, epoch, recipe))
        progress.tell(epoch + 1, recipe.epochs, means[-1])
        kept.save(lambda: {**{name: part.state_dict() for name, part in states.items()}, "means": means})
    return tuple(means)


@dataclass(frozen=True)
class Turn:
    """One update: the players that `learns` names follow the loss, all others stand still."""

    learns: tuple[str, ...]
    loss: Callable[[], Tensor]


def take_turns(
    turns: Callable[[Batch, int, int], Iterable[Turn]], players: Mapping[str, nn.Module],
    batches: Callable[[torch.Generator], Iterable[Batch]], recipe: Recipe, *, steps: int, stream: Stream,
    compute: Compute, progress: Progress
) -> tuple[float, ...]:  # fmt: skip
    """Trains `players` against one another: `turns(batch, index, epoch)` says who learns what from a batch.

    `index` counts the batches of an epoch, `epoch` counts from 0. Who stands still is in eval mode and its parameters
    ask for no gradient, though gradients flow through it: neither weights nor BatchNorm statistics of it change. Each
    player has an optimizer of its own, by `recipe`. All are left frozen. Otherwise as `minimize`; the losses are those
    of turns in which the first player learns.
    """
    first = next(iter(players))
    optimizers = {name: _optimizer(recipe, list(player.parameters())) for name, player in players.items()}
    total = recipe.epochs * steps
    kept, means = progress.checkpoint(), list[float]()
    states: dict[str, Any] = {**players, **{f"{name} optimizer": each for name, each in optimizers.items()}}
    if found := kept.load():
        for name, part in states.items():
            part.load_state_dict(found[name])
        means = found["means"]
    for epoch in range(len(means), recipe.epochs):
        losses = []
        with stream.initialization(f"noise {epoch}"):
            for index, batch in enumerate(batches(stream.torch(f"epoch {epoch}"))):
                rate = recipe.learning_rate * _rate(recipe, min(epoch * steps + index, total), total)
                for turn in turns(batch, index, epoch):
                    value = _take(turn, players, optimizers, rate, compute)
                    losses += [value] if first in turn.learns else []
        means.append(_finite_mean(losses, epoch, recipe))
        progress.tell(epoch + 1, recipe.epochs, means[-1])
        kept.save(lambda: {**{name: part.state_dict() for name, part in states.items()}, "means": means})
    for player in players.values():
        player.eval().requires_grad_(False)
    return tuple(means)


def _take(
    turn: Turn, players: Mapping[str, nn.Module], optimizers: Mapping[str, torch.optim.Optimizer], rate: float,
    compute: Compute
) -> Tensor:  # fmt: skip
    for name, player in players.items():
        player.train(name in turn.learns).requires_grad_(name in turn.learns)
    with compute.autocast():
        value = turn.loss()
    for name in turn.learns:
        optimizers[name].zero_grad(set_to_none=True)
    value.backward()  # type: ignore[no-untyped-call]
    for name in turn.learns:
        for group in optimizers[name].param_groups:
            group["lr"] = rate
        optimizers[name].step()
    return value.detach()


def _finite_mean(losses: list[Tensor], epoch: int, recipe: Recipe) -> float:
    mean = float(torch.stack(losses).mean())
    if not math.isfinite(mean):
        raise CollabError(
            f"the loss became {mean} in epoch {epoch + 1} of {recipe.epochs}: {recipe.optimizer} with "
            f"learning rate {recipe.learning_rate} diverged. Lower `learning_rate`, or use `precision: fp32`."
        )
    return mean


def _optimizer(recipe: Recipe, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    match recipe.optimizer:
        case "sgd":
            return torch.optim.SGD(
                parameters, recipe.learning_rate, momentum=0.9, nesterov=True, weight_decay=recipe.weight_decay
            )
        case "adam":
            return torch.optim.Adam(parameters, recipe.learning_rate, weight_decay=recipe.weight_decay)
        case "adamw":
            return torch.optim.AdamW(parameters, recipe.learning_rate, weight_decay=recipe.weight_decay)


def _rate(recipe: Recipe, step: int, total: int) -> float:
    """Share of the full learning rate at `step` of `total`; one-cycle rises over the first 30 %, as in torch's own."""
    done = step / max(total, 1)
    match recipe.schedule:
        case "constant":
            return 1.0
        case "cosine":
            return (1 + math.cos(math.pi * done)) / 2
        case "one_cycle":
            rise = 0.3
            if done < rise:
                return 0.04 + 0.96 * (1 - math.cos(math.pi * done / rise)) / 2
            return (1 + math.cos(math.pi * (done - rise) / (1 - rise))) / 2
