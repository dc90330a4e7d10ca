"""Which images of one party are held out: a share of each class, and never a part of a group."""

import re
from collections.abc import Sequence

import numpy as np

from collab.data.partition import Rows
from collab.data.source import Source, WithColumns, WithNames
from collab.data.targets import WithIdentities
from collab.errors import DataError

IDENTITY = "identity"
"""As `group`: the people or individuals whom the images show, where the source knows them."""


def hold_out(labels: Rows, share: float, rng: np.random.Generator, groups: Rows | None = None) -> Rows:
    """Positions of the `share` of each class that is held out, ascending; all rows of a group or none.

    Of each class it is one row at least and never the last one, as far as groups allow. Without `groups` each row is
    one by itself, and the share is met to the row. Else groups are taken in an order drawn by `rng`, for the class
    with the fewest groups first, while that brings the count of the class nearer to its share.
    """
    groups = np.arange(len(labels)) if groups is None else np.unique(groups, return_inverse=True)[1]
    kinds, labels = np.unique(labels, return_inverse=True)
    counts = np.zeros((int(groups.max(initial=-1)) + 1, len(kinds)), np.int64)  # rows of each class in each group
    np.add.at(counts, (groups, labels), 1)
    sizes, held = counts.sum(0), np.zeros(len(kinds), np.int64)
    wanted = np.minimum(np.maximum(1, np.rint(share * sizes)), sizes - 1)
    is_held, order = np.zeros(len(counts), bool), rng.permutation(len(counts))
    for kind in np.argsort((counts > 0).sum(0), kind="stable"):
        for group in order[counts[order, kind] > 0]:
            if held[kind] >= wanted[kind]:
                break
            after = held + counts[group]
            is_nearer = abs(after[kind] - wanted[kind]) <= abs(held[kind] - wanted[kind]) or held[kind] == 0
            if not is_held[group] and is_nearer and bool((after < sizes)[counts[group] > 0].all()):
                is_held[group], held = True, after
    return np.flatnonzero(is_held[groups]).astype(np.int64)


def find_groups(source: Source, group: str, rows: Rows) -> Rows:
    """The group of each of `rows` of the training split, as a number.

    `group` is `identity`, a column of the source, or a regular expression that is looked for in the names of files:
    what its first pair of brackets matched, or all of it, is the group. Raises DataError where none of this is there.
    """
    if group == IDENTITY and isinstance(source, WithIdentities):
        return source.identities("train", rows)
    if isinstance(source, WithColumns):
        return np.unique(np.asarray(source.column("train", group), dtype=str)[rows], return_inverse=True)[1]
    if not isinstance(source, WithNames):
        raise DataError(
            f"`group: {group}` needs a source with columns, with file names, or one that knows whom images show."
        )
    return np.unique(_match([source.names("train")[row] for row in rows.tolist()], group), return_inverse=True)[1]


def _match(names: Sequence[str], group: str) -> list[str]:
    try:
        pattern = re.compile(group)
    except re.error as cause:
        raise DataError(f"`group: {group}` is no regular expression: {cause}.") from cause
    made = list[str]()
    for name in names:
        match = pattern.search(name)
        if match is None or match[min(1, pattern.groups)] is None:
            raise DataError(
                f"`group: {group}` matches nothing in {name!r}. It must match every name, or nobody knows which images "
                "belong together."
            )
        made.append(match[min(1, pattern.groups)])
    return made
