"""What a row tells of its image without showing it (ATTACKS A7): its brightness and mean color."""

from dataclasses import dataclass

import torch
from torch import Tensor
from typing_extensions import override

from collab.attacks import options
from collab.attacks.base import Attack, Knowledge, Need
from collab.seeding import Stream
from collab.training.precision import Compute
from collab.training.progress import Progress
from collab.training.recipes import outputs_of


@dataclass(frozen=True)
class AttributeInference(Attack):
    """Ridge regression from what C's blocks make of features to mean colors, learned on public images or on pairs.

    From public images it is applied to poisoned features as it is, and holds as far as C reads both alike; from m pairs
    it also sees the published features themselves.
    """

    kind = "attribute_inference"
    Options = options.AttributeInference
    needs = frozenset({"featurizer", "decider", "public_data"})

    pairs: int
    images: int

    @property
    @override
    def asks_for(self) -> frozenset[Need]:
        return frozenset({"decider", "pairs"}) if self.pairs else self.needs

    @override
    def rebuild(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> Tensor:
        if self.pairs:
            images, features, skipped = known.pairs.images, known.pairs.features, 0
        else:
            rows = torch.arange(min(self.images, len(known.public_data)))
            images, skipped = known.public_data.take(rows.numpy(), compute.device), 1
            features = outputs_of(known.featurizer, images, compute)
        seen, asked = (_summary(known, each, skipped, compute) for each in (features, known.features))
        colors = images.cpu().mean((2, 3))
        targets = torch.cat([colors.mean(1, keepdim=True), colors], 1)
        mean, spread = seen.mean(0), seen.std(0).clamp(min=1e-6)
        wide = _with_one((seen - mean) / spread).double()
        gram = wide.T @ wide
        gram += 0.1 * gram.diagonal().mean() * torch.eye(len(gram), dtype=torch.float64)
        weights = torch.linalg.solve(gram, wide.T @ (targets - targets.mean(0)).double())
        return ((_with_one((asked - mean) / spread).double() @ weights).float() + targets.mean(0)).clamp(0, 1)


def _summary(known: Knowledge, features: Tensor, skipped: int, compute: Compute) -> Tensor:
    """Channel means of features and of what each block of C makes of them, but for the first `skipped` if C has any."""
    maps = [features]
    for block in list(known.decider.children())[:-1]:
        maps.append(outputs_of(block, maps[-1], compute))
    return torch.cat([each.mean((2, 3)) for each in maps[skipped:] or maps], 1)


def _with_one(values: Tensor) -> Tensor:
    return torch.cat([values, values.new_ones(len(values), 1)], 1)
