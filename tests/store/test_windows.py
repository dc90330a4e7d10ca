"""Which windows of a row are a sign of it: not what others have too, unless they have all of the row."""

from itertools import pairwise

import numpy as np
import pytest

from collab.store.canaries import Canaries, numbers
from collab.store.windows import SPAN, TELLING, WINDOW, choose_starts, find_own_windows, list_starts, sign_windows
from tests.store.counting import count_in

RNG = np.random.default_rng(0)
TYPES = ["float16", "float32", "uint8"]


def rows_of(kind: str, count: int = 6) -> np.ndarray:
    found: np.ndarray = RNG.integers(1, 200, (count, 400)).astype(kind)
    return found


def looked_for(rows: np.ndarray, known: np.ndarray, is_first: np.ndarray | None = None) -> Canaries:
    made = Canaries()
    first = np.ones(len(rows), bool) if is_first is None else is_first
    own = find_own_windows(rows, first, np.unique(sign_windows(known)))
    made.add("rows", numbers(rows, ["as it is"], own))
    return made


@pytest.mark.parametrize("kind", TYPES)
def test_signatures_are_equal_where_numbers_are(kind: str) -> None:
    rows = rows_of(kind)
    other = rows.copy()
    changed = list_starts(400)[7]
    other[:, changed] += 1
    is_equal = (sign_windows(rows) == sign_windows(other)).all(axis=0)
    assert not is_equal[7]
    assert not is_equal[-1]  # the whole row
    assert is_equal[[each for each in range(64) if abs(list_starts(400)[each] - changed) > 2]].all()


@pytest.mark.parametrize("kind", TYPES)
def test_a_row_that_others_have_in_part_is_looked_for_by_the_rest(kind: str) -> None:
    rows, known = rows_of(kind), rows_of(kind, 3)
    known[0, :300] = rows[2, :300]
    made = looked_for(rows, known)
    assert not count_in(made, known.tobytes())
    assert {made.names[piece].row for piece in made.find_in(rows.tobytes())} == set(range(len(rows)))


def test_a_row_that_several_others_have_between_them_is_not_looked_for() -> None:
    rows, known = rows_of("float16"), rows_of("float16", 2)
    known[0, :220], known[1, 180:] = rows[2, :220], rows[2, 180:]
    made = looked_for(rows, known)
    assert not count_in(made, known.tobytes())
    assert {sign.row for sign in made.names.values()} == {0, 1, 3, 4, 5}


def test_a_row_that_one_other_is_was_copied_and_is_looked_for() -> None:
    rows, known = rows_of("float16"), rows_of("float16", 3)
    known[1] = rows[2]
    assert count_in(looked_for(rows, known), known.tobytes()) == {"rows": 1}


def test_what_two_images_have_is_no_sign_of_one_but_what_one_image_has_twice_is() -> None:
    alike, none = np.tile(rows_of("float16", 1), (4, 1)), np.empty((0, 400), np.float16)
    assert not looked_for(alike, none).names  # a network that answers everything alike
    assert looked_for(alike, none, np.array([True, False, False, False])).names
    partly = rows_of("float16")
    partly[:, :200] = partly[0, :200]
    made = looked_for(partly, none)
    assert not count_in(made, partly[:, : 200 + WINDOW // 2].tobytes()[: 2 * 200])
    assert {sign.row for sign in made.names.values()} == set(range(6))


def test_the_first_of_the_most_telling_windows_is_chosen_as_if_looked_at_one_after_the_other() -> None:
    draws = np.random.default_rng(3)
    rows = draws.integers(0, 7, (40, 90)).astype(np.float16)
    rows[:8] = np.arange(90)  # only rises
    rows[8:12] = draws.standard_normal((4, 90))
    starts, allowed = list_starts(90), draws.random((40, len(list_starts(90)))) < 0.5
    expected = []
    for row, may_be in zip(rows.tolist(), allowed.tolist(), strict=True):
        best, most = -1, TELLING - 1
        for start, is_allowed in zip(starts.tolist(), may_be, strict=True):
            piece = row[start : start + SPAN]
            steps = [after - before for before, after in pairwise(piece)]
            is_led = piece[0] != 0 and piece[1] != 0 and piece[0] != piece[1]
            if is_allowed and is_led and min(steps) < 0 < max(steps) and len(set(piece)) > most:
                best, most = start, len(set(piece))
        expected.append(best)
    assert choose_starts(rows, starts, allowed).tolist() == expected
    assert expected[:8] == [-1] * 8
    assert len(set(expected)) > 5
