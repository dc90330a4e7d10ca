"""Which images stand twice, by who holds them: counts and words."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab.data.copies import Holder, describe_copies, digest_images, refuse_test_split_of_training_images
from collab.errors import DataError

RNG = np.random.default_rng(0)
PICTURES = RNG.integers(0, 256, (40, 3, 4, 4), dtype=np.uint8)


def holder(rows: Sequence[int], shown: Sequence[int] | None = None) -> Holder:
    """Holds `rows` of a source, on which there are the pictures `shown`; those below 0 are of a single color."""
    numbers = rows if shown is None else shown
    images = [np.full((3, 4, 4), -number, np.uint8) if number < 0 else PICTURES[number] for number in numbers]
    return Holder.of(np.array(rows), [np.array(images).reshape(-1, 3, 4, 4)])


def test_an_image_is_of_a_single_color_if_all_its_pixels_are_alike_whatever_the_color() -> None:
    red = np.stack([np.full((4, 4), level, np.uint8) for level in (200, 10, 10)])
    nearly = red.copy()
    nearly[2, 3, 3] += 1
    assert Holder.of(np.arange(3), [np.stack([red, nearly, PICTURES[0]])]).is_blank == (True, False, False)


@given(st.lists(st.integers(0, 3), max_size=600))
def test_digests_agree_where_images_do(numbers: list[int]) -> None:
    digests = digest_images(PICTURES[numbers])
    assert [digest == digests[0] for digest in digests] == [number == numbers[0] for number in numbers]


def test_every_way_to_stand_twice_is_told_with_its_count() -> None:
    entities = {
        "a1": holder(range(8), [0, 1, 2, 3, 4, 4, -1, -1]),  # row 5 is row 4 again
        "a2": holder(range(8, 12), [0, 10, 11, -1]),  # row 8 is row 0 again
        "a3": holder([1, 12]),  # holds row 1 as a1 does: no copy
    }
    heldout = holder(range(6), [1, 2, 30, 31, 31, -5])
    public = holder(range(20, 25), [10, 30, 20, 21, -1])
    assert describe_copies(entities, heldout, public) == {
        "private, held-out": (
            "2 private images are also held-out (a1: 2, a3: 1): a score there says nothing about new images."
        ),
        "private, public": (
            "1 private image is also public (a2: 1): no secret, and part of what the reconstructor has learned from."
        ),
        "held-out, public": (
            "1 held-out image is also public: part of what the reconstructor has learned from, which flatters what it "
            "makes of held-out images."
        ),
        "of several entities": (
            "1 image is held by several entities (a1 and a2: 1): matching cannot tell them apart, and what one of them "
            "gives away is given away for all."
        ),
        "in one set": (
            "2 images stand more than once in one set (a1: 1, held-out: 1): each counts as often in training and "
            "scores, and matching cannot tell them apart."
        ),
        "single color": (
            "5 images are of a single color (a1: 2, a2: 1, held-out: 1, public: 1), counted nowhere else here: there "
            "is nothing on them to learn, to hide or to rebuild."
        ),
    }


def test_where_nothing_stands_twice_nothing_is_told() -> None:
    assert describe_copies({"a1": holder([0, 1]), "a2": holder([1, 2])}, holder([5]), holder([6])) == {}


def test_validation_images_are_compared_as_held_out_ones_are() -> None:
    told = describe_copies({"a1": holder([0, 1, 2])}, holder([5, 6]), holder([7]), holder([2, 6, 7, 8, 8]))
    assert told == {
        "private, validation": (
            "1 private image is also validation (a1: 1): a score there says nothing about new images."
        ),
        "validation, public": (
            "1 validation image is also public: part of what the reconstructor has learned from, which flatters what "
            "it makes of validation images."
        ),
        "held-out, validation": (
            "1 held-out image is also among the validation images: what is chosen by looking at them has been chosen "
            "for these too."
        ),
        "in one set": (
            "1 image stands more than once in one set (validation: 1): each counts as often in training and scores, "
            "and matching cannot tell them apart."
        ),
    }


def test_of_many_holders_those_with_most_are_named() -> None:
    entities = {f"a{number}": holder(range(number, 2 * number), range(number)) for number in range(1, 11)}
    told = describe_copies(entities, holder(range(10)), holder([30]))["private, held-out"]
    assert "(a10: 10, a9: 9, a8: 8, a7: 7, a6: 6, a5: 5, a4: 4, a3: 3, and 2 more)" in told


@pytest.mark.parametrize(
    ("private", "heldout", "is_refused"),
    [
        (range(10), range(10), True),
        (range(20), range(10), True),  # all that is held out is trained on
        (range(10), range(20), True),  # all that is trained on is held out
        (range(20), range(19), True),
        (range(20), [*range(18), *range(20, 22)], False),  # 90 %
        (range(10), range(5, 15), False),
        (range(10), range(20, 30), False),
        ([0, -1, -2], [5, -1, -2], False),  # only frames of a single color
        ([-1, -2], [-1, -2], False),
    ],
)
def test_a_test_split_of_training_images_is_refused(
    private: Sequence[int], heldout: Sequence[int], is_refused: bool
) -> None:
    half = len(private) // 2
    entities = {
        name: holder(range(start, start + len(part)), part)
        for name, start, part in (("a1", 0, private[:half]), ("a2", half, private[half:]))
    }
    shown = holder(range(len(heldout)), heldout)
    if not is_refused:
        return refuse_test_split_of_training_images(entities, shown)
    with pytest.raises(DataError, match="the test split is a copy of the training split, or nearly"):
        refuse_test_split_of_training_images(entities, shown)
