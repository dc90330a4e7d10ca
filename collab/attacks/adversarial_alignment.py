"""No pairs, learned: an un-poisoner that a discriminator cannot tell from F, under C's eyes (ATTACKS A4c)."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from collab.attacks import options
from collab.attacks.base import Attack, Compute, Knowledge, Progress, Stream
from collab.attacks.distribution_matching import Moments, public_features, zca_map
from collab.attacks.whole_shard import sample_rows
from collab.models.layers import convolution
from collab.training.feeds import even_batches, steps_in
from collab.training.loop import Recipe, Turn, take_turns
from collab.training.recipes import outputs_of


class Unpoisoner(nn.Module):
    """U: a linear map of each place, at first the one that matches moments, and a block that mends it, at first 0."""

    def __init__(self, published: Moments, plain: Moments, *, rectified: bool) -> None:
        super().__init__()
        channels = len(plain.mean)
        matrix = zca_map(published, plain)
        self.linear = nn.Conv2d(channels, channels, 1)
        self.linear.weight.data.copy_(matrix[:, :, None, None])
        self.linear.bias.data.copy_(plain.mean - matrix @ published.mean)  # type: ignore[union-attr]
        middle, last = max(channels // 2, 16), nn.Conv2d(max(channels // 2, 16), channels, 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        self.mend = nn.Sequential(nn.Conv2d(channels, middle, 3, padding=1), nn.ReLU(), last)
        self.rectified = rectified

    @override
    def forward(self, features: Tensor) -> Tensor:
        mapped: Tensor = self.linear(features) + self.mend(features)
        return mapped.relu() if self.rectified else mapped


def build_discriminator(channels: int) -> nn.Sequential:
    """Tells F(z) from U(f*): a logit for each place, of what is around it."""
    middle = max(channels // 2, 16)
    return nn.Sequential(
        *convolution(channels, middle, 3, norm=False), nn.LeakyReLU(0.2),
        *convolution(middle, middle, 3, norm=False), nn.LeakyReLU(0.2), nn.Conv2d(middle, 1, 1),
    )  # fmt: skip


@dataclass(frozen=True)
class AdversarialAlignment(Attack):
    r"""Trains U so that U(f*) looks like F(Q) and C answers to it as to f*, then applies R.

    $\min_U \max_D\; \mathbb E \log D(F(z)) + \mathbb E \log(1 - D(U(f^*))) + w\, \mathrm{eq}(C(U(f^*)), C(f^*))$, the
    first player by the non-saturating form. Nothing chooses among iterates: the last one is applied.
    """

    Options = options.AdversarialAlignment
    needs = frozenset({"featurizer", "decider", "reconstructor", "public_data"})

    epochs: int
    images: int
    equivalence_weight: float

    @override
    def rebuild(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> Tensor:
        further, _ = sample_rows(known, skipped=len(known.features))
        published, plain = torch.cat([known.features, further]), public_features(known, self.images, compute)
        with stream.initialization():
            unpoison = Unpoisoner(Moments.of(published), Moments.of(plain), rectified=bool((plain >= 0).all()))
            tell = build_discriminator(plain.shape[1])
        for network in (unpoison, tell, known.decider):
            compute.place(network)

        def batches(generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
            for index in even_batches(len(published), 32, generator):
                others = torch.randint(len(plain), (len(index),), generator=generator)
                yield published[index].to(compute.device), plain[others].to(compute.device)

        def discern(rows: Tensor, others: Tensor) -> Tensor:
            return functional.softplus(-tell(others)).mean() + functional.softplus(tell(unpoison(rows))).mean()

        def align(rows: Tensor) -> Tensor:
            unpoisoned = unpoison(rows)
            with torch.no_grad():
                answers = known.decider(rows)
            agreement = known.task.equivalence(known.decider(unpoisoned), answers)
            return functional.softplus(-tell(unpoisoned)).mean() + self.equivalence_weight * agreement

        def turns(batch: tuple[Tensor, Tensor], index: int, epoch: int) -> Iterator[Turn]:
            yield Turn(("D",), partial(discern, *batch))
            yield Turn(("U",), partial(align, batch[0]))

        take_turns(
            turns, {"U": unpoison, "D": tell}, batches, Recipe(self.epochs, 32, "adam", 5e-4, schedule="cosine"),
            steps=steps_in(len(published), 32), stream=stream, compute=compute, progress=progress,
        )  # fmt: skip
        unpoisoned = outputs_of(unpoison, known.features, compute)
        return outputs_of(known.reconstructor, unpoisoned, compute)
