"""What is wrong between parts that may each be right; looks at plain values, to tell all it can of a broken file."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from collab.architectures import ARCHITECTURES
from collab.meant import did_you_mean
from collab.papers import paper_tables
from collab.scenario import stage_rows
from collab.scenario.sources import that_tell
from collab.tasks import TASKS

Found = tuple[tuple[str | int, ...], str]
"""Where in the scenario, and what is wrong and allowed."""

OF_ANY_WIDTH = tuple(name for name, kind in ARCHITECTURES.items() if kind.width is not None)
"""Backbones whose width is free."""

ROW_LETTERS = 20
"""Longest name of a row, so that a prefix of ours still fits in a column."""

RESERVED = {"oracle", "public", "store", "release", "heldout"}
"""Names of no entity: folders and parties of a run."""

NEEDS_NO_IMAGES = ("auditor",)
"""Kinds of entities that do their work without images of their own: they may have neither `share` nor `rows`."""

Kind = TypeVar("Kind")


def cross_mistakes(content: Mapping[str, Any]) -> Iterator[Found]:
    """The mistakes between the parts of a scenario as it stands in a file; values of a wrong type are passed over."""
    entities = items(content.get("entities"))
    names = [name for _, entity in entities if (name := _get(entity, "name", str)) is not None]
    rows = items(content.get("refinements"))
    yield from _about_entities(content, entities)
    private = _names(_get(content, "data", dict) or {}, "private_classes") or None
    for place, (index, entity) in enumerate(entities):
        before = [other for _, other in entities[:place]]
        yield from ((("entities", index, *at), text) for at, text in _about_holding(entity, before, names, private))
    yield from _about_onlookers(content, entities)
    if entities:
        yield from _about_partition(content, entities)
    yield from _about_data(content)
    yield from _about_model(content, names)
    seen: set[str] = set()
    for index, row in rows:
        yield from ((("refinements", index, *at), text) for at, text in _about_row(row, names, seen))
    for index, federation in items(content.get("federated")):
        yield from ((("federated", index, *at), text) for at, text in _about_federation(federation, names, seen))
    yield from _about_dead_parts(content, [row for _, row in rows])
    yield from _about_expectations(content.get("expect"), [row for _, row in rows])
    yield from _about_resources(_get(_get(content, "resources", dict), "entity", dict))


def _about_entities(content: Mapping[str, Any], entities: Sequence[tuple[int, Mapping[str, Any]]]) -> Iterator[Found]:
    if content.get("entities") in ([], ()):
        yield ("entities",), "there is none; at least one entity is needed"
    seen: set[str] = set()
    for index, entity in entities:
        name = (_get(entity, "name", str) or "").casefold()
        if name and name in seen:
            yield ("entities", index, "name"), f"{entity['name']!r} is the name of an entity before it; names differ"
        if name in RESERVED:
            yield ("entities", index, "name"), f"{entity['name']!r} is reserved; choose another"
        seen.add(name)


def _about_holding(
    entity: Mapping[str, Any], before: Sequence[Mapping[str, Any]], names: Sequence[str], private: Sequence[str] | None
) -> Iterator[Found]:
    """What one entity is to hold; `private` are the private classes where the file names them."""
    if entity.get("rows") is not None:
        for key in ("share", "classes", "overlap"):
            if entity.get(key) is not None:
                yield (key,), "excludes `rows`, which names every image of the entity"
    elif entity.get("share") is None and not _is_onlooker(entity):
        yield ("share",), "is missing; without it only `rows` says which images the entity has"
    classes = entity.get("classes")
    if isinstance(classes, list | tuple) and (not classes or len(set(_names(entity, "classes"))) < len(classes)):
        yield ("classes",), "name one class or more, each once"
    for place, name in enumerate(_names(entity, "classes")):
        if private is not None and name not in private:
            yield (
                ("classes", place),
                f"{name!r} is no private class; those are {', '.join(private)}{did_you_mean(name, private)}",
            )
    donor = _get(_get(entity, "overlap", dict), "with", str)
    known = {_get(other, "name", str): other for other in before}
    if donor is not None and donor == _get(entity, "name", str):
        yield ("overlap", "with"), f"{donor!r} is the entity itself; name another"
    elif donor is not None and donor not in known:
        later = f"{donor!r} comes after it; name an entity before it, or change their order"
        yield ("overlap", "with"), later if donor in names else _unknown(donor, names)
    elif donor is not None:
        own, theirs = _names(entity, "classes"), _names(known[donor], "classes")
        if own and theirs and not set(own) & set(theirs):
            yield ("overlap", "with"), f"{donor!r} has images of {', '.join(theirs)} only, this entity of none of them"


def _is_onlooker(entity: Mapping[str, Any]) -> bool:
    """Whether an entity says nothing of images of its own, and need not."""
    return entity.get("kind") in NEEDS_NO_IMAGES and entity.get("share") is None and entity.get("rows") is None


def _about_onlookers(content: Mapping[str, Any], entities: Sequence[tuple[int, Mapping[str, Any]]]) -> Iterator[Found]:
    """Entities without images of their own: they train on none, and say nothing about which they are."""
    rows = [row for _, row in items(content.get("refinements"))]
    trained = {_get(_get(_get(content, "model", dict), "pretrain", dict), "by", str)}
    trained |= {_get(row, "entity", str) for row in rows} | {name for row in rows for name in _names(row, "unpoisoned")}
    trained |= {name for _, each in items(content.get("federated")) for name in _names(each, "entities")}
    for index, entity in entities:
        if _is_onlooker(entity):
            if (name := _get(entity, "name", str)) in trained:
                yield ("entities", index, "share"), f"is missing; the images of {name!r} are trained on"
            for key in ("classes", "overlap"):
                if entity.get(key) is not None:
                    yield ("entities", index, key), "has no effect without `share`"


def _about_partition(content: Mapping[str, Any], entities: Sequence[tuple[int, Mapping[str, Any]]]) -> Iterator[Found]:
    """The kind of partition against the entities whose images are drawn."""
    stated = content.get("partition")
    kind = stated if isinstance(stated, str) else _get(stated, "kind", str) or "iid"
    drawn = [(index, entity) for index, entity in entities if entity.get("rows") is None and not _is_onlooker(entity)]
    if kind == "dirichlet" and all(len(_names(entity, "classes")) == 1 for _, entity in drawn):
        yield ("partition",), "has no effect: no entity draws from more than one class"
    if kind == "quantity" and len(drawn) < 2:
        yield ("partition",), "has no effect: it takes two entities with a `share`"
    for index, entity in drawn if kind == "quantity" else ():
        if entity.get("classes") is not None:
            yield ("entities", index, "classes"), "excludes `kind: quantity`: shares of different images have no total"
    yield from _about_shares([entity for _, entity in drawn if 0 < (_number(entity, "share") or 0) <= 1], kind)


def _about_shares(drawn: Sequence[Mapping[str, Any]], kind: str) -> Iterator[Found]:
    """Shares of the same images, where no draw could make them fit."""

    def new(entity: Mapping[str, Any]) -> float:
        overlap = _get(entity, "overlap", dict) if kind != "quantity" else None  # a drawn share may be all of them
        return (_number(entity, "share") or 0) * (1 - min(1, max(0, _number(overlap, "fraction") or 0)))

    total = sum(new(entity) for entity in drawn if not _names(entity, "classes"))
    if total > 1 + 1e-9:
        yield ("entities",), f"the shares add up to {total:g}; entities share no image but by `overlap`, so at most 1"
        return
    alone = [(new(entity), _names(entity, "classes")) for entity in drawn if entity.get("overlap") is None]
    for name in dict.fromkeys(name for _, classes in alone for name in classes):
        total = sum(share for share, classes in alone if not classes or name in classes)
        if kind == "iid" and total > 1 + 1e-9:
            yield (
                ("entities",),
                f"the shares of class {name!r} add up to {total:g}; it has each image once, so at most 1",
            )


def _about_data(content: Mapping[str, Any]) -> Iterator[Found]:
    names = (_get(content, "data", dict) or {}).get("private_classes", "half")
    if isinstance(names, list | tuple) and (len(names) < 2 or len({str(name) for name in names}) < len(names)):
        yield ("data", "private_classes"), "name two classes or more, each once, or write `half`"
    yield from _about_inference(content)
    data = _get(content, "data", dict) or {}
    task, source = data.get("task", "classification"), data.get("source")
    needs = TASKS[task].needs if isinstance(task, str) and task in TASKS else ""
    if needs and source not in (known := that_tell(needs)):
        yield (
            ("data", "task"),
            f"the images of {source!r} come without {needs}; those of {', '.join(known)} have them",
        )
    utility, private = _names(data, "utility_attributes"), _names(data, "private_attributes")
    if utility and needs != "attributes":
        yield ("data", "utility_attributes"), "has no effect without `task: attributes`"
    if private and source not in (known := that_tell("attributes")):
        yield ("data", "private_attributes"), f"needs images with attributes, of {', '.join(known)}"
    for key, names in (("utility_attributes", utility), ("private_attributes", private)):
        if twice := sorted({name for name in names if names.count(name) > 1}):
            yield ("data", key), f"names {', '.join(twice)} twice"
    if both := sorted(set(utility) & set(private)):
        yield ("data", "private_attributes"), f"{', '.join(both)} cannot be both answered and hidden"


def _about_inference(content: Mapping[str, Any]) -> Iterator[Found]:
    """What classifiers are to read, and a DPM that confuses one of them, against what the images tell."""
    data, wanted = _get(content, "data", dict) or {}, _get(content, "inference", dict)
    source, asked = data.get("source"), ["attributes"] if wanted is None else wanted.get("of", ["attributes"])
    if wanted is not None and source not in (known := that_tell("identities")):
        yield ("inference",), f"needs images whose people are known, of {', '.join(known)}"
    is_told = data.get("task") == "attributes" or bool(_names(data, "private_attributes"))
    if wanted is not None and isinstance(asked, list | tuple) and "attributes" in asked and not is_told:
        yield ("inference", "of"), "attributes need `data.private_attributes`, or `task: attributes`"
    for index, entity in items(content.get("entities")):
        stated = entity.get("defense")
        for place, defense in items(list(stated) if isinstance(stated, list | tuple) else [stated]):
            at: tuple[str | int, ...] = ("entities", index, "defense")
            at = (*at, place) if isinstance(stated, list | tuple) else at
            is_confusing = defense.get("confuse") == "identification"
            if is_confusing and wanted is None:
                yield (*at, "confuse"), "needs `inference`, which states the network that is to be confused"
            for name in ("against", "adapt"):
                if is_confusing and defense.get(name):
                    yield (*at, name), "has no effect with `confuse: identification`: no reconstructor is an opponent"
            if not is_confusing and defense.get("target") == "per_image":
                yield (*at, "target"), "has no effect without `confuse: identification`"


def _about_model(content: Mapping[str, Any], names: Sequence[str]) -> Iterator[Found]:
    model = _get(content, "model", dict)
    by = _get(_get(model, "pretrain", dict), "by", str)
    if by is not None and names and by not in names:
        yield ("model", "pretrain", "by"), _unknown(by, names)
    backbone = _get(model, "backbone", str)
    kind = ARCHITECTURES.get(backbone or "")
    if kind is None:
        return
    hook = _get(model, "hook", str)
    side = _get({"image_size": 32, **(_get(content, "data", dict) or {})}, "image_size", int)  # the default of Data
    if hook is not None and hook not in kind.hooks:
        meant = did_you_mean(hook, kind.hooks)
        yield ("model", "hook"), f"{backbone} cannot be split at {hook!r}; it has {', '.join(kind.hooks)}{meant}"
    if side is not None and not kind.sides[0] <= side <= kind.sides[1]:
        yield ("data", "image_size"), f"{backbone} takes {kind.sides[0]} to {kind.sides[1]} px, not {side}"
    if _get(model, "width", int) is not None and kind.width is None:
        yield ("model", "width"), f"{backbone} has fixed widths; only {', '.join(OF_ANY_WIDTH)} take `width`"


def _about_federation(federation: Mapping[str, Any], names: Sequence[str], seen: set[str]) -> Iterator[Found]:
    yield from _about_name(federation, seen)
    named: set[str] = set()
    if federation.get("entities") in ([], ()):
        yield ("entities",), "there is none; at least one takes part"
    for place, name in enumerate(_names(federation, "entities")):
        if names and name not in names:
            yield ("entities", place), _unknown(name, names)
        if name in named:
            yield ("entities", place), f"{name!r} is named twice"
        named.add(name)


def _about_name(row: Mapping[str, Any], seen: set[str]) -> Iterator[Found]:
    """The name of a row of either kind; `seen` are those before it."""
    label = str(row.get("row"))
    if "row" in row and label in seen:
        yield ("row",), f"row {label} is there already; rows differ"
    if label.startswith(stage_rows.OF_CONTROLS) or label in stage_rows.RESERVED:
        yield ("row",), f"{label!r} is reserved, as is all that starts with c_ (control rows); choose another"
    if len(label) > ROW_LETTERS:
        yield ("row",), f"{label!r} is longer than {ROW_LETTERS} letters"
    seen.add(label)


def _about_row(row: Mapping[str, Any], names: Sequence[str], seen: set[str]) -> Iterator[Found]:
    yield from _about_name(row, seen)
    entity, own = _get(row, "entity", str), _get(row, "own", str)
    if entity is not None and names and entity not in names:
        yield ("entity",), _unknown(entity, names)
    for key in ("pool", "unpoisoned"):
        named: set[str] = set()
        for place, other in enumerate(_names(row, key)):
            if names and other not in names:
                yield (key, place), _unknown(other, names)
            if other == entity:
                yield (key, place), f"{other!r} is the entity itself; its own rows are mixed in anyway"
            if other in named:
                yield (key, place), f"{other!r} is named twice"
            named.add(other)
    yield from _about_meaning(row, entity, own)


def _about_meaning(row: Mapping[str, Any], entity: str | None, own: str | None) -> Iterator[Found]:
    """A row means one of: from scratch, a share of all images, plain features, poisoned features, own ones alone."""
    is_share = row.get("share") is not None
    others = [key for key in ("pool", "unpoisoned") if _names(row, key)]
    if len(others) == 2:
        yield ("unpoisoned",), "excludes `pool`: a row mixes in poisoned features or plain ones"
    if own == "images" and others:
        yield (others[0],), "features cannot be mixed into `own: images`, which trains from scratch on images"
    if own == "poisoned" and "unpoisoned" in others:
        yield ("unpoisoned",), "excludes `own: poisoned`, a control for `pool`"
    if own == "published" and "unpoisoned" in others:
        yield ("unpoisoned",), "cannot be mixed into `own: published`, which trains from scratch on published images"
    if is_share and entity is not None:
        yield ("share",), "excludes `entity`: it draws from the images of all"
    if is_share and own in ("features", "poisoned", "published"):
        yield ("share",), f"is for `own: images`, an upper bound over raw images; this row has `own: {own}`"
    if row.get("vet") == "holdout" and not _names(row, "pool"):
        yield ("vet",), "has no effect: this row has no `pool`"
    if not is_share and row.get("entity") is None:
        yield (), "names no entity; only an upper bound with `own: images` and `share` has none"


def _about_dead_parts(content: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Iterator[Found]:
    if content.get("scratch") is not None and not any(row.get("own") in ("images", "published") for row in rows):
        yield ("scratch",), "has no effect: no row has `own: images`"


def _about_expectations(stated: Any, rows: Sequence[Mapping[str, Any]]) -> Iterator[Found]:
    """One expectation or a list of them; which rows there are is told by `part_mistakes`, which knows controls too."""
    listed = [((), stated)] if isinstance(stated, dict) else [((index,), item) for index, item in items(stated)]
    if stated in ([], ()):
        yield ("expect",), "the list is empty; leave it out, or name a table of the papers or a bound"
    seen: set[str] = set()
    for at, item in listed:
        table = _get(item, "paper", str)
        if table is None:
            yield from ((("expect", *at, *key), text) for key, text in _about_bound(item))
        elif table in seen:
            yield ("expect", *at, "paper"), f"{table!r} is there already"
        elif (numbers := _numbers_of(table)) and not any(str(row.get("row")) in numbers for row in rows):
            told = f"no row is called {numbers[0]} to {numbers[-1]}, as those of the paper's table are"
            yield ("expect", *at), f"has no effect: {told}"
        seen.add(table or "")


def _numbers_of(table: str) -> tuple[str, ...]:
    """The rows of a printed table that stand for refinements of the same number; nothing for other tables."""
    printed = paper_tables().get(table)
    return tuple(printed.rows) if printed and printed.rows_are_refinements else ()


def _about_bound(item: Mapping[str, Any]) -> Iterator[Found]:
    least, most, near = (_number(item, key) for key in ("at_least", "at_most", "near"))
    has_within = item.get("within") is not None
    told_elsewhere = set(item) - {"metric", "row", "entity", "at_least", "at_most", "near", "within"}
    if item and not told_elsewhere and all(item.get(key) is None for key in ("at_least", "at_most", "near")):
        yield (), "expects nothing; state `at_least`, `at_most`, or `near` and `within`"
    if near is not None:
        for key in ("at_least", "at_most"):
            if item.get(key) is not None:
                yield (key,), "excludes `near`; state a range or a value and how far from it"
        if not has_within:
            yield ("within",), "is missing; it says how far from `near` the value may be"
    elif has_within and item.get("near") is None:
        yield ("within",), "has no effect without `near`"
    if least is not None and most is not None and least > most:
        yield ("at_most",), f"is below `at_least`, {least:g}; no value is both"


def _about_resources(entity: Mapping[str, Any] | None) -> Iterator[Found]:
    gpus = _number(entity, "gpus") or 0
    if gpus > 1 and gpus != int(gpus):
        yield ("resources", "entity", "gpus"), f"{gpus:g} is neither a fraction of one GPU nor a whole number of them"
    if entity and entity.get("gpu_memory") is not None and gpus == 0:
        yield ("resources", "entity", "gpu_memory"), "has no effect without `gpus`"


def _unknown(name: str, names: Sequence[str]) -> str:
    return f"there is no entity {name!r}; there are {', '.join(names)}{did_you_mean(name, names)}"


def items(value: Any) -> list[tuple[int, dict[str, Any]]]:
    """The mappings in a list that may hold anything, with their places."""
    if not isinstance(value, list | tuple):
        return []
    return [(index, item) for index, item in enumerate(value) if isinstance(item, dict)]


def _names(row: Mapping[str, Any], key: str) -> list[str]:
    value = row.get(key)
    return [str(name) for name in value] if isinstance(value, list | tuple) else []


def _get(value: Any, key: str, kind: type[Kind]) -> Kind | None:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, kind) and not isinstance(found, bool) else None


def _number(value: Any, key: str) -> float | None:
    whole = _get(value, key, int)
    return _get(value, key, float) if whole is None else whole
