"""What images are like, learned once of public ones: a density of main components, given what C takes them for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from collab.attacks.base import Compute, Knowledge, Progress, Stream
from collab.models.flow import ConditionalFlow
from collab.models.freeze import freeze
from collab.training.feeds import ImageSet, even_batches, steps_in
from collab.training.loop import Recipe, minimize
from collab.training.recipes import features_of, outputs_of

MOST_VALUES = 1 << 27
"""Values of images of which main components are found, at most: 512 MiB."""

LEAST_OF_CLASS = 16
"""Public images that C must take for a class, or the density knows nothing of it."""

UNTOLD, NOISE = 0.1, 0.1
"""Share of training images whose condition is hidden, and what is added to codes in standard deviations: of few images
a density would else remember each."""


@dataclass(frozen=True)
class Components:
    """Main components of images: `mean` [values], `axes` [values, components] and standard deviations `spread`."""

    mean: Tensor
    axes: Tensor
    spread: Tensor

    @classmethod
    def of(cls, images: Tensor, count: int) -> Self:
        """The first `count` of `images` [rows, 3, side, side], fewer than rows; draws from torch's global generator."""
        flat = images.flatten(1)
        mean = flat.mean(0)
        count = min(count, len(flat) - 1, flat.shape[1])
        _, _, found = torch.pca_lowrank(flat - mean, min(count + 16, *flat.shape), center=False, niter=4)
        axes = found[:, :count].contiguous()
        return cls(mean, axes, ((flat - mean) @ axes).std(0, correction=0).clamp(min=1e-6))

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Codes [rows, components] of unit variance, and what they leave of images [rows, 3, side, side]."""
        flat = images.flatten(1) - self.mean
        codes = flat @ self.axes
        return codes / self.spread, (flat - codes @ self.axes.T).view_as(images)

    def decode(self, codes: Tensor, rest: Tensor) -> Tensor:
        """Images of these codes and this rest."""
        return ((codes * self.spread) @ self.axes.T + self.mean).view_as(rest) + rest


@dataclass(frozen=True)
class Prior:
    """p(codes | condition) of images; `told` says of which classes it has learned, or moves other targets to unit size.

    The condition is what C takes an image for: of private images the published label says it, of public ones C does.
    Classes themselves would not carry over, since public images are of others.
    """

    components: Components
    flow: ConditionalFlow
    told: Tensor

    @classmethod
    def fit(
        cls, known: Knowledge, public: ImageSet, components: int, recipe: Recipe,
        *, stream: Stream, compute: Compute, progress: Progress,
    ) -> Self:  # fmt: skip
        """That of `public` images."""
        pixels = public.images[0].size
        rows = np.unique(np.linspace(0, len(public) - 1, min(len(public), max(MOST_VALUES // pixels, 2))).astype(int))
        with stream.initialization("components"):
            axes = Components.of(public.take(rows, compute.device).cpu().contiguous(), components)
        answers = answers_about(known, public, compute)
        targets = known.task.targets_of(answers)
        classes = answers.shape[1] if targets.ndim == 1 else 0
        if classes:
            told = (torch.bincount(targets, minlength=classes) >= LEAST_OF_CLASS).float()
        else:
            told = torch.stack([targets.float().mean(0), targets.float().std(0).clamp(min=1e-6)])
        size = len(axes.spread)
        with stream.initialization():
            flow = ConditionalFlow(size, told.shape[-1])
        prior = cls(axes, compute.place(flow).train(), told)
        parts = torch.split(torch.arange(len(public)), 256)
        codes = torch.cat([axes.encode(public.take(part.numpy(), compute.device).cpu())[0] for part in parts])
        condition = prior.condition(targets)

        def batches(generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
            for index in even_batches(len(codes), recipe.batch_size, generator):
                noise = NOISE * torch.randn(len(index), size, generator=generator)
                is_told = torch.rand(len(index), 1, generator=generator) >= UNTOLD
                yield (codes[index] + noise).to(compute.device), (condition[index] * is_told).to(compute.device)

        minimize(
            lambda batch: -flow(*batch).mean() / size, flow, batches, recipe,
            steps=steps_in(len(codes), recipe.batch_size), stream=stream, compute=compute, progress=progress,
        )  # fmt: skip
        freeze(flow.cpu())
        return prior

    def condition(self, targets: Tensor) -> Tensor:
        """What is told of images with these targets, [rows, condition] in fp32; zeros where that is nothing."""
        if self.told.ndim == 1:
            return functional.one_hot(targets, len(self.told)).float() * self.told
        return (targets.float() - self.told[0]) / self.told[1]

    def state(self) -> dict[str, Tensor]:
        """All of it as tensors by name."""
        parts = self.components
        weights = {f"flow.{name}": value.cpu() for name, value in self.flow.state_dict().items()}
        return {"mean": parts.mean, "axes": parts.axes, "spread": parts.spread, "told": self.told, **weights}

    @classmethod
    def of_state(cls, state: Mapping[str, Tensor]) -> Self:
        """The one whose `state` this is."""
        flow = ConditionalFlow(len(state["spread"]), state["told"].shape[-1])
        flow.load_state_dict({name[5:]: value for name, value in state.items() if name.startswith("flow.")})
        return cls(Components(state["mean"], state["axes"], state["spread"]), freeze(flow), state["told"])


def answers_about(known: Knowledge, images: ImageSet, compute: Compute) -> Tensor:
    """What C answers about images, [rows, outputs]."""
    return outputs_of(known.decider, (part for part, _ in features_of(known.featurizer, images, compute)), compute)
