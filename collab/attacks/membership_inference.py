"""Whether an image is among those that an entity has published features of (ATTACKS A7)."""

from dataclasses import dataclass

import torch
from torch import Tensor
from typing_extensions import override

from collab.attacks import options
from collab.attacks.base import Attack, Compute, Knowledge, Need, Progress, Stream
from collab.attacks.likeness import all_rows, similarities
from collab.attacks.linear import main_directions
from collab.attacks.shadow_deciders import (
    likelihood_ratios,
    log_likelihoods,
    relative_likelihoods,
    train_shadow_deciders,
)
from collab.attacks.whole_shard import MOST_ROWS, sample_rows, shard_means
from collab.training.recipes import outputs_of


@dataclass(frozen=True)
class MembershipInference(Attack):
    """A candidate that one row is far more like than all others are is taken for a member.

    By `span`: one whose features lie in the directions in which the published rows vary, as far as they do. That needs
    no row that is like any image: what is drawn or mixed from members varies as they do. With `reference: public` the
    same share in the directions of public images is subtracted, as van Breugel et al. (AISTATS 2023) divide by a
    reference density: some images lie in the main directions of any set.

    By `means`: one that lies on that side of the mean of its class to which the published mean is shifted (Dwork et
    al., FOCS 2015). The classes of candidates are those that C tells.

    By `loss`: one on which C has a small loss (Yeom et al., CSF 2018). That asks about the release, not about rows, so
    it finds images of whoever pre-trained and tells nothing of anybody else. By `relative` and by `ratio`: one that C
    answers better than deciders do that the adversary trains on halves of its candidates (RMIA, LiRA; `shadow_deciders`
    has the equations): some images are easy for everybody.
    """

    Options = options.MembershipInference
    needs = frozenset({"featurizer", "decider", "candidates"})

    views: tuple[options.View, ...]
    by: options.By
    directions: int
    reference: options.Reference
    shadows: int = 16
    shadow_epochs: int = 15

    @property
    @override
    def asks_for(self) -> frozenset[Need]:
        further: frozenset[Need] = frozenset({"candidate_labels"}) if self.by in options.OF_RELEASE else frozenset()
        return self.needs | further | ({"public_data"} if self._has_reference else set())

    @property
    def _has_reference(self) -> bool:
        return self.by == "span" and self.reference == "public"

    @override
    def rebuild(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> Tensor:
        candidates = outputs_of(known.featurizer, known.candidates, compute)
        if self.by == "likeness":
            return similarities(known, all_rows(known), candidates, self.views, compute).max(0).values
        answers = outputs_of(known.decider, candidates, compute)
        if self.by in options.OF_RELEASE:
            told = log_likelihoods(known.task, answers, known.candidate_labels)
            if self.by == "loss":
                return told
            shadows, is_in = train_shadow_deciders(
                known, candidates, self.shadows, self.shadow_epochs, stream=stream, compute=compute, progress=progress
            )
            if self.by == "relative":
                return relative_likelihoods(told, shadows)
            return likelihood_ratios(told, shadows, is_in)
        rows, labels = sample_rows(known)
        rows, candidates, classes, count = rows.flatten(1), candidates.flatten(1), answers.argmax(1), answers.shape[1]
        if labels.ndim > 1:  # a task without classes: the mean of all rows stands for that of each
            classes, labels, count = torch.zeros_like(classes), torch.zeros(len(rows), dtype=torch.int64), 1
        means = shard_means(known, count)
        if self.by == "means":
            return trace_means(means, candidates, classes)
        away = candidates - means[classes]
        scores = explain_share(rows - means[labels], away, self.directions)
        if self._has_reference:
            chosen = spread_evenly(len(known.public_data), min(len(rows), MOST_ROWS)).numpy()
            plain = outputs_of(known.featurizer, known.public_data.take(chosen, compute.device), compute).flatten(1)
            groups = torch.from_numpy(known.public_data.classes[chosen])
            centered = plain - class_means(plain, groups, int(groups.max()) + 1)[groups]
            scores = scores - explain_share(centered, away, self.directions)
        return scores


def trace_means(published: Tensor, candidates: Tensor, classes: Tensor) -> Tensor:
    r"""How far each candidate lies towards the published mean of its class, [candidates].

    That is $(z - \bar z_c)^\top \Sigma^{-1} (m_c - \bar z_c)$ of candidate z of class c. `published` [classes, width]
    are the means m_c. $\bar z_c$ is the mean of all candidates of the class, $\Sigma$ their covariance within classes,
    with a tenth of the mean variance added to each.
    """
    means = class_means(candidates, classes, len(published))
    away = candidates - means[classes]
    ridge = 0.1 * away.square().mean()
    toward = (published - means).T
    # Woodbury: candidates are fewer than values, so that the smaller of the two matrices is theirs.
    inner = away @ away.T + len(away) * ridge * torch.eye(len(away))
    whitened = (toward - away.T @ torch.linalg.solve(inner, away @ toward)) / ridge
    return (away * whitened.T[classes]).sum(1)


def spread_evenly(count: int, most: int) -> Tensor:
    """At most `most` of `count` places, evenly spread."""
    return torch.arange(count)[:: max(1, -(-count // most))]


def class_means(rows: Tensor, labels: Tensor, count: int) -> Tensor:
    """The mean row of each of `count` classes, [count, width]; of a class without rows the mean of all."""
    means = rows.mean(0).repeat(count, 1)
    for label in torch.unique(labels):
        means[label] = rows[labels == label].mean(0)
    return means


def explain_share(rows: Tensor, away: Tensor, directions: int) -> Tensor:
    """The share of each squared distance `away` from a mean that lies in the main directions of `rows`.

    `rows` and `away` are [count, width], with their means subtracted. At most a quarter of the rows is taken as
    directions.
    """
    rows = rows[spread_evenly(len(rows), MOST_ROWS)]
    axes = main_directions(rows, max(1, min(directions, len(rows) // 4)))
    return (away @ axes.T).square().sum(1) / away.square().sum(1).clamp(min=1e-12)
