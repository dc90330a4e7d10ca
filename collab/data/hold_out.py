"""Which images of one party are held out: a share of each class, and never a part of a group."""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from collab.data.partition import Rows
from collab.data.source import Source, WithColumns, WithNames
from collab.data.targets import WithIdentities
from collab.data.words import say_names
from collab.errors import DataError
from collab.meant import did_you_mean

IDENTITY = "identity"
"""As `group`: the people or individuals whom the images show, where the source knows them."""


def hold_out(labels: Rows, share: float, rng: np.random.Generator, groups: Rows | None = None) -> Rows:
    """Positions of the `share` of each class that is held out, ascending; all rows of a group or none.

    Of each class it is one row at least and never the last one, as far as groups allow: a class with a single row, or
    of a single group, is not held out. Which rows they are follows from `rng`, the labels and groups alone.
    """
    if groups is not None:
        return _hold_out_groups(labels, share, rng, groups)
    chosen = [np.empty(0, np.int64)]
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        chosen.append(rows[: _count(len(rows), share)])
    return np.sort(np.concatenate(chosen))


def _count(rows: int, share: float) -> int:
    """How many of the rows of a class are to be held out."""
    return min(max(1, round(share * rows)), rows - 1)


def _hold_out_groups(labels: Rows, share: float, rng: np.random.Generator, groups: Rows) -> Rows:
    """Groups in an order drawn by `rng`, the class of fewest groups first, while that nears a class to its share."""
    _, group_of, sizes_of = np.unique(groups, return_inverse=True, return_counts=True)
    members = np.split(np.argsort(group_of, kind="stable"), np.cumsum(sizes_of)[:-1])
    counts = [Counter(labels[rows].tolist()) for rows in members]
    sizes, held, chosen = Counter(labels.tolist()), Counter[int](), set[int]()
    order = rng.permutation(len(members)).tolist()
    groups_of = {kind: [group for group in order if kind in counts[group]] for kind in sizes}
    for kind in sorted(sizes, key=lambda kind: (len(groups_of[kind]), kind)):
        wanted = _count(sizes[kind], share)
        for group in groups_of[kind]:
            if held[kind] >= wanted:
                break
            after = held + counts[group]
            is_nearer = held[kind] == 0 or abs(after[kind] - wanted) <= wanted - held[kind]
            if group not in chosen and is_nearer and all(after[each] < sizes[each] for each in counts[group]):
                chosen.add(group)
                held = after
    return np.sort(np.concatenate([np.empty(0, np.int64), *(members[group] for group in sorted(chosen))]))


def find_groups(source: Source, group: str, rows: Rows) -> Rows:
    """The group of each of `rows` of the training split, as a number.

    `group` is `identity`, a column of the source, or a regular expression that is looked for in the names of files:
    what its first pair of brackets matched, or all of it, is the group. Raises DataError where none of this is there.
    """
    if group == IDENTITY and isinstance(source, WithIdentities):
        return source.identities("train", rows)
    columns = source.column_names if isinstance(source, WithColumns) else ()
    if isinstance(source, WithColumns) and group in columns:
        named = _take(source.column("train", group), group, rows)
    elif isinstance(source, WithNames):
        named = _match([source.names("train")[row] for row in rows.tolist()], group)
    elif columns:
        raise DataError(
            f"`group: {group}` is no column; there are {say_names(columns)}{did_you_mean(group, columns) or '.'}"
        )
    else:
        raise DataError(
            f"`group: {group}` needs a source with columns, with file names, or one that knows whom images show."
        )
    return np.unique(named, return_inverse=True)[1].astype(np.int64)


def _take(column: Sequence[object], group: str, rows: Rows) -> list[str]:
    values = [column[row] for row in rows.tolist()]
    if None in values:
        raise DataError(
            f"column {group!r} has no value in row {rows[values.index(None)]} and in {values.count(None) - 1} others, "
            "so that nobody knows which images belong together. Give each row a value."
        )
    return list(map(str, values))


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
