"""Labels of a Parquet column, whatever it holds: numbers, texts, categories, true and false; and names of classes."""

import json
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int64

from collab.data.source import Split
from collab.data.words import say_names
from collab.errors import DataError

MOST_CLASSES = 1 << 15
"""As many as labels of a shard can tell apart."""

MOST_LETTERS = 200
"""Of the name of a class: it stands in tables, figures and messages."""

_ALLOWED = "a whole number from 0, a text, a category, or true and false in every row"


class Column(NamedTuple):
    """The labels of one file: numbers, or texts whose numbers are given when those of all files are there."""

    where: str
    numbers: Int64[np.ndarray, " rows"]
    texts: tuple[str, ...] | None = None
    """What the numbers count, if the column holds texts or truth values."""


def read_column(column: pa.ChunkedArray, where: str) -> Column:
    """The labels in `column`. Raises DataError with `where` for other types, and for a row without a label."""
    if len(column) == 0:
        raise DataError(f"{where} has no rows.")
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    if column.null_count:
        row = int(np.flatnonzero(column.is_null().to_numpy())[0])
        raise DataError(f"row {row} of {where} is empty; it must hold {_ALLOWED}.")
    if pa.types.is_boolean(kind):
        return Column(where, column.cast(pa.int8()).to_numpy().astype(np.int64), ("false", "true"))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        words = pc.unique(column)
        if len(words) > MOST_CLASSES:
            raise DataError(f"{where} has {len(words):,} different texts; there are at most {MOST_CLASSES:,} classes.")
        texts = tuple(words.to_pylist())
        refuse_odd_names(texts, where)
        return Column(where, pc.index_in(column, words).to_numpy().astype(np.int64), texts)
    if pa.types.is_floating(kind):
        values = column.to_numpy().astype(np.float64)
        if (odd := np.flatnonzero(~(np.isfinite(values) & (values == np.floor(values))))).size:
            raise DataError(f"row {odd[0]} of {where} is {values[odd[0]]:g}; a class has {_ALLOWED}.")
        return Column(where, _check_range(np.clip(values, -1, MOST_CLASSES).astype(np.int64), where))
    if not pa.types.is_integer(kind):
        raise DataError(f"{where} is {kind}; it must hold {_ALLOWED}.")
    return Column(where, _check_range(column.cast(pa.int64()).to_numpy(), where))


def refuse_odd_names(names: Sequence[str], where: str) -> None:
    """Raises DataError for an empty name of a class, one of several lines, and one of more than 200 letters."""
    odd = next((name for name in names if not name.isprintable() or not 0 < len(name) <= MOST_LETTERS), None)
    if odd is not None:
        raise DataError(
            f"{where} has the label {odd[:40]!r}, of {len(odd)} letters. The name of a class has 1 to "
            f"{MOST_LETTERS} letters, all of them printable."
        )


def number_classes(
    columns: Mapping[Split, Sequence[Column]], stated: tuple[str, ...]
) -> tuple[tuple[str, ...], dict[Split, Int64[np.ndarray, " rows"]]]:
    """The names of the classes, and the label of every row by split.

    Texts are numbered in alphabetical order; numbers have the names that metadata state, or else themselves.
    """
    every = [column for split in columns.values() for column in split]
    with_texts = [column for column in every if column.texts is not None]
    if not with_texts:
        count = 1 + max(int(column.numbers.max()) for column in every)
        if stated and len(stated) < count:
            raise DataError(
                f"{every[0].where}: its metadata name {len(stated)} classes, and the labels go up to {count - 1}."
            )
        labels = {split: np.concatenate([np.empty(0, np.int64), *(column.numbers for column in of_split)])
                  for split, of_split in columns.items()}  # fmt: skip
        return stated or tuple(map(str, range(count))), labels
    if other := next((column for column in every if column.texts is None), None):
        raise DataError(f"{other.where} holds numbers, and {with_texts[0].where} names. Use one kind in all files.")
    classes = tuple(sorted({text for column in with_texts for text in column.texts or ()}))
    place = {name: label for label, name in enumerate(classes)}
    numbered = {
        split: np.concatenate(
            [np.empty(0, np.int64)]
            + [np.array([place[text] for text in column.texts or ()])[column.numbers] for column in of_split]
        )
        for split, of_split in columns.items()
    }
    return classes, numbered


def refuse_classes_without_images(
    classes: Sequence[str], labels: Int64[np.ndarray, " rows"], where: str, advice: str
) -> None:
    """Raises DataError for classes without a training image: they would be drawn, and nobody could learn them."""
    if empty := sorted(set(range(len(classes))) - set(labels.tolist())):
        names = say_names([classes[label] for label in empty])
        raise DataError(
            f"{where} has no row of class {names}: {len(empty)} of {len(classes)} classes have no training image. "
            + advice
        )


def agree_on_names(named: Mapping[str, tuple[str, ...]], label: str) -> tuple[str, ...]:
    """The names that files, each by its path, give the classes; none where none does.

    Raises DataError where two files differ, and where two classes are named alike.
    """
    names: tuple[str, ...] = ()
    path = ""
    for other, theirs in named.items():
        if not names:
            names, path = theirs, other
        elif theirs and theirs != names:
            pairs = enumerate(zip_longest(names, theirs))
            at, (one, two) = next((at, pair) for at, pair in pairs if pair[0] != pair[1])
            raise DataError(
                f"{path} and {other} name the classes of {label!r} differently: label {at} is "
                f"{one!r} in the first and {two!r} in the second."
            )
    if len(set(names)) < len(names):
        twice = next(name for at, name in enumerate(names) if name in names[:at])
        raise DataError(f"{path} names two classes of {label!r} alike: {twice!r}.")
    return names


def read_class_names(schema: pa.Schema, label: str) -> tuple[str, ...]:
    """The names of the column `label` from the hubs' metadata, none if it has none: `info.features.<label>.names`."""
    try:
        part = json.loads((schema.metadata or {}).get(b"huggingface", b""))
    except (ValueError, RecursionError):
        return ()
    for key in ("info", "features", label, "names"):
        part = part.get(key) if isinstance(part, dict) else None
    return tuple(part) if isinstance(part, list) and all(isinstance(name, str) for name in part) else ()


def _check_range(labels: Int64[np.ndarray, " rows"], where: str) -> Int64[np.ndarray, " rows"]:
    if labels.min() < 0 or labels.max() >= MOST_CLASSES:
        raise DataError(
            f"{where} has labels from {labels.min()} to {labels.max()}; they lie between 0 and {MOST_CLASSES - 1}."
        )
    return labels
