"""Windows of rows of numbers: which piece of a row tells this row from all others."""

import numpy as np

WINDOW = 32
"""Numbers of a window, and bytes of a canary: two contents that are not copies do not share so many by chance."""

SPAN = 8
"""Elements that are looked at when a telling window is chosen; at least TELLING of them must differ."""

HEAD = 2
"""Elements that a window begins with and every form of it shows, also the shortest text."""

TELLING = 5
CANDIDATES = 64


def list_starts(elements: int) -> np.ndarray:
    """Where the windows begin that are candidates in a row of so many elements: 64 places, evenly spaced."""
    return np.unique(np.linspace(0, max(elements - WINDOW, 0), CANDIDATES).astype(int))


def sign_windows(rows: np.ndarray) -> np.ndarray:
    """A number for the head of each candidate window of rows [n, elements >= 32], and one for all windows of a row.

    uint64 [n, starts + 1], equal for equal numbers at the same place; sums of bytes times odd factors, so that unequal
    ones, or those of two places, agree by chance once in 2^56.
    """
    draws = np.random.default_rng(0)
    factors = draws.integers(0, 1 << 63, WINDOW * rows.itemsize, dtype=np.uint64) * 2 + 1
    starts, head = list_starts(rows.shape[1]), HEAD * rows.itemsize
    content = np.take(rows, starts[:, None] + np.arange(WINDOW), axis=1).view(np.uint8)  # [n, starts, bytes]
    of_heads = np.einsum("nsb,b->ns", content[:, :, :head], factors[:head])
    powers = np.multiply.accumulate(np.full(len(starts), factors[0]))[::-1]
    of_row = np.einsum("nsb,b->ns", content, factors) @ powers
    signs = np.column_stack([of_heads, of_row])
    return signs + draws.integers(0, 1 << 63, signs.shape[1], dtype=np.uint64)


def find_own_windows(rows: np.ndarray, is_first: np.ndarray, of_others: np.ndarray) -> np.ndarray:
    """Which candidate windows of `rows` are signs of one image: bool [n, starts].

    Not those whose head two different images have (a dark border, a network that answers everything alike); `is_first`
    [n] is False where an earlier row is of the same image. Nor those whose head a row of others has at the same place,
    with the sign_windows `of_others`, ascending; but where others have all of a row, it was copied, and counts.
    """
    mine = sign_windows(rows)
    values, counts = np.unique(mine[is_first], return_counts=True)  # of all places at once: no two have a number alike
    is_common, is_known = _is_among(mine, values[counts > 1]), _is_among(mine, of_others)
    is_own: np.ndarray = (~is_common & (~is_known | is_known[:, -1:]))[:, :-1]
    return is_own


def _is_among(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Which of `values` are among `known`, ascending, of which there may be many more."""
    places = np.searchsorted(known, values)
    found: np.ndarray = places < len(known)
    found[found] = known[places[found]] == values[found]
    return found


def choose_starts(rows: np.ndarray, starts: np.ndarray, allowed: np.ndarray | None = None) -> np.ndarray:
    """For each row [n, elements] the one of `starts` whose next eight numbers differ most; -1 where all are plain.

    Numbers that only rise, or only fall, are plain: so do smooth backgrounds, and so do the counters of file formats.
    `allowed` [n, starts] says which may be chosen, all unless given.
    """
    pieces = np.take(rows, starts[:, None] + np.arange(SPAN), axis=1)  # [n, starts, 8]; at once: n may be small
    differing = 1 + (np.diff(np.sort(pieces), axis=2) != 0).sum(axis=2)
    before, after = pieces[:, :, :-1], pieces[:, :, 1:]
    is_wavy = (after > before).any(axis=2) & (after < before).any(axis=2)
    first, second = pieces[:, :, 0], pieces[:, :, 1]
    may_be = is_wavy & (first != 0) & (second != 0) & (first != second)
    score = np.where(may_be if allowed is None else may_be & allowed, differing, 0)
    best = score.argmax(axis=1)  # the first of equal ones
    return np.where(score.max(axis=1) >= TELLING, starts[best], -1)
