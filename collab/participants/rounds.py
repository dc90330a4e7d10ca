"""Answers in rounds: all but the first begin with what everybody answered in the one before (FedMD)."""

import copy
from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from collab.attacks.base import Move
from collab.models.answerer import Answerer
from collab.participants.asking import Asked
from collab.participants.crossings import shard_crossing
from collab.participants.defended import Defended
from collab.seeding import Stream
from collab.store.shards import BATCH_ROWS
from collab.store.store import PUBLISHED, name_round
from collab.tasks import DISTRIBUTION
from collab.training.loop import Recipe
from collab.training.progress import Progress
from collab.training.recipes import outputs_of, refine_decider
from collab.types import Crossing

Told = tuple[Int[Tensor, " rows"], Float[Tensor, "rows classes"]]
"""Numbers of what answers are about (`Asked`), and the answers."""


def digest_answers(
    entity: Defended, module: nn.Module, number: int, stream: Stream, progress: Progress
) -> tuple[Crossing, ...]:
    """Begins round `number` of `module`, from 1: C as it has learned the mean answers of the round before (*digest*).

    What follows, learning of own rows, is *revisit* of Li and Wang (2019). They go on from each one's own network; here
    all begin with the released C, so that a round needs the answers of the one before and nothing else. With
    `refine.vet: holdout` answers count by the share of own images that a student of them alone takes right; not with
    `dp`, which that would tell of.
    """
    if number == 1:
        return ()
    assert isinstance(module, Answerer)
    read, stage, names = list[Crossing](), name_round(number - 1), entity.scenario.answering_in_rounds
    told = [read_told(entity, name, stage) for name in names]
    for name in names:
        if name != entity.name:
            records = entity.records_of(name, stage)
            read += [shard_crossing("exchange", name, entity.name, record) for record in records]
    weights = [1.0] * len(told)
    if entity.scenario.refine.vet == "holdout" and entity.stated.defenses[0].asked_privacy is None:
        weights = [
            _accuracy(entity, _learn(entity, each, replace(stream, stage=f"{stream.stage} student {name}"), progress))
            for name, each in zip(names, told, strict=True)
        ]
    begun = _learn(entity, average_answers(told, weights), replace(stream, stage=f"{stream.stage} digest"), progress)
    for decider in module.deciders:
        decider.load_state_dict(begun.state_dict())
    return tuple(read)


def read_told(entity: Defended, name: str, stage: str) -> Told:
    """What `name` answered in a stage, and about what."""
    answers, rows = (torch.cat(part) for part in zip(*(each.load() for each in entity.read(name, stage)), strict=True))
    return rows, answers.flatten(1).float()


def moves_of_answers(entity: Defended, victim: str) -> tuple[tuple[Move, ...], tuple[Crossing, ...]]:
    """What a victim began each round with and what it answered then, as `entity` may read it, and what it read.

    Answers of all count alike: nobody else knows by how much they count.
    """
    asked, names = Asked(entity.own_features(entity.layout.public)), entity.scenario.answering_in_rounds
    rounds = next(each for each in entity.scenario.entities if each.name == victim).defenses[0].public_rounds
    moves, read, before = list[Move](), list[Crossing](), None

    def with_features(told: Told) -> tuple[Tensor, Tensor]:
        return asked.take(told[0].numpy()), told[1]

    for number in range(1, rounds):
        stage = name_round(number)
        told = {name: read_told(entity, name, stage) for name in names}
        moves.append((before, with_features(told[victim])))
        before = with_features(average_answers(list(told.values()), [1.0] * len(told)))
        records = ((name, record) for name in names for record in entity.records_of(name, stage))
        read += [shard_crossing("attack", name, entity.name, record) for name, record in records]
    return (*moves, (before, with_features(read_told(entity, victim, PUBLISHED)))), tuple(read)


def average_answers(told: Sequence[Told], weights: Sequence[float]) -> Told:
    """What any of `told` is about, ascending, and the mean of those who answered about it, by their `weights` >= 0."""
    rows, place = torch.unique(torch.cat([rows for rows, _ in told]), return_inverse=True)
    counted = [answers.double() * max(weight, 1e-9) for weight, (_, answers) in zip(weights, told, strict=True)]
    total = torch.zeros(len(rows), counted[0].shape[1], dtype=torch.float64)
    total.index_add_(0, place, torch.cat(counted))
    return rows, (total / total.sum(1, keepdim=True)).float()


def _learn(entity: Defended, told: Told, stream: Stream, progress: Progress) -> nn.Module:
    """The released C trained further on F of what answers are about, as `refine` says; BatchNorm stays as released."""
    public = entity.own_features(entity.layout.public)
    asked, options = Asked(public), entity.scenario.refine
    batches = (
        (asked.take(rows.numpy()), answers)
        for rows, answers in zip(*(torch.split(part, BATCH_ROWS) for part in told), strict=True)
    )
    shard = entity.scratch_shard("round", batches, replace(public.spec, target=DISTRIBUTION))
    decider = copy.deepcopy(entity.released.decider).requires_grad_(True)
    refine_decider(
        decider, entity.feed([shard], options.batch_size), Recipe.of(options),
        bn="frozen", stream=stream, compute=entity.compute, progress=progress, task=entity.task,
    )  # fmt: skip
    return decider


def _accuracy(entity: Defended, decider: nn.Module) -> float:
    """The share of own images that a decider takes right."""
    features, labels = entity.own_features(entity.private).load()
    return float((outputs_of(decider, features, entity.compute).argmax(1) == labels).double().mean())
