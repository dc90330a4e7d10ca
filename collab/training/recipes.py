"""The steps of the regime as functions of networks and rows: train a classifier, invert, poison, refine, score."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor, nn

from collab.seeding import Stream
from collab.training.augmentation import CROP, MIRROR, cropped, draw_crops, draw_mirrors, draw_shifts, shifted
from collab.training.columns import Column, send_parts
from collab.training.feeds import FeatureFeed, ImageSet, Pictures, as_pictures, even_batches, numbered_batches, steps_in
from collab.training.graphs import can_replay
from collab.training.loop import Recipe, minimize
from collab.training.losses import inversion_loss
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
        draw = {CROP: draw_crops, MIRROR: draw_mirrors}.get(str(recipe.augment), draw_shifts)
        drawn: Iterable[Tensor] = (draw(len(numbers), height, generator) for numbers in dealt)
        if spoil is None:  # else its draws lie between those of the batches
            drawn = send_parts(list(drawn), compute.device) if recipe.augment else ()
        changes = iter(drawn)
        for numbers in dealt:
            pixels, y = pictures.pixels(numbers), labels.take(numbers)
            if not recipe.augment:
                x = as_pictures(pixels)
            else:
                change = next(changes).to(compute.device)
                y = task.mirror(y, change[:, -1] > 0)
                is_crop = recipe.augment == CROP
                x = cropped(as_pictures(pixels), change) if is_crop else as_pictures(shifted(pixels, change))
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
    proximal: float = 0.0,
) -> tuple[float, ...]:
    r"""Step 3: trains C further on own and pooled features by (DP-1), F untouched. Changes `decider`.

    `proximal` $= \mu$ adds $\frac{\mu}{2} \lVert w - w_0 \rVert^2$, $w_0$ being the weights that it is given with
    (FedProx of Li et al., MLSys 2020).

    Running statistics of BatchNorm follow the rows of `feed` (`update`), stay (`frozen`), or (`own`) are taken again in
    the end over the rows of `own`, which are unpoisoned, as those are that C is going to read.
    """
    compute.place(decider).train()
    if bn == "frozen":
        for part in decider.modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm):
                part.eval()

    weights = list(decider.parameters())
    begun_with = [weight.detach().clone() for weight in weights] if proximal else []

    def loss(batch: tuple[Tensor, ...]) -> Tensor:
        value = task.loss(decider(batch[0]), batch[1], label_smoothing=recipe.label_smoothing)
        for weight, was in zip(weights, begun_with, strict=False):  # none unless asked for
            value = value + proximal / 2 * (weight - was).square().sum()
        return value

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
