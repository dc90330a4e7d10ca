"""Inversion by optimization (ATTACKS A6): the image whose features are read as the published ones are."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from typing_extensions import override

from collab.attacks import options
from collab.attacks.base import Attack, Compute, Knowledge, Need, Progress, Stream
from collab.models.tokens import blocks_of
from collab.training.optimizers import Adam


@dataclass(frozen=True)
class OptimizationInversion(Attack):
    r"""$\min_x \sum_l \lVert g_l(F(x)) - g_l(f^*) \rVert^2 / \lVert g_l(f^*) \rVert^2 + \tau\,\mathrm{TV}(x)$, by Adam.

    $g_l$ are the blocks of C and its answer, or, where the module has leaked, P alone on the left and nothing on the
    right. Starts from the mean public image; the last iterate counts.
    """

    Options = options.OptimizationInversion
    needs = frozenset({"featurizer", "public_data"})

    through: str
    steps: int
    learning_rate: float
    smoothness: float

    @property
    @override
    def asks_for(self) -> frozenset[Need]:
        return self.needs | {"decider" if self.through == "decider" else "victim_weights"}

    @override
    def rebuild(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> Tensor:
        encode: nn.Module = known.featurizer
        blocks: list[nn.Module] = [nn.Identity()]
        if self.through == "module":
            encode = nn.Sequential(known.featurizer, known.victim_weights)
        else:
            blocks = blocks_of(known.decider)
        rows = torch.arange(min(1000, len(known.public_data))).numpy()
        mean = known.public_data.take(rows, compute.device).mean(0)
        parts = torch.split(known.features, 64)
        return torch.cat([self._invert(encode, blocks, part.to(compute.device), mean) for part in parts])

    def _invert(self, encode: nn.Module, blocks: Sequence[nn.Module], features: Tensor, start: Tensor) -> Tensor:
        with torch.no_grad():
            targets = _answers(features, blocks)
        images = start.expand(len(features), -1, -1, -1).clone().requires_grad_(True)
        optimizer = Adam([images], self.learning_rate)
        for _ in range(self.steps):
            # Before the variation: gradients are added up in the order of the operations, and rounded so.
            answers = _answers(encode(images), blocks)
            loss = self.smoothness * _variation(images).sum()
            for answer, target in zip(answers, targets, strict=True):
                error = (answer - target).square().flatten(1).sum(1)
                loss = loss + (error / target.square().flatten(1).sum(1).clamp(min=1e-8)).sum()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            with torch.no_grad():
                images.clamp_(0, 1)
        return images.detach().cpu()


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
