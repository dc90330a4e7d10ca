"""The training loops, one loss or several in turns: a schedule, optimizers, losses, batches."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn

from collab.errors import CollabError
from collab.seeding import Stream
from collab.training.graphs import Replayed
from collab.training.optimizers import keep_rate_on, optimizers_of, set_rate
from collab.training.precision import Compute
from collab.training.progress import Progress
from collab.types import OptimizerName

Batch = TypeVar("Batch")
Optimizers = Mapping[str, Sequence[torch.optim.Optimizer]]
"""The optimizers of each player."""


@dataclass(frozen=True)
class Recipe:
    """How long and with which steps a network is trained; no paper states one, so each scenario does.

    The learning rate runs its course over `epochs`, or where these are a part of a longer training over
    `epochs_in_all`, of which `epochs_before` are over.
    """

    epochs: int
    batch_size: int
    optimizer: OptimizerName
    learning_rate: float
    weight_decay: float = 0.0
    schedule: Literal["cosine", "one_cycle", "constant"] = "cosine"
    label_smoothing: float = 0.0
    augment: bool | Literal["resized_crop", "mirror"] = False
    epochs_before: int = 0
    epochs_in_all: int | None = None

    @classmethod
    def of(cls, schedule: object, *, epochs: int | None = None) -> "Recipe":
        """The recipe that any object with fields of these names states; `epochs` overrides its own."""
        options = {part.name: getattr(schedule, part.name) for part in fields(cls) if hasattr(schedule, part.name)}
        return cls(**(options if epochs is None else options | {"epochs": epochs}))


@dataclass(frozen=True)
class Until:
    """When a training ends early: where `measure()` is above `limit` after an epoch, which is then undone.

    The first epoch stays. What was measured is told beside the loss, under `name`.
    """

    name: str
    limit: float
    measure: Callable[[], float]


def minimize(
    loss: Callable[[Batch], Tensor],
    learner: nn.Module,
    batches: Callable[[torch.Generator], Iterable[Batch]],
    recipe: Recipe,
    *,
    steps: int,
    stream: Stream,
    compute: Compute,
    progress: Progress,
    terms: tuple[str, ...] = (),
    until: Until | None = None,
    replays: bool = False,
) -> tuple[float, ...]:
    """Minimizes `loss` over `recipe.epochs` passes of `batches(generator)`, each of about `steps` batches.

    `loss` sees one batch under the autocast of `compute` and answers a scalar; the parameters of `learner` follow it.
    Where `terms` name parts of the loss, it answers a vector: itself and then these, whose means are told beside its.
    `replays` says that batches are tuples of tensors of the device, and that `loss` is the same kernels for all of a
    shape: then a GPU may replay a step as a CUDA graph (`collab.training.graphs`).
    Each epoch draws from a generator of its own (and dropout from torch's, seeded alike), so that a stage that was
    killed goes on from its last checkpoint to the same bits. Returns the mean loss of each epoch. Raises CollabError
    where a loss is not finite, so that no later stage builds on it.
    """

    def follow(batch: Batch, index: int, epoch: int, optimizers: Optimizers) -> Iterable[Tensor]:
        yield _step(lambda: loss(batch), optimizers["learner"], compute)

    with compute.lane():
        return _train(
            follow, {"learner": learner}, batches, recipe,
            steps=steps, stream=stream, compute=compute, progress=progress, terms=terms, replays=replays, until=until,
        )  # fmt: skip


@dataclass(frozen=True)
class Turn:
    """One update: the players that `learns` names follow the loss, all others stand still."""

    learns: tuple[str, ...]
    loss: Callable[[], Tensor]


def take_turns(
    turns: Callable[[Batch, int, int], Iterable[Turn]],
    players: Mapping[str, nn.Module],
    batches: Callable[[torch.Generator], Iterable[Batch]],
    recipe: Recipe,
    *,
    steps: int,
    stream: Stream,
    compute: Compute,
    progress: Progress,
    terms: tuple[str, ...] = (),
    until: Until | None = None,
    replays: bool = False,
) -> tuple[float, ...]:
    """Trains `players` against one another: `turns(batch, index, epoch)` says who learns what from a batch.

    `index` counts the batches of an epoch, `epoch` counts from 0. Who stands still is in eval mode and its parameters
    ask for no gradient, though gradients flow through it: neither weights nor BatchNorm statistics of it change. Each
    player has optimizers of its own, by `recipe`. All are left frozen. Otherwise as `minimize`; the losses are those
    of turns in which the first player learns, and where it `replays`, turns depend on the batch alone.
    """
    first = next(iter(players))

    def follow(batch: Batch, index: int, epoch: int, optimizers: Optimizers) -> Iterable[Tensor]:
        for turn in turns(batch, index, epoch):
            for name, player in players.items():
                player.train(name in turn.learns).requires_grad_(name in turn.learns)
            value = _step(turn.loss, [optimizer for name in turn.learns for optimizer in optimizers[name]], compute)
            if first in turn.learns:
                yield value

    with compute.lane():
        losses = _train(
            follow, players, batches, recipe,
            steps=steps, stream=stream, compute=compute, progress=progress, terms=terms, replays=replays, until=until,
        )  # fmt: skip
    for player in players.values():
        player.eval().requires_grad_(False)
    return losses


def _train(
    follow: Callable[[Batch, int, int, Optimizers], Iterable[Tensor]],
    players: Mapping[str, nn.Module],
    batches: Callable[[torch.Generator], Iterable[Batch]],
    recipe: Recipe,
    *,
    steps: int,
    stream: Stream,
    compute: Compute,
    progress: Progress,
    terms: tuple[str, ...],
    until: Until | None,
    replays: bool,
) -> tuple[float, ...]:
    """The epochs of both loops: `follow` makes the updates of a batch and tells the losses that count."""
    optimizers = {
        name: optimizers_of(
            recipe.optimizer, list(player.parameters()), rate=recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        for name, player in players.items()
    }
    means, parts = list[float](), dict[str, float]()
    total, before_these = (recipe.epochs_in_all or recipe.epochs) * steps, recipe.epochs_before * steps
    everything = [optimizer for several in optimizers.values() for optimizer in several]
    full_rates = [optimizer.defaults["lr"] for optimizer in everything]
    checkpoint = progress.checkpoint()
    states: dict[str, Any] = dict(players)
    for name, several in optimizers.items():
        states |= {f"{name} optimizer {number}": optimizer for number, optimizer in enumerate(several)}
    if saved := checkpoint.load():
        for name, part in states.items():
            part.load_state_dict(saved[name])
        means, parts = saved["means"], saved.get("parts", {})
        if compute.device.type != "cpu":
            for optimizer in everything:  # they took what was saved, on the CPU
                keep_rate_on(optimizer, compute.device)
    before = _copies(players) if until else {}
    replayed = Replayed(lambda batch: follow(batch, 0, 0, optimizers)) if replays and compute.graphs else None
    for epoch in range(len(means), recipe.epochs):
        losses = list[Tensor]()
        with stream.initialization(f"noise {epoch}"):
            for index, batch in enumerate(batches(stream.torch(f"epoch {epoch}"))):
                share = _rate(recipe, min(before_these + epoch * steps + index, total), total)
                for optimizer, rate in zip(everything, full_rates, strict=True):
                    set_rate(optimizer, rate * share)
                losses += follow(batch, index, epoch, optimizers) if replayed is None else replayed(batch)
        # Losses stay on the device until here: a GPU is not made to wait for each number.
        mean, *of_terms = torch.stack(losses).mean(0).reshape(-1).tolist()
        _refuse_divergence(mean, epoch, recipe)
        told = dict(zip(terms, of_terms, strict=True))
        if until is not None:
            told[until.name] = until.measure()
        progress.tell(epoch + 1, recipe.epochs, mean, told)
        is_over = until is not None and told[until.name] > until.limit
        if is_over and means:
            for name, player in players.items():
                player.load_state_dict(before[name])
            break
        means.append(mean)
        parts.update(told)
        if is_over:
            break
        if until is not None:
            before = _copies(players)
        checkpoint.save(
            lambda: {**{name: part.state_dict() for name, part in states.items()}, "means": means, "parts": parts}
        )
    progress.terms = parts
    for optimizer in everything:
        optimizer.zero_grad()  # gradients may lie in the memory of graphs
    return tuple(means)


def _copies(players: Mapping[str, nn.Module]) -> dict[str, dict[str, Tensor]]:
    return {
        name: {key: value.clone() for key, value in player.state_dict().items()} for name, player in players.items()
    }


def _step(loss: Callable[[], Tensor], optimizers: Sequence[torch.optim.Optimizer], compute: Compute) -> Tensor:
    """One update by `optimizers` along the gradient of `loss`, whose value it returns."""
    with compute.autocast():
        value = loss()
    for optimizer in optimizers:
        optimizer.zero_grad(set_to_none=True)
    (value[0] if value.ndim else value).backward()  # type: ignore[no-untyped-call]
    for optimizer in optimizers:
        optimizer.step()
    return value.detach()


def _refuse_divergence(mean: float, epoch: int, recipe: Recipe) -> None:
    if not math.isfinite(mean):
        raise CollabError(
            f"the loss became {mean} in epoch {epoch + 1} of {recipe.epochs}: {recipe.optimizer} with "
            f"learning rate {recipe.learning_rate} diverged. Lower `learning_rate`, or use `precision: fp32`."
        )


def _rate(recipe: Recipe, step: int, total: int) -> float:
    """Share of the full learning rate at `step` of `total`; one-cycle rises over the first 30 %, as in torch's own.

    Torch's schedulers are not used: theirs raise or climb again where an epoch has a batch more than it was told, and
    each keeps a state that a checkpoint would have to hold.
    """
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
