"""Which rows are private: classes into private and public, and lists of rows that a user wrote."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Int64

from collab.errors import DataError
from collab.meant import did_you_mean

Rows = Int64[np.ndarray, " rows"]

LEAST = 2
"""Rows that every entity needs: BatchNorm learns nothing from a batch of one."""

_ROW = re.compile(r"[0-9]{1,18}")
"""Digits that fit into 64 bits; Python would read `1_0` too."""


@dataclass(frozen=True)
class ClassSplit:
    """Labels of the private classes S and the public classes Q, each ascending; they share none."""

    private: tuple[int, ...]
    public: tuple[int, ...]


def split_classes(
    classes: Sequence[str], private: Literal["half"] | Sequence[str], rng: np.random.Generator
) -> ClassSplit:
    """`half`: floor(n / 2) classes drawn by `rng` are private; names: those are; the rest is public.

    Raises DataError for an unknown name, and where either side would be empty or private ones fewer than two.
    """
    if isinstance(private, str):
        chosen = {int(label) for label in rng.permutation(len(classes))[: len(classes) // 2]}
    else:
        unknown = sorted(set(private) - set(classes))
        if unknown:
            meant = did_you_mean(unknown[0], classes)
            raise DataError(
                f"data.private_classes names {', '.join(unknown)}; the source has {_shown(classes)}{meant or '.'}"
            )
        chosen = {classes.index(name) for name in private}
    others = tuple(label for label in range(len(classes)) if label not in chosen)
    if len(chosen) < 2 or not others:
        raise DataError(
            f"of {len(classes)} classes {len(chosen)} would be private and {len(others)} public; at least two must be "
            "private and one public: the reconstructor is trained on images of other classes. "
            + (
                f"Name two or more in data.private_classes, of {_shown(classes)}."
                if len(classes) > 2
                else "Add images of a further class to the source."
            )
        )
    return ClassSplit(tuple(sorted(chosen)), others)


def rows_of(labels: Rows, classes: Sequence[int]) -> Rows:
    """Numbers of the rows whose label is one of `classes`, ascending."""
    return np.flatnonzero(np.isin(labels, classes)).astype(np.int64)


def relabel(labels: Rows, classes: Sequence[int]) -> Rows:
    """Each label as its position in `classes`, which must be ascending and hold it."""
    return np.searchsorted(np.asarray(classes), labels).astype(np.int64)


def labels_of(names: Sequence[str], classes: Sequence[str], split: ClassSplit, entity: str) -> tuple[int, ...]:
    """The classes that `entity` chose by name, as positions among the private ones, ascending.

    Raises DataError for a name that the source does not have or that is public.
    """
    private = [classes[label] for label in split.private]
    wrong = [name for name in names if name not in private]
    if wrong:
        told = ", ".join(f"{name} ({'public' if name in classes else 'not in the source'})" for name in wrong)
        unknown = [name for name in wrong if name not in classes]
        meant = did_you_mean(unknown[0], private) if unknown else ""
        raise DataError(
            f"entity {entity!r} chose {told}; the private classes are {_shown(private)}{meant or '.'} "
            "Name them in data.private_classes, or choose among these."
        )
    return tuple(sorted(private.index(name) for name in names))


def listed_rows(path: Path, labels: Rows, classes: Sequence[str], split: ClassSplit, entity: str) -> Rows:
    """The rows of the source that `path` lists, one on each line and counted from 0, ascending; empty lines are passed.

    Raises DataError for a file that cannot be read or lists too few, and, with its line, for what is no row of
    `labels`, is there already, or is of a public class.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as cause:
        raise DataError(f"entity {entity!r}: the list of rows {path} cannot be read: {cause}") from cause
    is_private = np.isin(labels, split.private)
    found: dict[int, int] = {}
    for number, line in enumerate(lines, 1):
        if not (text := line.strip()):
            continue
        row, where = int(text) if _ROW.fullmatch(text) else -1, f"entity {entity!r}: {path}:{number}: "
        if not 0 <= row < len(labels):
            raise DataError(f"{where}{text[:40]!r} is no row; the source has training images 0 to {len(labels) - 1}.")
        if row in found:
            raise DataError(f"{where}row {row} is there already, in line {found[row]}. Take one of them out.")
        if not is_private[row]:
            raise DataError(
                f"{where}row {row} is of class {classes[labels[row]]}, which is public; the private ones are "
                f"{_shown([classes[label] for label in split.private])}. Name them in data.private_classes, or "
                "take the row out."
            )
        found[row] = number
    if len(found) < LEAST:
        raise DataError(
            f"entity {entity!r}: {path} lists {len(found)} rows; it needs {LEAST}. Write one on each line, from 0."
        )
    return np.array(sorted(found), dtype=np.int64)


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
