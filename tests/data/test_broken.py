"""Images that do not decode: all are found at once, and what is left without them is what a source of the rest has."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from collab.data.broken import BrokenImages, read_whole_ones
from collab.data.decoding import decode_all
from collab.errors import DataError

from .test_decoding import encoded

WHOLE = [encoded(Image.new("L", (16, 16), shade)) for shade in range(8)]


def test_each_broken_image_is_known_by_its_place_though_none_follows_or_precedes() -> None:
    images = [(WHOLE[at % 8], f"row {at}") for at in range(100)]
    for at in (0, 63, 99):
        images[at] = (b"", f"row {at}")
    images[64] = (DataError("row 64 holds no image."), "row 64")
    with pytest.raises(BrokenImages, match=r"^4 of 100 images do not decode:") as error:
        list(decode_all(images, 16))
    assert error.value.count == 100
    assert {at: why.split(": ")[0] for at, why in error.value.reasons.items()} == {
        0: "row 0 does not decode as an image",
        63: "row 63 does not decode as an image",
        64: "row 64 holds no image.",
        99: "row 99 does not decode as an image",
    }


@given(count=st.integers(0, 40), block=st.integers(1, 9), data=st.data())
def test_whole_images_are_those_of_a_source_without_the_broken_ones(
    count: int, block: int, data: st.DataObject
) -> None:
    """Whatever was given before the first broken image is not read again, and nothing is given twice."""
    rows = np.array(data.draw(st.permutations(range(count))), dtype=np.int64) + 100
    wrong = data.draw(st.sets(st.sampled_from(rows.tolist()))) if count else set[int]()
    asked = 0

    def read(rows: np.ndarray) -> Iterator[np.ndarray]:
        nonlocal asked
        asked += 1
        reasons = {at: f"{row} is broken" for at, row in enumerate(rows.tolist()) if row in wrong}
        for start in range(0, len(rows), block):
            if any(at < start + block for at in reasons):
                break
            yield rows[start : start + block]
        if reasons:
            raise BrokenImages(reasons, len(rows))

    broken = dict[int, str]()
    blocks = list(read_whole_ones(read, rows, broken))
    assert np.concatenate([*blocks, np.empty(0, np.int64)]).tolist() == [row for row in rows if row not in wrong]
    assert broken == {at: f"{row} is broken" for at, row in enumerate(rows.tolist()) if row in wrong}
    assert asked <= 2


def test_what_is_no_broken_image_is_raised() -> None:
    def read(rows: np.ndarray) -> Iterator[np.ndarray]:
        raise DataError("the file is gone")
        yield rows

    with pytest.raises(DataError, match="the file is gone"):
        list(read_whole_ones(read, np.arange(3), {}))
