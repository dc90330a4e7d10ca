"""What a row tells of its image without showing it (ATTACKS A7): its brightness and mean color."""

from dataclasses import dataclass

import torch
from torch import Tensor
from typing_extensions import override

from collab.attacks import options
from collab.attacks.base import Attack, Compute, Knowledge, Need, Progress, Stream
from collab.attacks.linear import Grams, with_one
from collab.models.tokens import blocks_of
from collab.training.recipes import outputs_of


def attributes_of(images: Tensor) -> Tensor:
    """Mean brightness, red, green and blue [rows, 4] of images [rows, 3, side, side] in [0, 1]."""
    colors = images.float().mean((2, 3))
    return torch.cat([colors.mean(1, keepdim=True), colors], 1)


@dataclass(frozen=True)
class AttributeInference(Attack):
    """Ridge regression from what C's blocks make of features to mean colors, learned on public images or on pairs.

    From public images it is applied to poisoned features as it is, and holds as far as C reads both alike; from m pairs
    it also sees the published features themselves.
    """

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
            # Poisoned features differ from F's in their means, so only what C makes of both is compared.
            images, skipped = known.public_data.take(rows.numpy(), compute.device), 1
            features = outputs_of(known.featurizer, images, compute)
        learned, attacked = (_summarize(known, maps, skipped, compute) for maps in (features, known.features))
        targets = attributes_of(images.cpu())
        mean, spread = learned.mean(0), learned.std(0).clamp(min=1e-6)
        seen, asked = (with_one((summary - mean) / spread).double() for summary in (learned, attacked))
        weights = Grams(seen.T @ seen, seen.T @ (targets - targets.mean(0)).double()).weights(0.1)
        return ((asked @ weights).float() + targets.mean(0)).clamp(0, 1)


def _summarize(known: Knowledge, features: Tensor, skipped: int, compute: Compute) -> Tensor:
    """Channel means of features and of what each block of C makes of them, but for the first `skipped` if C has any."""
    maps = [features]
    for block in blocks_of(known.decider)[:-1]:
        maps.append(outputs_of(block, maps[-1], compute))
    return torch.cat([part.mean((2, 3)) for part in maps[skipped:] or maps], 1)
