"""What a curious entity does: it tries an attack on what a victim published, with what its adversary class has."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from collab.attacks.base import Attack, Knowledge, Move, Pairs, classify_adversary
from collab.defenses.base import Defense
from collab.errors import EntityError
from collab.metrics.scores import mean_measure
from collab.models.freeze import freeze
from collab.participants.crossings import shard_crossing
from collab.participants.defended import Defended
from collab.participants.disclosure import to_uint8
from collab.participants.federation import moves_of_weights
from collab.participants.layout import load_images, load_numbers
from collab.participants.published_images import read_images
from collab.participants.rounds import moves_of_answers
from collab.scenario.base import CONTROL, Answers, AttackOptions, RowName
from collab.store.release import read_release, write_release
from collab.store.shard_schema import BATCH_ROWS
from collab.store.shards import ShardReader
from collab.training.feeds import ImageSet
from collab.training.progress import Progress
from collab.types import Crossing, Measure, Report

STOLEN, ALLIES = "module.", "allies."
"""What the tensors of a stolen module, and those of colluding entities, begin with among what the oracle hands out."""

OF_VICTIMS = frozenset(
    {
        "images",
        "moves",
        "allies",
        "pairs",
        "planted",
        "second",
        "candidates",
        "candidate_labels",
        "victim_module",
        "victim_encoder",
        "victim_weights",
    }
)
"""The knowledge that belongs to one victim, and is therefore not there in a rehearsal."""


@dataclass(frozen=True)
class Attempt:
    """One attack on one victim: the plugin, what the scenario states of it, and how the victim makes its module.

    `is_open` says that the victim has released its module; `rehearsed_on` is whom the attack was rehearsed for, if it
    was; `ally_defenses` are those of entities that collude, by name.
    """

    attack: Attack
    options: AttackOptions
    victim: str
    victim_defense: Defense
    is_open: bool = False
    rehearsed_on: str | None = None
    ally_defenses: Mapping[str, Defense] = field(default_factory=dict)

    def rehearsal_name(self, victim: str) -> str:
        """Under which name is kept what the attack learned before it saw a shard, for `victim` and its like."""
        return guess_name(f"rehearsal {self.options.label}", victim)


def divide_rows(published: int, attack: AttackOptions) -> tuple[int, int]:
    """How many of a victim's `published` rows an attack is tried on, and how many it has as pairs.

    The attacked ones are the first, the pairs the last, at most half of all: no row is both.
    """
    pairs = min(attack.hand_out.pairs if attack.hand_out else 0, published // 2)
    return min(attack.rows, published - pairs), pairs


def guess_name(attack: str, victim: str) -> str:
    """Under which name an adversary keeps the images that it rebuilt."""
    return f"guess_{hashlib.sha256(f'{attack} {victim}'.encode()).hexdigest()[:16]}"


def read_batches(readers: Sequence[ShardReader]) -> Iterator[tuple[Tensor, Tensor]]:
    """All rows of some shards in fp32 and their labels, in order, one record batch at a time."""
    for reader in readers:
        labels = reader.targets()
        for rows in np.split(np.arange(reader.rows), range(BATCH_ROWS, reader.rows, BATCH_ROWS)):
            yield reader.take(rows).float(), labels[rows[0] : rows[-1] + 1]


def read_rows(readers: Sequence[ShardReader], first: int, last: int) -> tuple[Tensor, Tensor]:
    """Rows `first` to `last` - 1 of some shards, counted over all of them, in fp32, and their labels."""
    parts, start = [], 0
    for reader in readers:
        rows = np.arange(max(first - start, 0), min(last - start, reader.rows))
        if len(rows):
            parts.append((reader.take(rows), reader.targets()[rows[0] : rows[-1] + 1]))
        start += reader.rows
    features, labels = (torch.cat(part) for part in zip(*parts, strict=True))
    return features.float(), labels


def rehearse(adversary: Defended, attempt: Attempt, progress: Progress) -> Report:
    """Keeps, in the private folder, what an attack learned before it saw a shard of the victim or of its like."""
    attack, label = attempt.attack, attempt.options.label
    no_rows = torch.zeros(0, *adversary.spec.shape), torch.zeros(0, dtype=torch.int64)
    knowledge = Knowledge(
        f"the attack {label!r} of entity {adversary.name!r}, rehearsing,", *no_rows, attack.asks_for - OF_VICTIMS,
        **_general_knowledge(adversary, attempt),
    )  # fmt: skip
    stream = adversary.stream(f"rehearse {label} {attempt.victim}")
    learned = attack.rehearse(knowledge, stream, adversary.compute, progress)
    write_release(adversary.private, attempt.rehearsal_name(attempt.victim), learned, {"victim": attempt.victim})
    controls = [mean_measure(CONTROL, learned[CONTROL], adversary.scenario.seed)] if CONTROL in learned else []
    return Report(tuple(controls))


def attack(adversary: Defended, attempt: Attempt, progress: Progress) -> Report:
    """Keeps, in the private folder, what an attack made of the first rows of what the victim published.

    The oracle, which alone may see the truth, scores it. Raises EntityError for answers of another shape than asked, or
    that are not finite.
    """
    victim, options, needs = attempt.victim, attempt.options, attempt.attack.asks_for
    readers = adversary.shards_of(victim)
    published = sum(reader.rows for reader in readers)
    rows, _ = divide_rows(published, options)
    features, labels = read_rows(readers, 0, rows)
    name = f"the attack {options.label!r} of entity {adversary.name!r}"
    facts = _general_knowledge(adversary, attempt)
    if attempt.is_open:
        released, _ = read_release(adversary.layout.modules / victim, "defense")
        facts |= _knowledge_of_module(adversary, attempt.victim_defense, released)
    if attempt.victim_defense.form.publishes_images:
        facts["images"] = torch.cat([images for images, _ in read_images(adversary.read(victim))])[:rows]
    if options.hand_out is not None:
        facts |= _handed_out_knowledge(adversary, attempt, readers)
    second = options.second_release
    if second is not None:
        others = adversary.shards_of(second[0])
        facts["second"] = read_rows(others, 0, min(sum(reader.rows for reader in others), second[1]))[0]
    seen = tuple[Crossing, ...]()
    if options.looks_at_rounds:
        facts["moves"], seen = _moves_of(adversary, options.federated_row, victim)
    facts |= {"shard": partial(read_batches, readers), "published": published}
    knowledge = Knowledge(name, features, labels, needs, **facts)
    if attempt.rehearsed_on is not None:
        knowledge.rehearsed, _ = read_release(adversary.private, attempt.rehearsal_name(attempt.rehearsed_on))
    stream = adversary.stream(f"attack {options.label} {victim}")
    answer = attempt.attack.rebuild(knowledge, stream, adversary.compute, progress)
    side, candidates = adversary.scenario.data.image_size, len(facts.get("candidates", facts.get("second", ())))
    shapes: dict[Answers, tuple[int, ...]] = {
        "images": (rows, 3, side, side),
        "attributes": (rows, 4),
        "private": (rows, facts["public_attributes"].shape[1] if "public_attributes" in facts else 0),
        "embeddings": (rows, *answer.shape[1:2]),
        "matches": (rows, candidates),
        "members": (candidates,),
        "classes": (len(adversary.class_names),),
    }
    if answer.shape != shapes[options.answers] or not bool(answer.isfinite().all()):
        raise EntityError(
            f"{name} answered {tuple(answer.shape)}, or values that are not finite. It must answer finite "
            f"{options.answers} of shape {shapes[options.answers]}."
        )
    stored = torch.from_numpy(to_uint8(answer)) if options.answers == "images" else answer.float()
    write_release(adversary.private, guess_name(options.label, victim), {options.answers: stored}, {"victim": victim})
    read = [victim, *([] if second is None else [second[0]])]
    records = [(sender, record) for sender in read for record in adversary.layout.store.records(sender)]
    return Report(
        (Measure("rows_attacked", rows),),
        (*(shard_crossing("attack", sender, adversary.name, record) for sender, record in records), *seen),
        {"knowledge": ", ".join(sorted(needs)), "adversary": classify_adversary(needs)},
    )


def _moves_of(adversary: Defended, row: RowName | None, victim: str) -> tuple[tuple[Move, ...], tuple[Crossing, ...]]:
    """What all rounds of a victim show, of answers or, in a `row` of `federated`, of weights; and what was read."""
    if row is None:
        return moves_of_answers(adversary, victim)
    federation = next(each for each in adversary.scenario.federated if each.name == row)
    return moves_of_weights(adversary, federation, victim)


def _general_knowledge(adversary: Defended, attempt: Attempt) -> dict[str, Any]:
    """What a collaborator has beside what a victim published."""
    facts: dict[str, Any] = {
        "task": adversary.task,
        "featurizer": adversary.released.featurizer,
        "decider": adversary.released.decider,
        "reconstructor": adversary.reconstructor,
        "public_data": load_images(adversary.layout.public),
        "own_data": adversary.images,
        "victim_defense": attempt.victim_defense,
    }
    for fact, name in (("public_attributes", "private"), ("public_identities", "identities")):
        if (told := load_numbers(adversary.layout.public, name)) is not None:
            facts[fact] = torch.from_numpy(told)
    form = adversary.defense.form
    if adversary.options.publishes and form.is_of_own_rows and not form.takes_images:
        facts["own_module"] = partial(adversary.defend, adversary.fitted_module())
    return facts


def _knowledge_of_module(adversary: Defended, defense: Defense, state: Mapping[str, Tensor]) -> dict[str, Any]:
    """A victim's module, as a service and with its weights."""
    module = adversary.fitted_module(defense, state)
    if not defense.form.is_of_own_rows:
        return {"victim_weights": freeze(adversary.compute.place(module))}
    facts: dict[str, Any] = {"victim_encoder": adversary.encoder(defense, module)}
    if not defense.form.takes_images:
        facts["victim_module"] = partial(adversary.defend, module)
        facts["victim_weights"] = freeze(adversary.compute.place(module))
    return facts


