"""Who gets which rows: classes into private and public, private rows into disjoint subsets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Int64

from collab.errors import DataError

Rows = Int64[np.ndarray, " rows"]


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
            shown = ", ".join(classes[:20]) + (", ..." if len(classes) > 20 else "")
            raise DataError(f"data.private_classes names {', '.join(unknown)}; the source has {shown}.")
        chosen = {classes.index(name) for name in private}
    others = tuple(label for label in range(len(classes)) if label not in chosen)
    if len(chosen) < 2 or not others:
        raise DataError(
            f"of {len(classes)} classes {len(chosen)} would be private and {len(others)} public; "
            "at least two must be private and one public."
        )
    return ClassSplit(tuple(sorted(chosen)), others)


def rows_of(labels: Rows, classes: Sequence[int]) -> Rows:
    """Numbers of the rows whose label is one of `classes`, ascending."""
    return np.flatnonzero(np.isin(labels, classes)).astype(np.int64)


def relabel(labels: Rows, classes: Sequence[int]) -> Rows:
    """Each label as its position in `classes`, which must be ascending and hold it."""
    return np.searchsorted(np.asarray(classes), labels).astype(np.int64)


def stratified_subsets(labels: Rows, shares: Mapping[str, float], rng: np.random.Generator) -> dict[str, Rows]:
    """Disjoint subsets of rows, each with round(share × size) rows of every class, for each name in turn.

    Cut from one permutation of each class in the order of `shares`: who comes later changes nothing for who came
    before. Raises DataError if the shares exceed 1, or if a share leaves somebody without an image of some class.
    """
    total = sum(shares.values())
    if total > 1 + 1e-9:
        raise DataError(f"the shares of {', '.join(shares)} add up to {total:g}; they are disjoint, so at most 1.")
    parts: dict[str, list[Rows]] = {name: [] for name in shares}
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        start = 0
        for name, share in shares.items():
            count = min(round(share * len(members)), len(members) - start)
            if count < 1:
                raise DataError(
                    f"entity {name!r} with share {share:g} would get no image of class {label}, which has "
                    f"{len(members)}. "
                    f"Give it at least {min(1.0, 0.5 / len(members) + 1e-4):.4f}, or use more images."
                )
            parts[name].append(members[start : start + count])
            start += count
    return {name: np.sort(np.concatenate(rows)).astype(np.int64) for name, rows in parts.items()}
