"""What attacks that learn have in common: a reconstructor that inverts an encoder which the adversary can run."""

import copy
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from typing_extensions import override

from collab.attacks.base import Attack, Compute, Knowledge, Map, Need, Progress, Stream
from collab.models.layers import Residual, convolution
from collab.models.reconstructors import build_reconstructor
from collab.training.feeds import ImageSet, even_batches, steps_in
from collab.training.loop import Recipe, minimize
from collab.training.losses import inversion_loss, perceptual_loss
from collab.training.recipes import outputs_of

Loss = Callable[[Tensor, Tensor], Tensor]
"""Of rebuilt images and true ones, [batch, 3, side, side], a scalar."""


@dataclass(frozen=True)
class Perceptual(Attack):
    """Trains a network that shows images, by a loss that may look at them through F as well."""

    perceptual_weight: float = field(default=0.0, kw_only=True)

    @property
    @override
    def asks_for(self) -> frozenset[Need]:
        return self.needs | ({"featurizer"} if self.perceptual_weight else frozenset())

    def loss(self, pixels: Loss, known: Knowledge, compute: Compute) -> Loss:
        """`pixels`, and beside it the weighted `perceptual_loss` through F; `pixels` itself where that weighs 0."""
        if not self.perceptual_weight:
            return pixels
        featurizer, weight = compute.place(known.featurizer), self.perceptual_weight

        def both(rebuilt: Tensor, images: Tensor) -> Tensor:
            with torch.no_grad():
                original = featurizer(images)
            return pixels(rebuilt, images) + weight * perceptual_loss(featurizer(rebuilt.float()), original)

        return both


@dataclass(frozen=True)
class FreshReconstructor(Perceptual):
    """Trains a new reconstructor on public images as an encoder shows them; a subclass says which encoder."""

    reconstructor: str
    recipe: Recipe

    @abstractmethod
    def encoder(self, known: Knowledge) -> Map:
        """What the new reconstructor learns to invert: images [batch, 3, side, side] to features."""

    @override
    def rebuild(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> Tensor:
        _, channels, height, width = known.features.shape
        side = known.public_data.images.shape[-1]
        with stream.initialization():
            learner = build_reconstructor(self.reconstructor, (channels, height, width), side)
        invert(
            learner, self.encoder(known), (known.public_data,), self.recipe,
            stream=stream, compute=compute, progress=progress, loss=self.loss(inversion_loss, known, compute),
        )  # fmt: skip
        return outputs_of(learner, known.features, compute)


class Mended(nn.Module):
    """R behind two residual blocks of 3×3 convolutions that mend what comes in; at first it is R alone.

    R's own blocks are narrow, and have learned features that need no mending. Those in front see `beside` further
    channels, which stand behind the features'.
    """

    def __init__(self, reconstructor: nn.Module, channels: int, beside: int = 0) -> None:
        super().__init__()
        middle, last = max(channels, 32), nn.Conv2d(max(channels, 32), channels, 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        blocks = [
            Residual(nn.Sequential(*convolution(middle, middle, 3), nn.ReLU(), *convolution(middle, middle, 3)))
            for _ in range(2)
        ]
        self.mend = nn.Sequential(nn.Conv2d(channels + beside, middle, 3, padding=1), *blocks, last)
        self.reconstructor, self.channels = reconstructor, channels

    @override
    def forward(self, features: Tensor) -> Tensor:
        shown: Tensor = self.reconstructor(features[:, : self.channels] + self.mend(features))
        return shown


def build_inverse(known: Knowledge, kind: str | None, beside: int = 0) -> nn.Module:
    """An untrained inverse of modules, features with `beside` further channels to images, in torch's global randomness.

    A reconstructor of `kind`, or where None is asked for R behind blocks that mend (`Mended`).
    """
    _, channels, height, width = known.features.shape
    if kind is None:
        return Mended(copy.deepcopy(known.reconstructor), channels, beside)
    return build_reconstructor(kind, (channels + beside, height, width), known.public_data.images.shape[-1])


def invert(
    learner: nn.Module,
    encode: Map,
    sets: Sequence[ImageSet],
    recipe: Recipe,
    *,
    stream: Stream,
    compute: Compute,
    progress: Progress,
    loss: Loss = inversion_loss,
) -> nn.Module:
    """Trains `learner` in place on pairs (encode(z), z), z from all of `sets`, by `loss`; returns it in eval mode.

    Encodes batch by batch: nothing but the images themselves has to fit anywhere.
    """
    first, count = len(sets[0]), sum(map(len, sets))

    def batches(generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        for index in even_batches(count, recipe.batch_size, generator):
            rows = index[index < first], index[index >= first] - first
            images = torch.cat(
                [part.take(own.numpy(), compute.device) for part, own in zip(sets, rows, strict=False)]
            )  # one set or two
            with torch.no_grad(), compute.autocast():
                features = encode(images)
            yield features.float(), images

    return train_inverse(learner, batches, count, recipe, loss, stream=stream, compute=compute, progress=progress)


def train_inverse(
    learner: nn.Module, batches: Callable[[torch.Generator], Iterator[tuple[Tensor, Tensor]]], rows: int,
    recipe: Recipe, loss: Loss,
    *, stream: Stream, compute: Compute, progress: Progress,
) -> nn.Module:  # fmt: skip
    """Trains `learner` in place by `loss` on batches of features and of images behind them; returns it in eval mode."""
    compute.place(learner).requires_grad_(True).train()
    minimize(
        lambda batch: loss(learner(batch[0]), batch[1]), learner, batches, recipe,
        steps=steps_in(rows, recipe.batch_size), stream=stream, compute=compute, progress=progress,
    )  # fmt: skip
    return learner.eval()
