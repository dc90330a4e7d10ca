"""What is wrong with rows of the table, federations, and what is expected of them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from collab.papers import paper_tables
from collab.scenario import stage_rows
from collab.scenario.plain_values import Finding, entry, items, names_in, no_such_entity, number_in

ROW_LETTERS = 20
"""Longest name of a row, so that a prefix of ours still fits in a column."""


def check_federation(federation: Mapping[str, Any], names: Sequence[str], seen: set[str]) -> Iterator[Finding]:
    """The mistakes of one federation; `seen` are the names of rows before it."""
    yield from _check_name(federation, seen)
    if federation.get("entities") in ([], ()):
        yield ("entities",), "there is none; at least one takes part"
    yield from _check_listed(federation, "entities", names)


def _check_name(row: Mapping[str, Any], seen: set[str]) -> Iterator[Finding]:
    """The name of a row of either kind; `seen` are those before it."""
    label = str(row.get("row"))
    if "row" in row and label in seen:
        yield ("row",), f"row {label} is there already; rows differ"
    if label.startswith(stage_rows.OF_CONTROLS) or label in stage_rows.RESERVED:
        yield ("row",), f"{label!r} is reserved, as is all that starts with c_ (control rows); choose another"
    if len(label) > ROW_LETTERS:
        yield ("row",), f"{label!r} is longer than {ROW_LETTERS} letters"
    seen.add(label)


def _check_listed(row: Mapping[str, Any], key: str, names: Sequence[str]) -> Iterator[Finding]:
    """The entities that a row of either kind lists under `key`: each there is, and each once."""
    listed = names_in(row, key)
    for place, name in enumerate(listed):
        if names and name not in names:
            yield (key, place), no_such_entity(name, names)
        if name in listed[:place]:
            yield (key, place), f"{name!r} is named twice"


def check_row(row: Mapping[str, Any], names: Sequence[str], seen: set[str]) -> Iterator[Finding]:
    """The mistakes of one row of the table; `seen` are the names of rows before it."""
    yield from _check_name(row, seen)
    entity, own = entry(row, "entity", str), entry(row, "own", str)
    if entity is not None and names and entity not in names:
        yield ("entity",), no_such_entity(entity, names)
    for key in ("pool", "unpoisoned"):
        yield from _check_listed(row, key, names)
        for place, other in enumerate(names_in(row, key)):
            if other == entity:
                yield (key, place), f"{other!r} is the entity itself; its own rows are mixed in anyway"
    yield from _check_meaning(row, entity, own)


def _check_meaning(row: Mapping[str, Any], entity: str | None, own: str | None) -> Iterator[Finding]:
    """A row means one of: from scratch, a share of all images, plain, poisoned or no features beside others' ones."""
    is_share = row.get("share") is not None
    others = [key for key in ("pool", "unpoisoned") if names_in(row, key)]
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
    if is_share and own in ("features", "poisoned", "published", "none"):
        yield ("share",), f"is for `own: images`, an upper bound over raw images; this row has `own: {own}`"
    if own == "none" and not others:
        yield ("own",), "is none, so the row has nothing to train on; name in `pool` whose features it reads"
    if own == "none" and row.get("vet") == "holdout":
        yield ("vet",), "tries peers on own images, and this row has none"
    if row.get("init") == "fresh" and own in ("images", "published"):
        yield ("init",), f"has no effect: `own: {own}` trains a new network in any case"
    if row.get("vet") == "holdout" and not names_in(row, "pool"):
        yield ("vet",), "has no effect: this row has no `pool`"
    if not is_share and row.get("entity") is None:
        yield (), "names no entity; only an upper bound with `own: images` and `share` has none"


def check_expectations(expect: Any, rows: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """One expectation or a list; which rows there are is said by `find_part_mistakes`, which knows controls too."""
    listed = [((), expect)] if isinstance(expect, dict) else [((index,), item) for index, item in items(expect)]
    if expect in ([], ()):
        yield ("expect",), "the list is empty; leave it out, or name a table of the papers or a bound"
    seen: set[str] = set()
    for at, item in listed:
        table = entry(item, "paper", str)
        if table is None:
            yield from ((("expect", *at, *key), text) for key, text in _check_bound(item))
        elif table in seen:
            yield ("expect", *at, "paper"), f"{table!r} is there already"
        elif (printed := paper_tables().get(table)) and printed.rows_are_refinements:
            numbers = tuple(printed.rows)
            if not any(str(row.get("row")) in numbers for row in rows):
                text = f"no row is called {numbers[0]} to {numbers[-1]}, as those of the paper's table are"
                yield ("expect", *at), f"has no effect: {text}"
        seen.add(table or "")


def _check_bound(item: Mapping[str, Any]) -> Iterator[Finding]:
    least, most, near = (number_in(item, key) for key in ("at_least", "at_most", "near"))
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
