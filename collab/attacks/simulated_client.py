"""No pairs, from the other side: a module of one's own whose release looks like the victim's (ATTACKS A4b)."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from collab.attacks import options
from collab.attacks.adversarial_alignment import Unpoisoner, build_discriminator
from collab.attacks.base import Compute, Knowledge, Progress, Stream
from collab.attacks.distribution_matching import Moments
from collab.attacks.inversion import Perceptual, build_inverse, invert
from collab.attacks.shadow_modules import match_moments
from collab.attacks.shadows import divide_public, fit_shadow, further_reconstructors
from collab.attacks.whole_shard import sample_rows
from collab.metrics.visual import ssim
from collab.scenario.base import CONTROL
from collab.training.feeds import ImageSet, even_batches, steps_in
from collab.training.loop import Recipe, Turn, take_turns
from collab.training.losses import likeness_loss
from collab.training.recipes import features_of, outputs_of

REHEARSED = 512
"""Public images that the rehearsal's own module publishes."""


@dataclass(frozen=True)
class SimulatedClient(Perceptual):
    r"""Trains a client $\tilde P$ on F(Q) until its rows pass for the victim's, and a decoder that inverts it.

    $\min_{\tilde P} \max_D\; \mathbb E \log D(f^*) + \mathbb E \log(1 - D(\tilde P(F(z))))
    + w\, \mathrm{eq}(C(\tilde P(F(z))), C(F(z)))$, the first player by the non-saturating form. It begins as the linear
    map that gives F(Q) the moments of the shard. The decoder, R behind blocks that mend, is told the class of each row:
    the published one, and of public images the one that C takes them for.

    Source: FORA (Xu et al., CVPR 2024), here with moments in place of its kernel distance; the condition is of SDAR
    (Zhu et al., NDSS 2025). Rehearsed against a module of the recipe on public images, which gives the control.
    """

    Options = options.SimulatedClient
    needs = frozenset({"featurizer", "decider", "reconstructor", "public_data", "victim_defense"})

    client_epochs: int
    equivalence_weight: float
    recipe: Recipe
    reconstructor: str | None = None

    @override
    def rehearse(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> dict[str, Tensor]:
        rows, others = divide_public(known.public_data, REHEARSED)
        shown = known.public_data.at(rows)
        how: dict[str, Any] = {"stream": stream, "compute": compute, "progress": progress}
        another = further_reconstructors(known, self.recipe, **how)
        module = fit_shadow(known, 0, shown, None, another=another, **how)
        plain = torch.cat([features.cpu() for features, _ in features_of(known.featurizer, shown, compute)])
        told = known.task.targets_of(outputs_of(known.decider, plain, compute))
        rebuilt = self._decode(known, outputs_of(module, plain, compute), told, known.public_data.at(others), **how)
        truth = shown.take(np.arange(len(shown)), compute.device).cpu()
        return {CONTROL: ssim(rebuilt, truth) - ssim(truth.mean(0, keepdim=True).expand_as(truth), truth)}

    @override
    def rebuild(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> Tensor:
        further, labels = sample_rows(known, skipped=len(known.features))
        published, told = torch.cat([known.features, further]), torch.cat([known.labels, labels])
        rebuilt = self._decode(
            known, published, told, known.public_data, stream=stream, compute=compute, progress=progress
        )
        return rebuilt[: len(known.features)]

    def _decode(
        self, known: Knowledge, published: Tensor, told: Tensor, public: ImageSet,
        *, stream: Stream, compute: Compute, progress: Progress,
    ) -> Tensor:  # fmt: skip
        """Images behind all `published` rows, which are `told` to be of these classes, by what `public` images show."""
        plain = torch.cat([features.cpu() for features, _ in features_of(known.featurizer, public, compute)])
        of_shard, of_public = Moments.of(published), Moments.of(plain)
        match = match_moments(of_shard, of_public)
        classes = outputs_of(known.decider, plain[:2], compute).shape[1] if told.ndim == 1 else 0
        with stream.initialization():
            client = Unpoisoner(of_public, of_shard, rectified=bool((published >= 0).all()))
            tell = build_discriminator(published.shape[1])
            decoder = build_inverse(known, self.reconstructor, classes)
        self._simulate(known, client, tell, published, plain, stream=stream, compute=compute, progress=progress)

        def encode(images: Tensor) -> Tensor:
            features = known.featurizer(images)
            return beside_classes(match(client(features).float()), known.decider(features).argmax(1), classes)

        invert(
            decoder, encode, (public,), self.recipe,
            stream=stream, compute=compute, progress=progress, loss=self.loss(likeness_loss, known, compute),
        )  # fmt: skip
        parts = zip(torch.split(published, 256), torch.split(told, 256), strict=True)
        return outputs_of(decoder, (beside_classes(match(rows), own, classes) for rows, own in parts), compute)

    def _simulate(
        self, known: Knowledge, client: nn.Module, tell: nn.Module, published: Tensor, plain: Tensor,
        *, stream: Stream, compute: Compute, progress: Progress,
    ) -> None:  # fmt: skip
        """Trains `client` until `tell` cannot tell what it makes of `plain` rows from `published` ones."""
        for network in (client, tell, known.decider):
            compute.place(network)

        def batches(generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
            for index in even_batches(len(published), 32, generator):
                others = torch.randint(len(plain), (len(index),), generator=generator)
                yield published[index].to(compute.device), plain[others].to(compute.device)

        def discern(rows: Tensor, features: Tensor) -> Tensor:
            return functional.softplus(-tell(rows)).mean() + functional.softplus(tell(client(features))).mean()

        def imitate(features: Tensor) -> Tensor:
            imitated = client(features)
            with torch.no_grad():
                answers = known.decider(features)
            agreement = known.task.equivalence(known.decider(imitated), answers)
            return functional.softplus(-tell(imitated)).mean() + self.equivalence_weight * agreement

        def turns(batch: tuple[Tensor, Tensor], index: int, epoch: int) -> Iterator[Turn]:
            yield Turn(("D",), partial(discern, *batch))
            yield Turn(("P",), partial(imitate, batch[1]))

        take_turns(
            turns, {"P": client, "D": tell}, batches, Recipe(self.client_epochs, 32, "adam", 5e-4, schedule="cosine"),
            steps=steps_in(len(published), 32), stream=stream, compute=compute, progress=progress,
        )  # fmt: skip


def beside_classes(features: Tensor, told: Tensor, classes: int) -> Tensor:
    """Features [rows, channels + classes, height, width]: behind them a channel for each class, 1 in that of the row.

    `told` [rows] are numbers of classes; with no `classes` the features are as they were.
    """
    if not classes:
        return features
    channels = functional.one_hot(told, classes).to(features)[:, :, None, None]
    return torch.cat([features, channels.expand(-1, -1, *features.shape[2:])], 1)
