"""What answers of attacks that are no images are worth: matches, members, attributes (ATTACKS A5, A7)."""

import numpy as np
import torch
from torch import Tensor

from collab.attacks.attribute_inference import attributes_of
from collab.attacks.readers import nearest_hits
from collab.metrics.membership import auc, tpr_at_fpr
from collab.metrics.priors import guess_from_others
from collab.metrics.reidentification import guesses
from collab.metrics.scores import map_measure, mean_measure
from collab.participants.scoring import means
from collab.seeding import Stream
from collab.training.feeds import ImageSet
from collab.types import Measure

ATTRIBUTES = ("brightness", "red", "green", "blue")
"""What is asked of a row: means over its image."""


def match_measures(scores: Tensor, places: Tensor, seed: int) -> tuple[Measure, ...]:
    """How often the true candidate has the highest score; scores [rows, candidates], places [rows], -1 where none is.

    `match_sure` is the share of attacked rows, and `match_sure_right` the share of them that is right, where row and
    candidate are each other's best and the lead over the second best is above the 99th percentile of those of all
    candidates that are nobody's best: what an adversary would act upon.
    """
    rows, candidates = scores.shape
    is_there, measures = places >= 0, list[Measure]()
    if bool(is_there.any()):
        ranks = guesses(scores[is_there], places[is_there])
        measures += [mean_measure(f"match_top{k}", ranks <= k, seed) for k in (1, 5)]
        measures += [
            Measure("match_rank_median", float(ranks.median()), n=len(ranks)),
            mean_measure("match_guesswork", ranks.double(), seed),
            Measure("match_chance", 1 / candidates),
        ]
    sure = sure_matches(scores)
    measures.append(Measure("match_sure", float(sure.double().mean()), n=rows))
    if bool(sure.any()):
        measures.append(mean_measure("match_sure_right", (scores.argmax(1) == places)[sure], seed))
    return tuple(measures)


def sure_matches(scores: Tensor) -> Tensor:
    """Rows whose best candidate has them as its best, by more than candidates lead that are nobody's best."""
    best = scores.argmax(1)
    rows = torch.arange(len(scores))
    top = scores.topk(min(2, scores.shape[1]), dim=1).values
    lead = top[:, 0] - top[:, -1]
    is_mutual = scores.argmax(0)[best] == rows
    alone = torch.ones(scores.shape[1], dtype=torch.bool)
    alone[best] = False
    if int(alone.sum()) < 20:
        return is_mutual
    down = scores[:, alone].topk(min(2, len(scores)), dim=0).values
    return is_mutual & (lead > torch.quantile((down[0] - down[-1]).float(), 0.99))


def distribution_measures(told: np.ndarray, labels: np.ndarray, others: np.ndarray) -> tuple[Measure, ...]:
    """How far `told` [classes] lies from the shares of the classes in `labels`, and how far those in `others` do.

    That is the total variation distance: half of the sum of absolute differences, 0 to 1. It is of all own images, so
    that there is no interval.
    """
    truth, guess = (np.bincount(each, minlength=len(told)) / len(each) for each in (labels, others))
    apart = (
        (each, float(np.abs(each_told - truth).sum() / 2))
        for each, each_told in (("", told), ("_prior_heldout", guess))
    )
    return tuple(Measure(f"label_distance{what}", value, n=len(labels)) for what, value in apart)


def membership_measures(scores: np.ndarray, is_member: np.ndarray, seed: int) -> tuple[Measure, ...]:
    """AUC with its bootstrap interval, and the rates of true positives at 1 % and at .1 % false ones."""
    members, others = scores[is_member].astype(np.float64), scores[~is_member].astype(np.float64)
    draw = Stream(seed, "metrics", "bootstrap").numpy("membership_auc")
    resampled = [auc(draw.choice(members, len(members)), draw.choice(others, len(others))) for _ in range(300)]
    low, high = np.quantile(resampled, [0.025, 0.975])
    return (
        Measure("membership_auc", auc(members, others), float(low), float(high), len(scores)),
        Measure("membership_tpr[1]", tpr_at_fpr(members, others, 0.01), n=len(members)),
        Measure("membership_tpr[0.1]", tpr_at_fpr(members, others, 0.001), n=len(members)),
    )


def attribute_measures(answer: Tensor, truth: ImageSet, others: ImageSet, seed: int) -> tuple[Measure, ...]:
    r"""$R^2$ of each attribute, and of what the published labels tell who has `others`, images of the same classes."""
    cpu = torch.device("cpu")
    true, elsewhere = (attributes_of(part.take(np.arange(len(part)), cpu)).double() for part in (truth, others))
    labels, groups = (torch.from_numpy(np.asarray(part.classes)) for part in (truth, others))
    guess = guess_from_others(elsewhere.view(-1, 4, 1, 1), groups, labels, torch.Generator())["class_mean"].view(-1, 4)
    spread = (true - true.mean(0)).square().mean(0).clamp(min=1e-12)
    scores = {}
    for column, name in enumerate(ATTRIBUTES):
        for suffix, values in (("", answer.double()), ("_prior_class_mean", guess)):
            errors = (values[:, column] - true[:, column]).square() / spread[column]
            scores[f"attribute_r2[{name}]{suffix}"] = 1 - errors
    return means(scores, seed)


def private_measures(
    scores: Tensor, truth: Tensor, others: Tensor, groups: Tensor, labels: Tensor, seed: int
) -> tuple[Measure, ...]:
    """The share of right answers, and mAP, of scores [rows, names] about `truth` [rows, names], and of a guess.

    A guess is made for a row by the `others` [images, names] that have its label, `labels` [rows] among `groups`
    [images]: it calls an attribute there where most of these have it, and ranks rows by how many do. Where all labels
    are alike that is the more frequent answer, and a ranking by nothing. No mAP where no row has an attribute.
    """
    guess = guess_from_others(others.double()[:, :, None, None], groups, labels, torch.Generator())["class_mean"]
    is_true, measures = truth > 0.5, list[Measure]()
    for suffix, said, least in (("", scores.double(), 0.0), ("_prior_heldout", guess[:, :, 0, 0], 0.5)):
        right = ((said > least) == is_true).double().mean(1)
        measures.append(mean_measure(f"attribute_accuracy{suffix}", right, seed))
        if bool(is_true.any()):
            measures.append(map_measure(f"attribute_map{suffix}", said.float(), is_true, seed))
    return tuple(measures)


def nearest_measures(embeddings: Tensor, who: Tensor, told: Tensor | None, seed: int) -> tuple[Measure, ...]:
    """How often the nearest other row is of the same individual, as `nearest_hits` has it, and by chance.

    Nothing where no row has another of its own.
    """
    hits, chances = nearest_hits(embeddings, who, told)
    if not len(hits):
        return ()
    return tuple(means({"nearest_same": hits, "nearest_same_chance": chances}, seed))
