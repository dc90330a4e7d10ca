"""Which rows are private: classes into private and public."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Int64

from collab.data.words import say_names
from collab.errors import DataError
from collab.meant import did_you_mean

Rows = Int64[np.ndarray, " rows"]

LEAST = 2
"""Rows that every entity needs: BatchNorm learns nothing from a batch of one."""


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
                f"data.private_classes names {', '.join(unknown)}; the source has {say_names(classes)}{meant or '.'}"
            )
        chosen = {classes.index(name) for name in private}
    others = tuple(label for label in range(len(classes)) if label not in chosen)
    if len(chosen) < 2 or not others:
        raise DataError(
            f"of {len(classes)} classes {len(chosen)} would be private and {len(others)} public; at least two must be "
            "private and one public: the reconstructor is trained on images of other classes. "
            + (
                f"Name two or more in data.private_classes, of {say_names(classes)}."
                if len(classes) > 2
                else "Add images of a further class to the source."
            )
        )
    return ClassSplit(tuple(sorted(chosen)), others)


def find_rows(labels: Rows, classes: Sequence[int]) -> Rows:
    """Numbers of the rows whose label is one of `classes`, ascending."""
    return np.flatnonzero(np.isin(labels, classes)).astype(np.int64)


def relabel(labels: Rows, classes: Sequence[int]) -> Rows:
    """Each label as its position in `classes`, which must be ascending and hold it."""
    return np.searchsorted(np.asarray(classes), labels).astype(np.int64)


def find_labels(names: Sequence[str], classes: Sequence[str], split: ClassSplit, entity: str) -> tuple[int, ...]:
    """The classes that `entity` chose by name, as positions among the private ones, ascending.

    Raises DataError for a name that the source does not have or that is public.
    """
    private = [classes[label] for label in split.private]
    wrong = [name for name in names if name not in private]
    if wrong:
        reasons = ", ".join(f"{name} ({'public' if name in classes else 'not in the source'})" for name in wrong)
        unknown = [name for name in wrong if name not in classes]
        meant = did_you_mean(unknown[0], private) if unknown else ""
        raise DataError(
            f"entity {entity!r} chose {reasons}; the private classes are {say_names(private)}{meant or '.'} "
            "Name them in data.private_classes, or choose among these."
        )
    return tuple(sorted(private.index(name) for name in names))
