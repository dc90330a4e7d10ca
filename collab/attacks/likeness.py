"""How alike published rows and candidate images look to C: scores that need no pair (ATTACKS A5)."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from collab.attacks.base import Knowledge
from collab.attacks.options import View
from collab.training.precision import Compute
from collab.training.recipes import outputs_of


def similarities(known: Knowledge, plain: Tensor, views: Sequence[View], compute: Compute) -> Tensor:
    """The sum of all views' scores [rows, candidates], each in standard deviations over candidates and over rows.

    `plain` are F of the candidates.
    """
    scores = [standardize(score) for view in views for score in _SCORES[view](known, plain, compute)]
    return standardize(torch.stack(scores).mean(0))


def standardize(scores: Tensor) -> Tensor:
    """Scores [rows, candidates] in standard deviations over each row's candidates, then over each candidate's rows.

    So a candidate that is like everything is like nothing.
    """
    for axis in (1, 0):
        scores = scores - scores.mean(axis, keepdim=True)
        scores = scores / scores.std(axis, keepdim=True, correction=0).clamp(min=1e-8)
    return scores


def cosines(rows: Tensor, candidates: Tensor) -> Tensor:
    """Cosines [rows, candidates] between vectors, each set shifted to a mean of 0: two modules shift alike rows."""
    first, second = (
        functional.normalize(vectors - vectors.mean(0), dim=1) for vectors in (rows.flatten(1), candidates.flatten(1))
    )
    return first @ second.T


def _answers(known: Knowledge, plain: Tensor, compute: Compute) -> list[Tensor]:
    """-KL from C's answer to a candidate to its answer to a row."""
    rows, there = (
        functional.log_softmax(outputs_of(known.decider, each, compute), 1) for each in (known.features, plain)
    )
    likelihood = rows @ there.exp().T
    return [likelihood - (there.exp() * there).sum(1)]


def _maps(
    known: Knowledge, plain: Tensor, compute: Compute, pooled: Callable[[Tensor], Tensor], last: bool
) -> list[Tensor]:
    blocks = list(known.decider.children())[:-1] or [nn.Identity()]  # behind the last hook C has none: features do
    scores, rows, there = [], known.features, plain
    for place, block in enumerate(blocks):
        rows, there = (outputs_of(block, each, compute) for each in (rows, there))
        if not last or place == len(blocks) - 1:
            scores.append(cosines(pooled(rows), pooled(there)))
    return scores


def _penultimate(known: Knowledge, plain: Tensor, compute: Compute) -> list[Tensor]:
    return _maps(known, plain, compute, lambda maps: maps.mean((2, 3)), last=True)


def _blocks(known: Knowledge, plain: Tensor, compute: Compute) -> list[Tensor]:
    return _maps(known, plain, compute, lambda maps: maps, last=False)


def self_similarity(features: Tensor) -> Tensor:
    """Cosines between the vectors of all pairs of places, [rows, places²]: no rotation of channels changes them."""
    vectors = functional.normalize((features - features.mean((0, 2, 3), keepdim=True)).flatten(2), dim=1)
    return (vectors.transpose(1, 2) @ vectors).flatten(1)


def _frame_free(known: Knowledge, plain: Tensor, compute: Compute) -> list[Tensor]:
    return [
        cosines(self_similarity(known.features), self_similarity(plain)),
        cosines(known.features.norm(dim=1), plain.norm(dim=1)),
    ]


_SCORES: dict[View, Callable[[Knowledge, Tensor, Compute], list[Tensor]]] = {
    "logits": _answers,
    "penultimate": _penultimate,
    "blocks": _blocks,
    "frame_free": _frame_free,
}
