"""Step 2 of the regime: trains a DPM by (DP-6), against R and others, with what may be varied of it."""

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from collab.models.freeze import fold, freeze
from collab.seeding import Stream
from collab.training.augmentation import shift_and_flip
from collab.training.columns import Column, send
from collab.training.feeds import FeatureFeed, ImageSet, Pictures
from collab.training.graphs import can_replay
from collab.training.loop import Recipe, Turn, Until, minimize, take_turns
from collab.training.losses import Disparity, identity_confusion, inversion_loss, poison_loss, reconstruction_disparity
from collab.training.precision import Compute
from collab.training.progress import Progress
from collab.training.tasks import CLASSES, Task


@dataclass(frozen=True)
class Poisoning:
    """What a DPM is trained for: how it stays readable, how it hides, and lambda between the two.

    `target` None: from R; else from a network that names people, which is to name random ones. `adapt`: R and the
    others learn too, in turns with P, to rebuild what it publishes.
    """

    equivalence: Literal["labels", "logits"]
    ssim_loss: Disparity
    ssim_weight: float
    target: Literal["per_step", "per_image"] | None = None
    adapt: bool = False


def train_dpm(
    dpm: nn.Module,
    feed: FeatureFeed,
    images: ImageSet,
    decider: nn.Module,
    reconstructor: nn.Module,
    aim: Poisoning,
    recipe: Recipe,
    *,
    stream: Stream,
    compute: Compute,
    progress: Progress,
    others: Sequence[nn.Module] = (),
    before: nn.Module | None = None,
    after: nn.Module | None = None,
    task: Task = CLASSES,
    identifier: tuple[nn.Module, int] | None = None,
    featurizer: nn.Module | None = None,
    held: FeatureFeed | None = None,
    most_gap: float = math.inf,
) -> tuple[float, ...]:
    """Step 2: trains P on an entity's own rows by (DP-6) against frozen C and R; changes `dpm` only.

    Gradients flow through folded copies of C and R, which differ from them by rounding (1e-6); C and R are untouched.
    The disparity is the mean over R and `others`; where these adapt, copies of them take a step by (DP-3) on what P
    makes of the own images before each of P's. P learns between `before` and `after`, so C and R see
    after(P(before(F(x)))), and what C is to answer to that is still its answer to F(x).

    With an `identifier`, A and how many people it names, P learns to make it name random ones (DPF 4.4), and R is no
    opponent: a random person for each image, drawn anew in each step or once for all.

    Where the recipe augments, images are shifted and mirrored and their features are made by `featurizer` (F) on the
    way. With `held`, rows that it does not learn from, it ends before the epoch after which C reads poisoned rows of
    `feed` better than those by more than `most_gap`, in the task's merits (G of SCIENCE 4.2, as the entity sees it).
    """
    compute.place(dpm).train()
    read = compute.place(fold(decider))
    adapts = aim.adapt and identifier is None
    rebuilders = [
        compute.place(copy.deepcopy(network) if adapts else fold(network)) for network in (reconstructor, *others)
    ]

    batches = feed.beside()
    if identifier is not None:
        compute.place(identifier[0])
        batches = _beside_people(feed, identifier[1], aim, stream)
    elif aim.ssim_weight or adapts or recipe.augment:
        batches = feed.beside(Pictures(images, compute.device))
    if recipe.augment:
        assert featurizer is not None
        batches = _augmented(batches, compute.place(featurizer), feed.dtype, task, compute)

    def published(features: Tensor) -> Tensor:
        with torch.no_grad():
            arriving = features if before is None else before(features)
        poisoned: Tensor = dpm(arriving)
        return poisoned if after is None else after(poisoned)

    def with_terms(equivalence: Tensor, disparity: Tensor) -> Tensor:
        loss = poison_loss(equivalence, disparity, ssim_weight=aim.ssim_weight)
        return torch.stack([loss, equivalence.detach(), disparity.detach()])

    def loss(batch: tuple[Tensor, ...]) -> Tensor:
        features, labels, *beside = batch
        poisoned = published(features)
        logits = read(poisoned)
        if aim.equivalence == "labels":
            equivalence = task.loss(logits, labels, label_smoothing=recipe.label_smoothing)
        else:
            with torch.no_grad():
                original = read(features)
            equivalence = task.equivalence(logits, original)
        if not aim.ssim_weight:
            return with_terms(equivalence, torch.zeros_like(equivalence))
        if identifier is not None:
            return with_terms(equivalence, identity_confusion(identifier[0](poisoned), beside[0]))
        disparities = [
            reconstruction_disparity(rebuild(poisoned), beside[0], ssim_loss=aim.ssim_loss) for rebuild in rebuilders
        ]
        return with_terms(equivalence, torch.stack(disparities).mean())

    def rebuilt(rebuild: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        features, _, pictures = batch
        return inversion_loss(rebuild(published(features).detach()), pictures)

    def turns(batch: tuple[Tensor, ...], index: int, epoch: int) -> Iterator[Turn]:
        for number, rebuild in enumerate(rebuilders):
            yield Turn((f"R{number}",), partial(rebuilt, rebuild, batch))
        yield Turn(("P",), partial(loss, batch))

    how: dict[str, Any] = {"steps": feed.steps, "stream": stream, "compute": compute, "progress": progress}
    how["terms"] = ("equivalence", "disparity")
    if held is not None:

        def gap() -> float:
            dpm.eval()
            with stream.initialization("gap"), torch.no_grad(), compute.autocast():
                merits = [
                    torch.cat([task.merits(read(published(x)).float(), y) for x, y, _ in rows.batches(None)]).mean()
                    for rows in (feed, held)
                ]
            dpm.train()
            return float(merits[0] - merits[1])

        how["until"] = Until("gap", most_gap, gap)
    how["replays"] = can_replay(dpm, before, after, read, *rebuilders, identifier and identifier[0])
    if adapts:
        players = {"P": dpm, **{f"R{number}": rebuild for number, rebuild in enumerate(rebuilders)}}
        losses = take_turns(turns, players, batches, recipe, **how)
    else:
        losses = minimize(loss, dpm, batches, recipe, **how)
    freeze(dpm)
    return losses


def _augmented(
    passes: Callable[[torch.Generator], Iterator[tuple[Tensor, ...]]],
    featurizer: nn.Module,
    stored: torch.dtype,
    task: Task,
    compute: Compute,
) -> Callable[[torch.Generator], Iterator[tuple[Tensor, ...]]]:
    """Passes of F of shifted and mirrored images, rounded as `stored` ones are, their labels, and these images."""

    def batches(generator: torch.Generator) -> Iterator[tuple[Tensor, ...]]:
        for _, labels, pictures in passes(generator):
            shown, is_mirrored = shift_and_flip(pictures, generator)
            with torch.no_grad(), compute.autocast():
                features = featurizer(shown)
            yield features.to(stored).float(), task.mirror(labels, is_mirrored), shown

    return batches


def _beside_people(
    feed: FeatureFeed, people: int, aim: Poisoning, stream: Stream
) -> Callable[[torch.Generator], Iterator[tuple[Tensor, ...]]]:
    """Passes of features, labels and a random person for each row: its own for good, or drawn anew in each pass."""
    if aim.target == "per_image":
        return feed.beside(Column(torch.randint(people, (feed.rows,), generator=stream.torch("people")), feed.device))
    passes = feed.beside()

    def batches(generator: torch.Generator) -> Iterator[tuple[Tensor, ...]]:
        # All at once, of torch's generator, which each epoch seeds: the same numbers as one batch after the other.
        drawn, at = send(torch.randint(people, (feed.rows,)), feed.device), 0
        for features, labels in passes(generator):
            yield features, labels, drawn[at : at + len(labels)]
            at += len(labels)

    return batches
