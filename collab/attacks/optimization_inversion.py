"""Inversion by optimization (ATTACKS A6): the image whose features are read as the published ones are."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from typing_extensions import override

from collab.attacks import options
from collab.attacks.base import Attack, Compute, Knowledge, Map, Need, Progress, Stream
from collab.attacks.leaked_pairs import best_ridge
from collab.metrics.visual import ssim
from collab.models.tokens import blocks_of
from collab.training.optimizers import Adam
from collab.training.recipes import outputs_of

PAIRS, TRIED = 256, 16
"""Public images that the linear map is fitted on, and others on which the smoothness is chosen."""

AT_A_TIME = 64
"""Images that are looked for side by side; each has its own loss."""


@dataclass(frozen=True)
class OptimizationInversion(Attack):
    r"""$\min_x \sum_l \lVert g_l(F(x)) - g_l(f^*) \rVert_1 / \lVert g_l(f^*) \rVert_1 + \tau\,\mathrm{TV}(x)$, by Adam.

    $g_l$ are the blocks of C and its answer, or, where the module has leaked, P alone on the left and nothing on the
    right. The first start is what R makes of f*, mapped back by the linear map that undoes P on public images where P
    is known; the second is the mean public image, further ones are the first with noise. Of each image the end with
    the smallest loss counts; `smoothness` is the tau under which public images of the adversary's own come out best.
    """

    Options = options.OptimizationInversion
    needs = frozenset({"featurizer", "reconstructor", "public_data"})

    through: str
    steps: int
    restarts: int
    learning_rate: float
    smoothness: tuple[float, ...]

    @property
    @override
    def asks_for(self) -> frozenset[Need]:
        return self.needs | {"decider" if self.through == "decider" else "victim_weights"}

    @override
    def rebuild(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> Tensor:
        encode: nn.Module = known.featurizer
        blocks: list[nn.Module] = [nn.Identity()]
        public = known.public_data
        places = torch.linspace(0, len(public) - 1, min(PAIRS + TRIED, len(public))).long()
        images = public.take(places.numpy(), compute.device).cpu()
        is_tried = torch.arange(len(images)) % max(len(images) // TRIED, 2) == 1
        shown = partial(outputs_of, known.reconstructor, compute=compute)
        start: Map = shown
        if self.through == "module":
            encode = nn.Sequential(known.featurizer, known.victim_weights)
            published, plain = (outputs_of(network, images, compute) for network in (encode, known.featurizer))
            ridge = best_ridge(published[~is_tried], plain[~is_tried], images[~is_tried], (1, 3), shown)

            def start(features: Tensor) -> Tensor:
                return shown(ridge(features))
        else:
            blocks = blocks_of(known.decider)
        mean = images[~is_tried].mean(0)
        find = partial(self._find, encode, blocks, start, mean, stream, compute)
        smoothness = self.smoothness[0]
        if len(self.smoothness) > 1:
            tried = outputs_of(encode, images[is_tried], compute)
            reached = [float(ssim(find(tried, tau), images[is_tried]).mean()) for tau in self.smoothness]
            smoothness = self.smoothness[reached.index(max(reached))]
        return find(known.features, smoothness)

    def _find(
        self, encode: nn.Module, blocks: Sequence[nn.Module], start: Map, mean: Tensor, stream: Stream,
        compute: Compute, features: Tensor, smoothness: float,
    ) -> Tensor:  # fmt: skip
        """The best end of all starts for each row of `features`."""
        generator, found = stream.torch("starts"), []
        for part in torch.split(features, AT_A_TIME):
            first = start(part)
            noise = (first + 0.1 * torch.randn(first.shape, generator=generator) for _ in range(self.restarts - 2))
            starts = [first, mean.expand_as(first), *noise][: self.restarts]
            ends, losses = zip(
                *(self._descend(encode, blocks, part.to(compute.device), each.to(compute.device), smoothness)
                  for each in starts),
                strict=True,
            )  # fmt: skip
            best = torch.stack(losses).argmin(0)
            found.append(torch.stack(ends)[best, torch.arange(len(part), device=best.device)].cpu())
        return torch.cat(found)

    def _descend(
        self, encode: nn.Module, blocks: Sequence[nn.Module], features: Tensor, start: Tensor, smoothness: float
    ) -> tuple[Tensor, Tensor]:
        """Where the descent from images `start` ends, and the loss [batch] there."""
        with torch.no_grad():
            targets = _answers(features, blocks)
        images = start.clamp(0, 1).clone().requires_grad_(True)
        optimizer = Adam([images], self.learning_rate)

        def losses() -> Tensor:
            total = smoothness * _variation(images)
            for answer, target in zip(_answers(encode(images), blocks), targets, strict=True):
                size = target.abs().flatten(1).sum(1).clamp(min=1e-8)
                total = total + (answer - target).abs().flatten(1).sum(1) / size
            return total

        for step in range(self.steps):
            optimizer.param_groups[0]["lr"] = self.learning_rate * (1 + math.cos(math.pi * step / self.steps)) / 2
            optimizer.zero_grad()
            losses().sum().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            with torch.no_grad():
                images.clamp_(0, 1)
        with torch.no_grad():
            return images.detach(), losses()


def _answers(features: Tensor, blocks: Sequence[nn.Module]) -> list[Tensor]:
    answers = []
    for block in blocks:
        features = block(features)
        answers.append(features)
    return answers


def _variation(images: Tensor) -> Tensor:
    """Mean absolute difference of neighbors, for each image [batch]."""
    down = (images[:, :, 1:] - images[:, :, :-1]).abs().mean((1, 2, 3))
    return down + (images[..., 1:] - images[..., :-1]).abs().mean((1, 2, 3))
