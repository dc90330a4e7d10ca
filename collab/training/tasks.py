"""What the network is for: its outputs, its losses, how well it does, and what may stand beside an image."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Final, final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from typing_extensions import override

from collab.metrics.scores import map_measure, mcc_measure, mean_measure
from collab.metrics.utility import agreement, kl, topk_hits
from collab.store.answers import Answers
from collab.tasks import TASKS, TargetKind, TaskKind
from collab.training.losses import (
    attribute_equivalence,
    attribute_loss,
    classification_loss,
    logit_equivalence,
    pose_loss,
)
from collab.types import Measure

DEGREES: Final = 10.0
"""Degrees of one unit of a pose network's output, so that outputs and losses are about 1 (choice: ours)."""


HALF: Final = 65504.0
"""The largest number of fp16."""


@dataclass(frozen=True)
class Task(ABC):
    """One task; `names` are those of the decider's outputs, targets are those of a batch as they stand in shards."""

    names: tuple[str, ...]

    kind: ClassVar[TaskKind]

    @property
    def stored(self) -> TargetKind:
        """How shards hold targets: see `collab.store.targets`."""
        return TASKS[self.kind].target

    @property
    def outputs(self) -> int:
        """Numbers that the decider answers for each image."""
        return len(self.names)

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
        """(DP-1), (DP-4): how far outputs [batch, outputs] are from targets, a scalar in fp32."""

    @abstractmethod
    def equivalence(self, poisoned: Tensor, original: Tensor) -> Tensor:
        """(DPF-5) as a distance between two outputs for the same images, a scalar in fp32; no target is needed."""

    @abstractmethod
    def targets_of(self, outputs: Tensor) -> Tensor:
        """What outputs [rows, outputs] say, in the form of targets."""

    @abstractmethod
    def measures(self, outputs: Tensor, targets: Tensor, seed: int, suffix: str = "") -> tuple[Measure, ...]:
        """How well outputs [rows, outputs] meet the targets; the main metric comes first."""

    def answers(self, outputs: Tensor, targets: Tensor) -> dict[str, Answers]:
        """What each image got from each of several networks, outputs [repeats, rows, outputs], by name of a measure.

        Rows are compared by it, image by image; measures of which a task keeps none as if they were independent.
        """
        return {}

    @abstractmethod
    def fidelity(self, changed: Tensor, original: Tensor, seed: int) -> tuple[Measure, ...]:
        """How near the answers to poisoned features come to those to plain ones."""

    @abstractmethod
    def merits(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """One value [rows] for each image, higher where it is answered better; between 0 and 1 where there are hits."""

    def chance(self, targets: Tensor) -> tuple[Measure, ...]:
        """What the main metric is worth to who knows no image, where that does not follow from the outputs."""
        return ()

    def mirror(self, targets: Tensor, is_mirrored: Tensor) -> Tensor:
        """Targets of images of which some [batch] were mirrored."""
        return targets

    @abstractmethod
    def make_wrong(self, targets: Tensor, is_wrong: Tensor, generator: torch.Generator) -> Tensor:
        """The targets with those that are to be wrong [batch] replaced by wrong ones."""


@final
@dataclass(frozen=True)
class Classification(Task):
    """One class of several; targets int64 [batch], or distributions over the classes [batch, outputs]."""

    kind = "classification"

    @override
    def loss(self, outputs: Tensor, targets: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
        return classification_loss(outputs, targets, label_smoothing=label_smoothing)

    @override
    def equivalence(self, poisoned: Tensor, original: Tensor) -> Tensor:
        return logit_equivalence(poisoned, original)

    @override
    def targets_of(self, outputs: Tensor) -> Tensor:
        return outputs.argmax(1)

    @override
    def measures(self, outputs: Tensor, targets: Tensor, seed: int, suffix: str = "") -> tuple[Measure, ...]:
        """Top-1, and top-5 where there are more than 5 classes."""
        ranks = (1, 5) if outputs.shape[1] > 5 else (1,)
        return tuple(mean_measure(f"top{k}{suffix}", topk_hits(outputs, targets, k), seed) for k in ranks)

    @override
    def answers(self, outputs: Tensor, targets: Tensor) -> dict[str, Answers]:
        """Hits at the ranks of `measures`."""
        ranks = (1, 5) if outputs.shape[-1] > 5 else (1,)
        hits = {k: torch.stack([topk_hits(each, targets, k) for each in outputs]) for k in ranks}
        return {f"top{k}": Answers("hits", of_rank.cpu().numpy()) for k, of_rank in hits.items()}

    @override
    def fidelity(self, changed: Tensor, original: Tensor, seed: int) -> tuple[Measure, ...]:
        return (
            mean_measure("agreement", agreement(changed, original), seed),
            mean_measure("kl", kl(original, changed), seed),
        )

    @override
    def merits(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return topk_hits(outputs, targets, 1).double()

    @override
    def make_wrong(self, targets: Tensor, is_wrong: Tensor, generator: torch.Generator) -> Tensor:
        others = torch.randint(1, self.outputs, (len(targets),), generator=generator)
        shift = torch.where(is_wrong, others, 0).to(targets.device)  # by 1 to classes - 1: never back to its own
        if targets.ndim == 2:  # distributions: what was said of a class is said of another
            return targets.gather(
                1, (torch.arange(self.outputs, device=targets.device) - shift[:, None]) % self.outputs
            )
        return (targets + shift) % self.outputs


@final
@dataclass(frozen=True)
class Attributes(Task):
    """Some of several binary attributes; targets fp32 [batch, attributes], each 0 or 1."""

    kind = "attributes"

    @override
    def loss(self, outputs: Tensor, targets: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
        return attribute_loss(outputs, targets, label_smoothing=label_smoothing)

    @override
    def equivalence(self, poisoned: Tensor, original: Tensor) -> Tensor:
        return attribute_equivalence(poisoned, original)

    @override
    def targets_of(self, outputs: Tensor) -> Tensor:
        return (outputs > 0).float()

    @override
    def measures(self, outputs: Tensor, targets: Tensor, seed: int, suffix: str = "") -> tuple[Measure, ...]:
        """Mean average precision over the attributes that any image has, and mean MCC at threshold .5."""
        is_true = targets > 0.5
        return (
            map_measure(f"map{suffix}", outputs.float().cpu(), is_true.cpu(), seed),
            mcc_measure(f"mcc{suffix}", outputs.float().sigmoid().cpu(), is_true.cpu(), seed),
        )

    @override
    def answers(self, outputs: Tensor, targets: Tensor) -> dict[str, Answers]:
        """Scores, of which both measures are made; in fp16, which may tie two images that were next to each other."""
        within = outputs.float().clamp(-HALF, HALF).cpu().numpy().astype(np.float16)
        scores = Answers("scores", within, (targets > 0.5).cpu().numpy())
        return {"map": scores, "mcc": scores}

    @override
    def fidelity(self, changed: Tensor, original: Tensor, seed: int) -> tuple[Measure, ...]:
        """The share of equal decisions, and KL of the answered probabilities in nats, mean over attributes."""
        alike = ((changed > 0) == (original > 0)).double().mean(1)
        apart = functional.binary_cross_entropy_with_logits(changed, original.sigmoid(), reduction="none")
        itself = functional.binary_cross_entropy_with_logits(original, original.sigmoid(), reduction="none")
        return mean_measure("agreement", alike, seed), mean_measure("kl", (apart - itself).mean(1), seed)

    @override
    def merits(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return ((outputs > 0) == (targets > 0.5)).double().mean(1)

    @override
    def chance(self, targets: Tensor) -> tuple[Measure, ...]:
        """A random ranking has the positive rate as its average precision."""
        rates = targets.double().mean(0)
        return (Measure("map_chance", float(rates[rates > 0].mean()), n=len(targets)),)

    @override
    def make_wrong(self, targets: Tensor, is_wrong: Tensor, generator: torch.Generator) -> Tensor:
        return torch.where(is_wrong.to(targets.device)[:, None], 1 - targets, targets)


@final
@dataclass(frozen=True)
class Pose(Task):
    """Angles in degrees; targets fp32 [batch, angles], outputs in units of `DEGREES`."""

    kind = "pose"

    @override
    def loss(self, outputs: Tensor, targets: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
        return pose_loss(DEGREES * outputs.float(), targets, unit=DEGREES)

    @override
    def equivalence(self, poisoned: Tensor, original: Tensor) -> Tensor:
        return pose_loss(DEGREES * poisoned.float(), DEGREES * original.float(), unit=DEGREES)

    @override
    def targets_of(self, outputs: Tensor) -> Tensor:
        return DEGREES * outputs.float()

    @override
    def measures(self, outputs: Tensor, targets: Tensor, seed: int, suffix: str = "") -> tuple[Measure, ...]:
        """Mean absolute degrees over all angles."""
        return (mean_measure(f"degrees{suffix}", -self.merits(outputs, targets), seed),)

    @override
    def answers(self, outputs: Tensor, targets: Tensor) -> dict[str, Answers]:
        """Mean absolute degrees of each image."""
        errors = -torch.stack([self.merits(each, targets) for each in outputs])
        return {"degrees": Answers("errors", errors.cpu().numpy().astype(np.float16))}

    @override
    def fidelity(self, changed: Tensor, original: Tensor, seed: int) -> tuple[Measure, ...]:
        """Mean absolute degrees between both answers."""
        return (mean_measure("deviation", DEGREES * (changed - original).double().abs().mean(1), seed),)

    @override
    def merits(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return -(DEGREES * outputs.double() - targets.double()).abs().mean(1)

    @override
    def chance(self, targets: Tensor) -> tuple[Measure, ...]:
        """The error of the one answer that suits all images best, the median of each angle."""
        apart = (targets - targets.median(0).values).abs()
        return (Measure("degrees_chance", float(apart.double().mean()), n=len(targets)),)

    @override
    def mirror(self, targets: Tensor, is_mirrored: Tensor) -> Tensor:
        """Roll and yaw change their sign, pitch does not."""
        turned = torch.tensor([1.0 if name == "pitch" else -1.0 for name in self.names], device=targets.device)
        return torch.where(is_mirrored.to(targets.device)[:, None], turned * targets, targets)

    @override
    def make_wrong(self, targets: Tensor, is_wrong: Tensor, generator: torch.Generator) -> Tensor:
        return torch.where(is_wrong.to(targets.device)[:, None], -targets, targets)


_KINDS: Final[dict[TaskKind, type[Task]]] = {task.kind: task for task in Task.__subclasses__()}


def task_of(kind: TaskKind, names: tuple[str, ...]) -> Task:
    """The task of a kind whose outputs have these names."""
    build: Any = _KINDS[kind]
    return build(names)


CLASSES: Final = Classification(())
"""Classification of any number of classes, where nobody asks for their names."""
