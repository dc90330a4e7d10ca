"""What a row tells of its image without showing it (ATTACKS A7): brightness and mean color, or private attributes."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from typing_extensions import override

from collab.attacks import options
from collab.attacks.base import Compute, Knowledge, Need, Progress, Stream
from collab.attacks.linear import Grams, with_one
from collab.attacks.readers import Asked, ReadingAttack
from collab.models.tokens import blocks_of
from collab.training.losses import attribute_loss
from collab.training.recipes import outputs_of


def attributes_of(images: Tensor) -> Tensor:
    """Mean brightness, red, green and blue [rows, 4] of images [rows, 3, side, side] in [0, 1]."""
    colors = images.float().mean((2, 3))
    return torch.cat([colors.mean(1, keepdim=True), colors], 1)


@dataclass(frozen=True)
class AttributeInference(ReadingAttack):
    """Reads mean colors, or private attributes, as somebody learns them who has public images or pairs.

    Ridge regression from what C's blocks make of features, learned on public images, is applied to poisoned features as
    it is, and holds as far as C reads both alike; from m pairs it also sees the published features themselves. With
    `through` it is a network: behind a block of C, or trained on what shadow modules publish.
    """

    Options = options.AttributeInference

    pairs: int
    images: int
    of: Literal["colors", "attributes"] = "colors"

    @property
    @override
    def asks_for(self) -> frozenset[Need]:
        if self.pairs:
            return frozenset({"decider", "pairs"})
        told: frozenset[Need] = frozenset({"public_attributes"} if self.of == "attributes" else ())
        return super().asks_for | told

    @override
    def ask(self, known: Knowledge, compute: Compute) -> Asked:
        count = len(known.public_data)
        if self.of == "attributes":
            told = known.public_attributes
            return Asked(told, told.shape[1], _told_loss, _merit_of_attributes, np.arange(count))
        parts = np.array_split(np.arange(count), -(-count // 1024))
        colors = torch.cat([attributes_of(known.public_data.take(part, compute.device)).cpu() for part in parts])
        return Asked(colors, colors.shape[1], functional.mse_loss, _merit_of_colors, np.arange(count))

    @override
    def rebuild(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> Tensor:
        if self.through is not None:
            answer = self.read(known, compute, self.ask(known, compute))
            return answer.clamp(0, 1) if self.of == "colors" else answer
        if self.pairs:
            images, features, skipped = known.pairs.images, known.pairs.features, 0
            told = known.pairs.attributes
        else:
            rows = torch.arange(min(self.images, len(known.public_data)))
            # Poisoned features differ from F's in their means, so only what C makes of both is compared.
            images, skipped = known.public_data.take(rows.numpy(), compute.device), 1
            features = outputs_of(known.featurizer, images, compute)
            told = known.public_attributes[rows] if self.of == "attributes" else None
        learned, attacked = (_summarize(known, maps, skipped, compute) for maps in (features, known.features))
        targets = attributes_of(images.cpu()) if told is None else told
        mean, spread = learned.mean(0), learned.std(0).clamp(min=1e-6)
        seen, asked = (with_one((summary - mean) / spread).double() for summary in (learned, attacked))
        weights = Grams(seen.T @ seen, seen.T @ (targets - targets.mean(0)).double()).weights(0.1)
        read = (asked @ weights).float() + targets.mean(0)
        return read.clamp(0, 1) if told is None else read - 0.5  # as a logit: above 0 it is there


def _told_loss(outputs: Tensor, targets: Tensor) -> Tensor:
    return attribute_loss(outputs, targets)


def _merit_of_attributes(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The share of right answers of each row, and that of who says what is more frequent."""
    right = ((outputs > 0) == (targets > 0.5)).double()
    guess = (targets > 0.5) == (targets.double().mean(0) > 0.5)
    return right.mean(1), guess.double().mean(1)


def _merit_of_colors(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """1 less squared errors in parts of the variance, mean over colors, so R² in the mean; a guess has 0."""
    spread = (targets - targets.mean(0)).square().mean(0).clamp(min=1e-12)
    merits = 1 - ((outputs - targets).square() / spread).mean(1)
    return merits.double(), torch.zeros(len(targets), dtype=torch.float64)


def _summarize(known: Knowledge, features: Tensor, skipped: int, compute: Compute) -> Tensor:
    """Channel means of features and of what each block of C makes of them, but for the first `skipped` if C has any."""
    maps = [features]
    for block in blocks_of(known.decider)[:-1]:
        maps.append(outputs_of(block, maps[-1], compute))
    return torch.cat([part.mean((2, 3)) for part in maps[skipped:] or maps], 1)
