"""How alike published rows and candidate images look to C: scores that need no pair (ATTACKS A5)."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from collab.attacks.base import Compute, Knowledge
from collab.attacks.options import View
from collab.attacks.whole_shard import sample_rows
from collab.models.tokens import blocks_of
from collab.training.recipes import outputs_of

MOST_FURTHER = 2000
"""Rows beside the attacked ones that are compared with candidates: a score for each pair of them is held."""


def similarities(known: Knowledge, published: Tensor, plain: Tensor, views: Sequence[View], compute: Compute) -> Tensor:
    """The mean of all views' scores [rows, candidates], each in standard deviations over candidates and over rows.

    `published` [rows, channels, height, width] are rows of the shard, `plain` F of the candidates.
    """
    decider = known.decider if {"logits", "penultimate", "blocks"} & set(views) else nn.Identity()
    total = torch.zeros(len(published), len(plain))
    for view in views:
        for score in _SCORES[view](decider, published, plain, compute):
            total += standardize(score)
    return standardize(total)


def all_rows(known: Knowledge) -> Tensor:
    """The attacked rows, then what else was published, evenly thinned where it is much: an adversary compares them all.

    It does not know which rows it is scored on, and a row that is nobody's tells which likeness is usual.
    """
    return torch.cat([known.features, sample_rows(known, MOST_FURTHER, skipped=len(known.features))[0]])


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
    rows, candidates = rows.flatten(1), candidates.flatten(1)
    mean, second = rows.mean(0), functional.normalize(candidates - candidates.mean(0), dim=1).T
    # A few rows at a time: wide vectors of many rows would stand in memory three times.
    return torch.cat([functional.normalize(part - mean, dim=1) @ second for part in torch.split(rows, 256)])


def _answers(decider: nn.Module, published: Tensor, plain: Tensor, compute: Compute) -> list[Tensor]:
    """-KL from C's answer to a candidate to its answer to a row."""
    rows, candidates = (
        functional.log_softmax(outputs_of(decider, features, compute), 1) for features in (published, plain)
    )
    likelihood = rows @ candidates.exp().T
    return [likelihood - (candidates.exp() * candidates).sum(1)]


def _maps(decider: nn.Module, published: Tensor, plain: Tensor, compute: Compute) -> Iterator[tuple[Tensor, Tensor]]:
    """What each block of C makes of rows and of candidates."""
    rows, candidates = published, plain
    # Behind the last hook C has a head alone: then the features themselves are looked at.
    for block in blocks_of(decider)[:-1] or [nn.Identity()]:
        rows, candidates = (outputs_of(block, maps, compute) for maps in (rows, candidates))
        yield rows, candidates


def _penultimate(decider: nn.Module, published: Tensor, plain: Tensor, compute: Compute) -> list[Tensor]:
    # One block's maps at a time are held.
    (last,) = deque(_maps(decider, published, plain, compute), maxlen=1)
    return [cosines(*(maps.mean((2, 3)) for maps in last))]


def _blocks(decider: nn.Module, published: Tensor, plain: Tensor, compute: Compute) -> Iterator[Tensor]:
    return (cosines(rows, candidates) for rows, candidates in _maps(decider, published, plain, compute))


def self_similarity(features: Tensor) -> Tensor:
    """Cosines between the vectors of all pairs of places, [rows, pairs]: no rotation of channels changes them.

    Each pair once, in the order of the lower triangle without its diagonal, which is 1.
    """
    vectors = functional.normalize((features - features.mean((0, 2, 3), keepdim=True)).flatten(2), dim=1)
    first, second = torch.tril_indices(vectors.shape[2], vectors.shape[2], -1)
    parts = torch.split(vectors, 64)
    return torch.cat([(part.transpose(1, 2) @ part)[:, first, second] for part in parts])


def _frame_free(decider: nn.Module, published: Tensor, plain: Tensor, compute: Compute) -> Iterator[Tensor]:
    yield cosines(self_similarity(published), self_similarity(plain))
    yield cosines(published.norm(dim=1), plain.norm(dim=1))


_SCORES: dict[View, Callable[[nn.Module, Tensor, Tensor, Compute], Iterable[Tensor]]] = {
    "logits": _answers,
    "penultimate": _penultimate,
    "blocks": _blocks,
    "frame_free": _frame_free,
}
