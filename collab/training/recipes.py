"""The steps of the regime as functions of networks and rows: train a classifier, invert, poison, refine, score."""

import copy
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from collab.models.freeze import fold, freeze
from collab.seeding import Stream
from collab.training.columns import Column, send, send_parts
from collab.training.feeds import FeatureFeed, ImageSet, Pictures, as_pictures, even_batches, numbered_batches, steps_in
from collab.training.graphs import can_replay
from collab.training.loop import Recipe, Turn, Until, minimize, take_turns
from collab.training.losses import Disparity, identity_confusion, inversion_loss, poison_loss, reconstruction_disparity
from collab.training.precision import Compute
from collab.training.progress import Progress
from collab.training.statistics import settle_statistics
from collab.training.tasks import CLASSES, Task

EVAL_BATCH = 256


def train_classifier(
    network: nn.Module,
    images: ImageSet,
    recipe: Recipe,
    *,
    stream: Stream,
    compute: Compute,
    progress: Progress,
    spoil: Callable[[Tensor, torch.Generator], Tensor] | None = None,
    task: Task = CLASSES,
) -> tuple[float, ...]:
    """Step 1 and rows 1 to 5: trains decider after featurizer on images and labels by (DP-1). Changes `network`.

    `spoil` makes what the network sees of a batch [batch, 3, height, width], after the recipe's augmentation.
    """
    compute.place(network).train()

    pictures, labels = Pictures(images, compute.device), Column(images.labels, compute.device)

    def batches(generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        dealt = list(numbered_batches(len(images), recipe.batch_size, generator, compute.device))
        height = images.images.shape[2]
        drawn: Iterable[Tensor] = (draw_shifts(len(numbers), height, generator) for numbers in dealt)
        if spoil is None:  # else its draws lie between those of the batches
            drawn = send_parts(list(drawn), compute.device) if recipe.augment else ()
        shifts = iter(drawn)
        for numbers in dealt:
            pixels, y = pictures.pixels(numbers), labels.take(numbers)
            if recipe.augment:
                shift = next(shifts).to(compute.device)
                pixels, y = shifted(pixels, shift), task.mirror(y, shift[:, 2] > 0)
            x = as_pictures(pixels)
            yield x if spoil is None else spoil(x, generator), y

    def loss(batch: tuple[Tensor, Tensor]) -> Tensor:
        return task.loss(network(batch[0]), batch[1], label_smoothing=recipe.label_smoothing)

    steps = steps_in(len(images), recipe.batch_size)
    losses = minimize(
        loss, network, batches, recipe,
        steps=steps, stream=stream, compute=compute, progress=progress, replays=can_replay(network),
    )  # fmt: skip
    network.eval()
    return losses


def blur(images: Tensor, generator: torch.Generator) -> Tensor:
    """Half of the images as a reconstruction may show them: means of squares of 2 or 4 pixels, enlarged, with noise.

    Images [batch, 3, height, width] in [0, 1]; the noise has a standard deviation of .05.
    """
    side = 2 if torch.rand((), generator=generator) < 0.5 else 4
    coarse = nn.functional.avg_pool2d(images, side, ceil_mode=True)
    shown = nn.functional.interpolate(coarse, size=images.shape[2:], mode="bilinear", align_corners=False)
    noise = torch.randn(images.shape, generator=generator).to(images) * 0.05
    is_blurred = torch.rand(len(images), generator=generator).to(images.device) < 0.5
    return torch.where(is_blurred[:, None, None, None], (shown + noise).clamp(0, 1), images)


def shift_and_flip(images: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Each image shifted by up to an eighth of its side, edges filled with 0, half of them mirrored; which [batch]."""
    shifts = draw_shifts(len(images), images.shape[2], generator).to(images.device)
    return shifted(images, shifts), shifts[:, 2] > 0


def draw_shifts(count: int, height: int, generator: torch.Generator) -> Tensor:
    """For each of `count` images where it begins in itself enlarged, down and along, and whether it is mirrored.

    int64 [count, 3]; an eighth of its height is added at each edge.
    """
    top, left = (torch.randint(0, 2 * (height // 8) + 1, (count, 1), generator=generator) for _ in range(2))
    is_mirrored = torch.rand(count, 1, generator=generator) < 0.5
    return torch.cat((top, left, is_mirrored.long()), 1)


def shifted(images: Tensor, shifts: Tensor) -> Tensor:
    """Images [batch, 3, height, width] of any type moved and mirrored as `shifts` [batch, 3] says, channels last."""
    count, _, height, width = images.shape
    reach, device = height // 8, images.device
    padded = nn.functional.pad(images, (reach, reach, reach, reach))
    rows = shifts[:, :1] + torch.arange(height, device=device)
    along = torch.arange(width, device=device).expand(count, -1)
    columns = shifts[:, 1:2] + torch.where(shifts[:, 2:] > 0, along.flip(1), along)
    which = torch.arange(count, device=device).view(-1, 1, 1)
    picked = padded.permute(0, 2, 3, 1)[which, rows.unsqueeze(2), columns.unsqueeze(1)]
    return picked.permute(0, 3, 1, 2)


def features_of(
    featurizer: nn.Module, images: ImageSet, compute: Compute, *, transform: nn.Module | None = None
) -> Iterator[tuple[Tensor, Tensor]]:
    """F(x), or P(F(x)) with a `transform`, and labels, in row order, batch by batch; frozen networks in eval mode."""
    for index in even_batches(len(images), EVAL_BATCH, None):
        x = images.take(index.numpy(), compute.device)
        with torch.no_grad(), compute.autocast():
            features = featurizer(x)
            features = transform(features) if transform else features
        yield features.float(), torch.from_numpy(images.labels[index.numpy()])


def train_reconstructor(
    reconstructor: nn.Module,
    feed: FeatureFeed,
    images: ImageSet,
    recipe: Recipe,
    *,
    stream: Stream,
    compute: Compute,
    progress: Progress,
) -> tuple[float, ...]:
    """Step 1: trains R to invert F by (DP-3); `images` holds row i of `feed` at i. Changes `reconstructor`."""
    compute.place(reconstructor).train()

    def loss(batch: tuple[Tensor, ...]) -> Tensor:
        features, _, pictures = batch
        return inversion_loss(reconstructor(features), pictures)

    batches = feed.beside(Pictures(images, compute.device))
    losses = minimize(
        loss, reconstructor, batches, recipe,
        steps=feed.steps, stream=stream, compute=compute, progress=progress, replays=can_replay(reconstructor),
    )  # fmt: skip
    reconstructor.eval()
    return losses


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


def refine_decider(
    decider: nn.Module,
    feed: FeatureFeed,
    recipe: Recipe,
    *,
    bn: Literal["own", "update", "frozen"],
    stream: Stream,
    compute: Compute,
    progress: Progress,
    task: Task = CLASSES,
    own: FeatureFeed | None = None,
) -> tuple[float, ...]:
    """Step 3: trains C further on own and pooled features by (DP-1), F untouched. Changes `decider`.

    Running statistics of BatchNorm follow the rows of `feed` (`update`), stay (`frozen`), or (`own`) are taken again in
    the end over the rows of `own`, which are unpoisoned, as those are that C is going to read.
    """
    compute.place(decider).train()
    if bn == "frozen":
        for part in decider.modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm):
                part.eval()

    def loss(batch: tuple[Tensor, ...]) -> Tensor:
        return task.loss(decider(batch[0]), batch[1], label_smoothing=recipe.label_smoothing)

    losses = minimize(
        loss, decider, feed.beside(), recipe,
        steps=feed.steps, stream=stream, compute=compute, progress=progress, replays=can_replay(decider),
    )  # fmt: skip
    if bn == "own":
        assert own is not None
        settle_statistics(decider, lambda: (features for features, _, _ in own.batches(None)), compute)
    decider.eval()
    return losses


def batched(rows: Tensor) -> tuple[Tensor, ...]:
    """[rows, ...] in pieces that are evaluated at a time."""
    return torch.split(rows, EVAL_BATCH)


def outputs_of(network: nn.Module, inputs: Tensor | Iterable[Tensor], compute: Compute) -> Tensor:
    """All outputs [rows, ...] in fp32 on the CPU, network in eval mode.

    `inputs` [rows, ...] are split here, so that any number of rows fits; what comes in pieces is read piece by piece.
    Vectors are fetched from the device all at once, images and maps piece by piece: all of them might not fit there.
    """
    compute.place(network).eval()
    pieces = batched(inputs) if isinstance(inputs, Tensor) else inputs
    with torch.no_grad(), compute.autocast():
        answers = (network(x.to(compute.device).float()).float() for x in pieces)
        return torch.cat([answer if answer.ndim <= 2 else answer.cpu() for answer in answers]).cpu()


def with_budget(recipe: Recipe, rows: int, most_rows: int, budget: Literal["epochs", "steps"]) -> Recipe:
    """`steps`: as many passes as give every row of the table about the optimizer steps of its largest one."""
    if budget == "epochs":
        return recipe
    steps = recipe.epochs * steps_in(most_rows, recipe.batch_size)
    return replace(recipe, epochs=max(1, round(steps / steps_in(rows, recipe.batch_size))))
