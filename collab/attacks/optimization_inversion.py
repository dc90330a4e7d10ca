"""Inversion by optimization (ATTACKS A6): the image whose features are read as the published ones are."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from typing_extensions import override

from collab.attacks import options
from collab.attacks.base import Attack, Knowledge, Need
from collab.seeding import Stream
from collab.training.precision import Compute
from collab.training.progress import Progress


@dataclass(frozen=True)
class OptimizationInversion(Attack):
    r"""$\min_x \sum_l \lVert g_l(F(x)) - g_l(f^*) \rVert^2 / \lVert g_l(f^*) \rVert^2 + \tau\,\mathrm{TV}(x)$, by Adam.

    $g_l$ are the blocks of C and its answer, or, where the module has leaked, P alone on the left and nothing on the
    right. Starts from the mean public image; the last iterate counts.
    """

    kind = "optimization_inversion"
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
        if self.through == "module":
            published: list[nn.Module] = [nn.Identity()]
            module = known.victim_weights
        else:
            published, module = list(known.decider.children()), nn.Identity()
        some = torch.arange(min(1000, len(known.public_data))).numpy()
        mean = known.public_data.take(some, compute.device).mean(0)
        parts = torch.split(known.features, 64)
        return torch.cat([self._found(known, part, module, published, mean, compute) for part in parts])

    def _found(
        self, known: Knowledge, part: Tensor, module: nn.Module, read: list[nn.Module], mean: Tensor, compute: Compute
    ) -> Tensor:
        with torch.no_grad():
            wanted = _answers(part.to(compute.device), read)
        images = mean.expand(len(part), -1, -1, -1).clone().to(compute.device).requires_grad_(True)
        optimizer = torch.optim.Adam([images], self.learning_rate)
        for _ in range(self.steps):
            answers = _answers(module(known.featurizer(images)), read)
            loss = self.smoothness * _variation(images).sum()
            for answer, target in zip(answers, wanted, strict=True):
                error = (answer - target).square().flatten(1).sum(1)
                loss = loss + (error / target.square().flatten(1).sum(1).clamp(min=1e-8)).sum()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            with torch.no_grad():
                images.clamp_(0, 1)
        return images.detach().cpu()


def _answers(features: Tensor, blocks: list[nn.Module]) -> list[Tensor]:
    found = []
    for block in blocks:
        features = block(features)
        found.append(features)
    return found


def _variation(images: Tensor) -> Tensor:
    """Mean absolute difference of neighbors, for each image [batch]."""
    down = (images[:, :, 1:] - images[:, :, :-1]).abs().mean((1, 2, 3))
    return down + (images[..., 1:] - images[..., :-1]).abs().mean((1, 2, 3))
