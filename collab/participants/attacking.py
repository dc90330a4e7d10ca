"""What a curious entity does: it tries an attack on what a victim published, with what its adversary class has."""

import hashlib
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from collab.attacks.base import Attack, Knowledge, Pairs, adversary
from collab.defenses.base import Defense
from collab.errors import EntityError
from collab.metrics.scores import mean_measure
from collab.models.freeze import freeze
from collab.participants.crossings import shard_crossing
from collab.participants.defended import Defended
from collab.participants.disclosure import to_uint8
from collab.participants.layout import load_images
from collab.participants.published_images import read_images
from collab.scenario.base import CONTROL, Answers, AttackOptions
from collab.store.release import read_release, write_release
from collab.training.progress import Progress
from collab.types import Measure, Report

STOLEN = "module."
"""What the tensors of a module begin with among those that the oracle hands out."""

OF_VICTIMS = frozenset({"images", "pairs", "candidates", "victim_module", "victim_encoder", "victim_weights"})
"""The knowledge that belongs to one victim, and is therefore not there in a rehearsal."""


def dealt(published: int, attack: AttackOptions) -> tuple[int, int]:
    """How many of a victim's `published` rows an attack is tried on, and how many it has as pairs.

    The attacked ones are the first, the pairs the last, at most half of all: no row is both.
    """
    pairs = min(attack.hand_out.pairs if attack.hand_out else 0, published // 2)
    return min(attack.rows, published - pairs), pairs


def guess_name(attack: str, victim: str) -> str:
    """Under which name an adversary keeps the images that it rebuilt."""
    return f"guess_{hashlib.sha256(f'{attack} {victim}'.encode()).hexdigest()[:16]}"


def rehearsed(
    entity: Defended, attack: Attack, stated: AttackOptions, victim: str, victim_defense: Defense, progress: Progress
) -> Report:
    """Keeps, in the private folder, what an attack learned before it saw a shard of `victim` or of its like."""
    who = f"the attack {stated.label!r} of entity {entity.name!r}, rehearsing,"
    nothing = torch.zeros(0, *entity.spec.shape), torch.zeros(0, dtype=torch.int64)
    known = Knowledge(who, *nothing, attack.asks_for - OF_VICTIMS, **_had(entity), victim_defense=victim_defense)
    stream = entity.stream(f"rehearse {stated.label} {victim}")
    kept = attack.rehearse(known, stream, entity.compute, progress)
    write_release(entity.private, _rehearsal(stated, victim), kept, {"victim": victim})
    measured = [mean_measure(CONTROL, kept[CONTROL], entity.scenario.seed)] if CONTROL in kept else []
    return Report(tuple(measured))


def attacked(
    entity: Defended,
    attack: Attack,
    stated: AttackOptions,
    victim: str,
    victim_defense: Defense,
    progress: Progress,
    *,
    is_open: bool,
    rehearsed_on: str | None,
) -> Report:
    """Keeps, in the private folder, what an attack made of the first rows of what `victim` published.

    The oracle, which alone may see the truth, scores it. Raises EntityError for answers of another shape than asked, or
    that are not finite.
    """
    shards = [shard.load() for shard in entity.shards_of(victim)]
    features, labels = (torch.cat(parts) for parts in zip(*shards, strict=True))
    who, needs = f"the attack {stated.label!r} of entity {entity.name!r}", attack.asks_for
    had = _had(entity) | {"victim_defense": victim_defense}
    if is_open:
        had |= _opened(entity, victim_defense, read_release(entity.layout.modules / victim, "defense")[0])
    rows, _ = dealt(len(labels), stated)
    if victim_defense.form.publishes_images:
        had["images"] = torch.cat([images for images, _ in read_images(entity.read(victim))])[:rows]
    if stated.hand_out is not None:
        had |= _handed_out(entity, stated, victim, victim_defense, features, labels)
    known = Knowledge(who, features[:rows].float(), labels[:rows], needs, **had)
    if rehearsed_on is not None:
        known.rehearsed, _ = read_release(entity.private, _rehearsal(stated, rehearsed_on))
    found = attack.rebuild(known, entity.stream(f"attack {stated.label} {victim}"), entity.compute, progress)
    side = entity.scenario.data.image_size
    wanted: dict[Answers, tuple[int, ...]] = {"images": (rows, 3, side, side), "attributes": (rows, 4)}
    if "candidates" in had:
        count = len(had["candidates"])
        wanted |= {"matches": (rows, count), "members": (count,)}
    if found.shape != wanted.get(stated.answers) or not bool(found.isfinite().all()):
        raise EntityError(
            f"{who} answered {tuple(found.shape)}, or values that are not finite. It must answer finite "
            f"{stated.answers} of shape {wanted.get(stated.answers)}."
        )
    answer = torch.from_numpy(to_uint8(found)) if stated.answers == "images" else found.float()
    write_release(entity.private, guess_name(stated.label, victim), {stated.answers: answer}, {"victim": victim})
    read = [shard_crossing("attack", victim, entity.name, each) for each in entity.layout.store.records(victim)]
    known_as = {"knowledge": ", ".join(sorted(needs)), "adversary": adversary(needs)}
    return Report((Measure("rows_attacked", rows),), tuple(read), known_as)


def _rehearsal(stated: AttackOptions, victim: str) -> str:
    return guess_name(f"rehearsal {stated.label}", victim)


def _had(entity: Defended) -> dict[str, Any]:
    """What a collaborator has beside what a victim published."""
    had: dict[str, Any] = {
        "task": entity.task,
        "featurizer": entity.released.featurizer,
        "decider": entity.released.decider,
        "reconstructor": entity.reconstructor,
        "public_data": load_images(entity.layout.public),
        "own_data": entity.images,
    }
    if entity.options.publishes and not entity.defense.form.takes_images:
        had["own_module"] = partial(entity.defend, entity.fitted_module())
    return had


def _opened(entity: Defended, victim_defense: Defense, state: Mapping[str, Tensor]) -> dict[str, Any]:
    """A victim's module, as a service and with its weights."""
    module = entity.fitted_module(victim_defense, state)
    found: dict[str, Any] = {"victim_encoder": entity.encoder(victim_defense, module)}
    if not victim_defense.form.takes_images:
        found |= {"victim_module": partial(entity.defend, module)}
        found |= {"victim_weights": freeze(entity.compute.place(module))}
    return found


def _handed_out(
    entity: Defended, stated: AttackOptions, victim: str, victim_defense: Defense, features: Tensor, labels: Tensor
) -> dict[str, Any]:
    """What the oracle gave of a victim's truth, since the adversary's class has it."""
    given, _ = read_release(entity.layout.handed(entity.name), guess_name(stated.label, victim))
    had: dict[str, Any] = {}
    if stated.hand_out is not None and stated.hand_out.module:  # a filter's has no weights
        state = {name[len(STOLEN) :]: value for name, value in given.items() if name.startswith(STOLEN)}
        had |= _opened(entity, victim_defense, state)
    if "candidates" in given:
        had["candidates"] = given["candidates"].float() / 255
    if "pairs" in given:
        first = len(labels) - len(given["pairs"])
        had["pairs"] = Pairs(features[first:].float(), given["pairs"].float() / 255, labels[first:])
    return had
