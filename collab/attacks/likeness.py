"""How alike published rows and candidate images look to C: scores that need no pair (ATTACKS A5)."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from collab.attacks.base import Compute, Knowledge
from collab.attacks.options import View
from collab.models.tokens import blocks_of
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
    rows, candidates = (
        functional.log_softmax(outputs_of(known.decider, features, compute), 1) for features in (known.features, plain)
    )
    likelihood = rows @ candidates.exp().T
    return [likelihood - (candidates.exp() * candidates).sum(1)]


def _maps(known: Knowledge, plain: Tensor, compute: Compute) -> Iterator[tuple[Tensor, Tensor]]:
    """What each block of C makes of rows and of candidates."""
    rows, candidates = known.features, plain
    # Behind the last hook C has a head alone: then the features themselves are looked at.
    for block in blocks_of(known.decider)[:-1] or [nn.Identity()]:
        rows, candidates = (outputs_of(block, maps, compute) for maps in (rows, candidates))
        yield rows, candidates


def _penultimate(known: Knowledge, plain: Tensor, compute: Compute) -> list[Tensor]:
    # One block's maps at a time are held.
    (last,) = deque(_maps(known, plain, compute), maxlen=1)
    return [cosines(*(maps.mean((2, 3)) for maps in last))]


def _blocks(known: Knowledge, plain: Tensor, compute: Compute) -> list[Tensor]:
    return [cosines(rows, candidates) for rows, candidates in _maps(known, plain, compute)]


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