def _handed_out_knowledge(adversary: Defended, attempt: Attempt, readers: Sequence[ShardReader]) -> dict[str, Any]:
    """What the oracle gave of a victim's truth, since the adversary's class has it."""
    options = attempt.options
    truth, _ = read_release(adversary.layout.handed(adversary.name), guess_name(options.label, attempt.victim))
    facts: dict[str, Any] = {}
    if options.hand_out is not None and options.hand_out.module:
        # Taken by the option and not by what is there: the module of a filter has no weights.
        state = {name.removeprefix(STOLEN): value for name, value in truth.items() if name.startswith(STOLEN)}
        facts |= _knowledge_of_module(adversary, attempt.victim_defense, state)
    if "candidates" in truth:
        facts["candidates"], facts["candidate_labels"] = truth["candidates"].float() / 255, truth["candidate_labels"]
    if attempt.ally_defenses:
        facts["allies"] = tuple(_ally_of(adversary, *ally, truth) for ally in attempt.ally_defenses.items())
    if "planted" in truth:
        facts["planted"] = truth["planted"].float() / 255
    if "pairs" in truth:
        published = sum(reader.rows for reader in readers)
        features, labels = read_rows(readers, published - len(truth["pairs"]), published)
        facts["pairs"] = Pairs(features, truth["pairs"].float() / 255, labels, truth.get("pair_attributes"))
    return facts


def _ally_of(adversary: Defended, name: str, defense: Defense, truth: Mapping[str, Tensor]) -> tuple[Any, ImageSet]:
    """The module of a colluding entity, features to features, and its images."""
    begin = f"{ALLIES}{name}."
    parts = {key.removeprefix(begin): value for key, value in truth.items() if key.startswith(begin)}
    images, labels = parts.pop("images"), parts.pop("labels")
    return partial(adversary.defend, adversary.fitted_module(defense, parts)), ImageSet(images.numpy(), labels.numpy())
