"""The search: what is planted is found, at whatever offset and in whatever form; what is not there is not."""

import base64
import json
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from collab.store.canaries import CHUNK, Canaries, Sign, is_one_number, numbers, pictures
from collab.store.windows import WINDOW
from tests.store.counting import count_in

RNG = np.random.default_rng(0)
WEIGHTS = RNG.standard_normal((20, 200)).astype(np.float32)
IMAGES = RNG.integers(0, 256, (10, 3, 16, 16), dtype=np.uint8)
EVERY = ["as it is", "float16", "bfloat16", "float64"]


def looked_for() -> Canaries:
    made = Canaries()
    made.add("weights", numbers(WEIGHTS, EVERY))
    made.add("images", pictures(IMAGES))
    return made


FORMS = {
    "float32": WEIGHTS.tobytes(),
    "float16": WEIGHTS.astype(np.float16).tobytes(),
    "bfloat16": torch.from_numpy(WEIGHTS).bfloat16().view(torch.uint16).numpy().tobytes(),
    "float64": WEIGHTS.astype(np.float64).tobytes(),
    "json": json.dumps(WEIGHTS[3].tolist()).encode(),
    "json, indented": json.dumps(WEIGHTS[3].tolist(), indent=1).encode(),
    "hexadecimal": WEIGHTS[:2].tobytes().hex().encode(),
    **{f"base64 after {n}": base64.b64encode(bytes(n) + WEIGHTS[:2].tobytes()) for n in range(3)},
}
PICTURES = {
    "by channel": IMAGES[4].tobytes(),
    "by pixel": IMAGES[4].transpose(1, 2, 0).tobytes(),
    "as floats": (IMAGES[4].astype(np.float32) / np.float32(255)).tobytes(),
    "as halves": (IMAGES[4].astype(np.float32) / np.float32(255)).astype(np.float16).tobytes(),
    "as text": json.dumps(IMAGES[4].reshape(-1).tolist()).encode(),
    **{f"base64 after {n}": base64.b64encode(bytes(n) + IMAGES[4].tobytes()) for n in range(3)},
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("offset", [0, 1, 7, CHUNK - 5])
def test_weights_are_found_in_any_form_at_any_offset(form: str, offset: int) -> None:
    content = bytes(offset) + FORMS[form] + bytes(30)
    assert count_in(looked_for(), content)["weights"] >= 1


@pytest.mark.parametrize("form", PICTURES)
def test_an_image_is_found_in_any_form(form: str) -> None:
    assert set(count_in(looked_for(), b"x" * 13 + PICTURES[form])) == {"images"}


def test_every_row_and_every_image_has_a_canary_of_its_own() -> None:
    assert [count_in(looked_for(), row.tobytes()) for row in WEIGHTS] == [{"weights": 1}] * 20
    assert [count_in(looked_for(), image.tobytes()) for image in IMAGES] == [{"images": 1}] * 10


@given(st.binary(max_size=2000), st.integers(0, 2**32))
def test_nothing_is_found_where_nothing_is(content: bytes, seed: int) -> None:
    made = looked_for()
    assert not count_in(made, content)
    assert not count_in(made, np.random.default_rng((seed, 1)).standard_normal(500).astype(np.float32).tobytes())


def test_plain_content_is_no_canary() -> None:
    flat = np.zeros((5, 100), np.float32)
    flat[:, ::9] = 1.0
    assert not list(numbers(flat, EVERY))
    assert not list(pictures(np.full((2, 3, 16, 16), 7, np.uint8)))
    assert not list(numbers(WEIGHTS[:, : WINDOW - 1], EVERY))
    ramp = np.arange(3 * 16 * 16, dtype=np.uint8).reshape(
        1, 3, 16, 16
    )  # a smooth background, and the counters of Parquet
    assert not [piece for _, piece in pictures(ramp) if piece in bytes(range(256))]


def test_digits_that_sizes_share_with_halves_are_no_canary() -> None:
    halves = np.tile(RNG.standard_normal(200).astype(np.float16), (2, 1))
    halves[1] = np.float16(0.0004852294921875) * (1 + np.arange(200) % 7 * (-1) ** np.arange(200))
    made = Canaries()
    made.add("features", numbers(halves, ["as it is", "float32"]))
    assert count_in(made, json.dumps(halves.astype(float).tolist()).encode())["features"] == 2
    sizes = [31.004852294921875, *(n / 2**20 for n in range(1, 2**20, 7))]
    assert not count_in(made, json.dumps({"MiB": sizes}).encode())


def test_numbers_alone_are_found_each_and_are_told_from_other_pieces() -> None:
    made = looked_for()
    lines = "\n".join(json.dumps({"loss": abs(number)}) for number in WEIGHTS[3].tolist()).encode()
    found = made.find_in(lines)
    assert len(found) == 4
    assert all(map(is_one_number, found))
    others = made.find_in(b"".join(FORMS.values()))
    assert sum(map(is_one_number, others)) <= 8 < len(others)  # of the rows that are there as JSON


def test_a_number_that_has_the_last_digits_of_another_is_not_that() -> None:
    # A loss that was met beside a weight: 100 times the one is 8 more than the other, both to the last bit of fp32.
    weight, loss = np.float32(2.7064783573150635), np.float32(0.10706478357315063)
    assert 100 * float(loss) - 8 == pytest.approx(float(weight), abs=1e-14)
    weights = WEIGHTS[:1].copy()
    weights[:] = weight * (1 + np.arange(200) % 7 * (-1) ** np.arange(200) / 8)
    made = Canaries()
    made.add("weights", numbers(weights, EVERY))
    assert not count_in(made, json.dumps({"loss": float(loss)}).encode())


def test_what_is_public_too_is_not_looked_for() -> None:
    made = looked_for()
    public = IMAGES[:5].tobytes()
    left = made.without(made.find_in(public))
    assert not count_in(left, public)
    assert count_in(left, IMAGES[5:].tobytes()) == {"images": 5}
    assert not count_in(left.without((), "images"), IMAGES.tobytes())


def test_a_million_bytes_of_zeros_and_a_search_for_nothing() -> None:
    assert not count_in(looked_for(), bytes(1 << 20))
    assert not count_in(Canaries(), WEIGHTS.tobytes())


def test_the_canaries_are_walked_over_once_for_any_number_of_files() -> None:
    class Names(dict[bytes, Sign]):
        walks = 0

        def __iter__(self) -> Iterator[bytes]:
            Names.walks += 1
            return super().__iter__()

    made = looked_for()
    made.names = Names(made.names)
    for _ in range(5):
        assert count_in(made, WEIGHTS.tobytes())["weights"] == len(WEIGHTS)
    assert Names.walks == 1
