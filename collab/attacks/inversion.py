"""What attacks that learn have in common: a reconstructor that inverts an encoder which the adversary can run."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from typing_extensions import override

from collab.attacks.base import Attack, Knowledge
from collab.models.reconstructors import build_reconstructor
from collab.seeding import Stream
from collab.training.feeds import ImageSet, even_batches, steps_in
from collab.training.loop import Recipe, minimize
from collab.training.losses import inversion_loss
from collab.training.precision import Compute
from collab.training.progress import Progress
from collab.training.recipes import outputs_of


@dataclass(frozen=True)
class FreshReconstructor(Attack):
    """Trains a new reconstructor on public images as an encoder shows them; a subclass says which encoder."""

    reconstructor: str
    recipe: Recipe

    @abstractmethod
    def encoder(self, known: Knowledge) -> Callable[[Tensor], Tensor]:
        """What the new reconstructor learns to invert: images [batch, 3, side, side] to features."""

    @override
    def rebuild(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> Tensor:
        _, channels, height, width = known.features.shape
        side = known.public_data.images.shape[-1]
        with stream.initialization():
            shape = (channels, height, width)
            learner = build_reconstructor(self.reconstructor, shape, side, tail_blocks=2, upscale="nearest")
        invert(
            learner, self.encoder(known), (known.public_data,), self.recipe,
            stream=stream, compute=compute, progress=progress,
        )  # fmt: skip
        return outputs_of(learner, known.features, compute)


def invert(
    learner: nn.Module,
    encode: Callable[[Tensor], Tensor],
    sets: Sequence[ImageSet],
    recipe: Recipe,
    *,
    stream: Stream,
    compute: Compute,
    progress: Progress,
    loss: Callable[[Tensor, Tensor], Tensor] = inversion_loss,
) -> nn.Module:
    """Trains `learner` in place on pairs (encode(z), z), z from all of `sets`, by `loss`; returns it in eval mode.

    Encodes batch by batch: nothing but the images themselves has to fit anywhere.
    """
    first, count = len(sets[0]), sum(map(len, sets))

    def taken(index: Tensor) -> Tensor:
        parts = [(sets[0], index[index < first])]
        parts += [(sets[1], index[index >= first] - first)] if len(sets) > 1 else []
        return torch.cat([images.take(rows.numpy(), compute.device) for images, rows in parts])

    def batches(generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        for index in even_batches(count, recipe.batch_size, generator):
            images = taken(index)
            with torch.no_grad(), compute.autocast():
                features = encode(images)
            yield features.float(), images

    compute.place(learner).requires_grad_(True).train()
    minimize(
        lambda batch: loss(learner(batch[0]), batch[1]),
        learner,
        batches,
        recipe,
        steps=steps_in(count, recipe.batch_size),
        stream=stream,
        compute=compute,
        progress=progress,
    )
    return learner.eval()
