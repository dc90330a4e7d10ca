"""What an entity publishes, batch by batch: rows that went through its module, or answers about public images."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from collab.defenses.base import AnsweringDefense
from collab.models.answerer import Answerer
from collab.models.drawing import Drawing
from collab.participants.asking import Asked, choose_random, choose_unsure, with_mixes
from collab.participants.defended import Defended
from collab.seeding import Stream
from collab.training.recipes import EVAL_BATCH, outputs_of
from collab.types import Crossing, Measure

Alter = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""What a kind of entity makes of features and what stands beside them before they are published."""


def publish_rows(
    entity: Defended, module: nn.Module, stream: Stream, alter: Alter, order: list[Tensor]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows of a shard and what stands beside them; the numbers of the own images behind them are put into `order`.

    Behind answers and draws are all own images, in an order of its own: each has a part in each of them.
    """
    if not entity.defense.form.is_of_own_rows:
        order.append(torch.randperm(len(entity.images), generator=stream.torch("order")))
        make = _answer if entity.defense.form.publishes_answers else _draw
        yield from make(entity, module, stream, alter)
        return
    feed = entity.feed([entity.own_features(entity.private)], EVAL_BATCH)
    for features, labels, rows in feed.batches(stream.torch("order")):
        order.append(rows.clone())
        is_image = entity.defense.form.takes_images
        given = entity.images.take(rows.numpy(), entity.compute.device) if is_image else features
        changed, claimed = alter(entity.defend(module, given), labels)
        yield entity.conversion.stored_rows(changed), claimed


def _answer(entity: Defended, module: nn.Module, stream: Stream, alter: Alter) -> Iterator[tuple[Tensor, Tensor]]:
    """Answers [batch, classes, 1, 1] and the numbers of what they are about, ascending (`Asked`)."""
    defense, public = entity.defense, entity.own_features(entity.layout.public)
    assert isinstance(defense, AnsweringDefense)
    images, asked = defense.images or public.rows, Asked(public)
    if defense.choose == "unsure":
        shown = (public.take(rows.numpy()) for rows in torch.split(torch.arange(public.rows), EVAL_BATCH))
        chosen = choose_unsure(images, outputs_of(entity.released.decider, shown, entity.compute))
    else:
        chosen = choose_random(images, public.rows, stream)
    for rows in torch.split(with_mixes(chosen, defense.mixes, public.rows), EVAL_BATCH):
        features = asked.take(rows.numpy()).to(entity.compute.device)
        _, answers = alter(features, entity.defend(module, features)[:, :, 0, 0])
        yield answers[:, :, None, None], rows


def _draw(entity: Defended, module: nn.Module, stream: Stream, alter: Alter) -> Iterator[tuple[Tensor, Tensor]]:
    """Drawn rows and their labels, in an order that is drawn too."""
    assert isinstance(module, Drawing)
    for features, labels in module.draw(stream.torch("draws"), EVAL_BATCH):
        yield alter(features, labels)


def measure_answering(entity: Defended, module: nn.Module) -> tuple[tuple[Measure, ...], tuple[Crossing, ...]]:
    """How well held-out images are answered: by the released C, and by what answers about public ones, if it does.

    Nothing is published of any image that R could rebuild, so that there are no pictures.
    """
    features, labels = entity.heldout_features
    deciders = {"_original": entity.released.decider}
    if isinstance(module, Answerer):
        deciders["_answering"] = module.decider
    scores = (
        score
        for suffix, decider in deciders.items()
        for score in entity.score(outputs_of(decider, features, entity.compute)[None], labels, suffix)
    )
    return tuple(scores), ()
