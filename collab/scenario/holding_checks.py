"""What is wrong with who is to hold which images: shares, classes, overlaps, and how all is dealt."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from collab.meant import did_you_mean
from collab.scenario.base import long_form
from collab.scenario.plain_values import Finding, entry, items, names_in, no_such_entity, number_in

NEEDS_NO_IMAGES = ("auditor", "control", "republisher")
"""Kinds of entities that do their work without images of their own: they may have neither `share` nor `rows`."""


def check_holding(
    entity: Mapping[str, Any], before: Sequence[Mapping[str, Any]], names: Sequence[str], private: Sequence[str] | None
) -> Iterator[Finding]:
    """What one entity is to hold; `private` are the private classes where the file names them."""
    if _has_own(entity):
        if entity.get("overlap") is not None:
            yield ("overlap",), "excludes `data`: nobody else has images of the entity's own source"
    elif entity.get("rows") is not None:
        for key in ("share", "classes", "overlap"):
            if entity.get(key) is not None:
                yield (key,), "excludes `rows`, which names every image of the entity"
    elif entity.get("share") is None and not _is_onlooker(entity):
        yield ("share",), "is missing; without it only `rows` says which images the entity has, or `data` of its own"
    classes = entity.get("classes")
    if isinstance(classes, list | tuple) and (not classes or len(set(names_in(entity, "classes"))) < len(classes)):
        yield ("classes",), "name one class or more, each once"
    for place, name in enumerate(names_in(entity, "classes")):
        if private is not None and name not in private:
            text = f"{name!r} is no private class; those are {', '.join(private)}{did_you_mean(name, private)}"
            yield ("classes", place), text
    donor = entry(entry(entity, "overlap", dict), "with", str)
    earlier = {entry(other, "name", str): other for other in before}
    if donor is not None and donor == entry(entity, "name", str):
        yield ("overlap", "with"), f"{donor!r} is the entity itself; name another"
    elif donor is not None and donor not in earlier:
        later = f"{donor!r} comes after it; name an entity before it, or change their order"
        yield ("overlap", "with"), later if donor in names else no_such_entity(donor, names)
    elif donor is not None and _has_own(earlier[donor]):
        yield ("overlap", "with"), f"{donor!r} has a source of its own, which nobody else reads; name another"
    elif donor is not None:
        own, theirs = names_in(entity, "classes"), names_in(earlier[donor], "classes")
        if own and theirs and not set(own) & set(theirs):
            yield ("overlap", "with"), f"{donor!r} has images of {', '.join(theirs)} only, this entity of none of them"


def _is_onlooker(entity: Mapping[str, Any]) -> bool:
    """Whether an entity says nothing of images of its own, and need not."""
    says = any(entity.get(key) is not None for key in ("share", "rows", "data"))
    return entity.get("kind") in NEEDS_NO_IMAGES and not says


def _has_own(entity: Mapping[str, Any]) -> bool:
    """Whether it has a source of its own."""
    return entity.get("data") is not None


def check_onlookers(content: Mapping[str, Any], entities: Sequence[tuple[int, Mapping[str, Any]]]) -> Iterator[Finding]:
    """Entities without images of their own: they train on none, and say nothing about which they are."""
    rows = [row for _, row in items(content.get("refinements"))]
    pretrain = entry(entry(content, "model", dict), "pretrain", dict)
    trained = {entry(pretrain, "by", str), entry(pretrain, "decider_by", str)}
    trained |= {entry(row, "entity", str) for row in rows}
    trained |= {name for row in rows for name in names_in(row, "unpoisoned")}
    trained |= {name for _, each in items(content.get("federated")) for name in names_in(each, "entities")}
    for index, entity in entities:
        if _is_onlooker(entity):
            if (name := entry(entity, "name", str)) in trained:
                yield ("entities", index, "share"), f"is missing; the images of {name!r} are trained on"
            for key in ("classes", "overlap"):
                if entity.get(key) is not None:
                    yield ("entities", index, key), "has no effect without `share`"


def check_partition(content: Mapping[str, Any], entities: Sequence[tuple[int, Mapping[str, Any]]]) -> Iterator[Finding]:
    """The kind of partition against the entities whose images are drawn."""
    partition = long_form(content.get("partition"))
    kind = entry(partition, "kind", str) or "iid"
    drawn = [
        (index, entity)
        for index, entity in entities
        if entity.get("rows") is None and not _has_own(entity) and not _is_onlooker(entity)
    ]
    if kind == "dirichlet" and all(len(names_in(entity, "classes")) == 1 for _, entity in drawn):
        yield ("partition",), "has no effect: no entity draws from more than one class"
    if kind == "quantity" and len(drawn) < 2:
        yield ("partition",), "has no effect: it takes two entities with a `share`"
    for index, entity in drawn if kind == "quantity" else ():
        if entity.get("classes") is not None:
            yield ("entities", index, "classes"), "excludes `kind: quantity`: shares of different images have no total"
    yield from _check_shares([entity for _, entity in drawn if 0 < (number_in(entity, "share") or 0) <= 1], kind)


def _check_shares(drawn: Sequence[Mapping[str, Any]], kind: str) -> Iterator[Finding]:
    """Shares of the same images, where no draw could make them fit."""

    def new(entity: Mapping[str, Any]) -> float:
        overlap = entry(entity, "overlap", dict) if kind != "quantity" else None  # a drawn share may be all of them
        return (number_in(entity, "share") or 0) * (1 - min(1, max(0, number_in(overlap, "fraction") or 0)))

    total = sum(new(entity) for entity in drawn if not names_in(entity, "classes"))
    if total > 1 + 1e-9:
        yield ("entities",), f"the shares add up to {total:g}; entities share no image but by `overlap`, so at most 1"
        return
    alone = [(new(entity), names_in(entity, "classes")) for entity in drawn if entity.get("overlap") is None]
    for name in dict.fromkeys(name for _, classes in alone for name in classes):
        total = sum(share for share, classes in alone if not classes or name in classes)
        if kind == "iid" and total > 1 + 1e-9:
            text = f"the shares of class {name!r} add up to {total:g}; it has each image once, so at most 1"
            yield ("entities",), text
