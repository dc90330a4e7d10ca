"""Whether an image is among those that a network has learned of which answers about public images (ATTACKS A8)."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from typing_extensions import override

from collab.attacks import options
from collab.attacks.base import Attack, Compute, Knowledge, Need, Progress, Stream
from collab.training.feeds import FeatureFeed, InMemory
from collab.training.loop import Recipe
from collab.training.recipes import outputs_of, refine_decider

Rows = tuple[Tensor, Tensor]
"""Features [rows, channels, height, width] and labels [rows], or answers [rows, classes]."""


@dataclass(frozen=True)
class AnswerMembership(Attack):
    r"""Learns a student from the answers, as every peer does, and asks how well it takes each candidate.

    Alone: $\ell(C(x), y) - \ell(S(x), y)$, how much less the student S loses on candidate x of class y than the
    released C (Watson et al., ICLR 2022: a loss means little unless it is set against how hard an image is).

    With `shadows`: $(\phi(S) - \mathrm{mean}\,\phi(S_k)) / \mathrm{sd}\,\phi(S_k)$ with
    $\phi = \log p_y - \log(1 - p_y)$: LiRA (Carlini et al., S&P 2022) without models that have learned of the
    candidate. Student S_k learned from the answers of a teacher of the adversary's own, which C became on a random half
    of its own images.
    """

    Options = options.AnswerMembership
    needs = frozenset({"featurizer", "decider", "candidates", "candidate_labels"})

    recipe: Recipe
    shadows: int

    @property
    @override
    def asks_for(self) -> frozenset[Need]:
        return self.needs | ({"own_data"} if self.shadows else frozenset[Need]())

    @override
    def rebuild(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> Tensor:
        candidates = outputs_of(known.featurizer, known.candidates, compute)
        labels: Tensor = known.candidate_labels
        about, answers = (torch.cat(parts) for parts in zip(*known.shard(), strict=True))

        def learn(rows: Rows, name: str) -> nn.Module:
            return learn_student(
                known, rows, self.recipe, replace(stream, stage=f"{stream.stage} {name}"), compute, progress
            )

        student = outputs_of(learn((about, answers), "student"), candidates, compute)
        if not self.shadows:
            return losses_of(outputs_of(known.decider, candidates, compute), labels) - losses_of(student, labels)
        images = known.own_data
        own = outputs_of(known.featurizer, images.take(np.arange(len(images)), compute.device), compute)
        truth, confidence = torch.from_numpy(images.labels), list[Tensor]()
        for number in range(self.shadows):
            drawn = torch.randperm(len(own), generator=stream.torch(f"shadow {number}"))[: max(2, len(own) // 2)]
            teacher = learn((own[drawn], truth[drawn]), f"teacher {number}")
            told = outputs_of(teacher, about, compute).softmax(1)
            confidence.append(
                _confidence(outputs_of(learn((about, told), f"shadow {number}"), candidates, compute), labels)
            )
        return standardize(_confidence(student, labels), confidence)


def standardize(observed: Tensor, without: Sequence[Tensor]) -> Tensor:
    """How many deviations each of `observed` [candidates] lies above what it is `without` the candidate.

    One deviation for all candidates: of few shadows that is steadier than one of each (Carlini et al., section VI).
    """
    shadows = torch.stack(list(without)).double()
    return (observed.double() - shadows.mean(0)) / (shadows - shadows.mean(0)).square().mean().sqrt().clamp(min=1e-9)


def losses_of(outputs: Tensor, labels: Tensor) -> Tensor:
    """What each of outputs [rows, classes] costs, [rows]."""
    return nn.functional.cross_entropy(outputs, labels, reduction="none")


def _confidence(outputs: Tensor, labels: Tensor) -> Tensor:
    """log p_y - log(1 - p_y), from outputs, so that nothing is rounded to 1."""
    others = outputs.scatter(1, labels[:, None], -torch.inf)
    return outputs.gather(1, labels[:, None])[:, 0] - others.logsumexp(1)


def learn_student(
    known: Knowledge, rows: Rows, recipe: Recipe, stream: Stream, compute: Compute, progress: Progress
) -> nn.Module:
    """The released C, trained further on `rows`; the same arguments give the same network."""
    x, y = rows
    shape = (x.shape[1], x.shape[2], x.shape[3])
    feed = FeatureFeed([InMemory(x.float(), y)], shape, recipe.batch_size, compute.device, torch.float32)
    decider = copy.deepcopy(known.decider).requires_grad_(True)
    refine_decider(
        decider, feed, recipe, bn="own", stream=stream, compute=compute, progress=progress, task=known.task, own=feed
    )
    return decider
