"""Every kind of pixel that Pillow knows: what becomes of it, or that it is refused by name."""

import io
import sys
from typing import Any

import numpy as np
import PIL
import pytest
from PIL import Image

from collab.data.decoding import decode
from collab.data.modes import Gray, to_rgb
from collab.errors import DataError, ResourceError

RGB = tuple[int, int, int]
SIXTEEN = Gray(16)

# (Pillow's mode, the pixel in it, what it is in 8 bits of red, green and blue; None: refused)
PIXELS: list[tuple[str, Any, RGB | None]] = [
    ("1", 255, (255, 255, 255)),
    ("L", 7, (7, 7, 7)),
    ("LA", (7, 255), (7, 7, 7)),
    ("LA", (7, 0), (255, 255, 255)),  # transparent: white, whatever color is hidden below
    ("La", (7, 255), (7, 7, 7)),
    ("La", (0, 0), (255, 255, 255)),
    ("P", 1, (10, 20, 30)),  # the second color of the palette below
    ("PA", (1, 255), (10, 20, 30)),
    ("PA", (1, 0), (255, 255, 255)),
    ("RGB", (1, 2, 3), (1, 2, 3)),
    ("RGBA", (1, 2, 3, 255), (1, 2, 3)),
    ("RGBA", (255, 0, 0, 0), (255, 255, 255)),
    ("RGBA", (0, 0, 0, 51), (204, 204, 204)),  # a fifth of black on white: 255 * 4 / 5
    ("RGBa", (0, 0, 0, 51), (204, 204, 204)),
    ("RGBX", (1, 2, 3, 0), (1, 2, 3)),  # the fourth byte means nothing
    ("CMYK", (255, 0, 0, 0), (0, 255, 255)),
    ("YCbCr", (255, 128, 128), (255, 255, 255)),
    ("HSV", (0, 255, 255), (255, 0, 0)),
    ("LAB", (50, 0, 0), None),
    ("I", 65535, (255, 255, 255)),
    ("I", 32768, (128, 128, 128)),
    ("I;16", 32768, (128, 128, 128)),  # 16 bits: the upper 8 of 0x8000
    ("I;16B", 32768, (128, 128, 128)),
    ("I;16L", 32768, (128, 128, 128)),
    ("I;16N", 32768, (128, 128, 128)),
    ("I;16", 0x10FF, (0x10, 0x10, 0x10)),
    ("I;16", 4095, None),  # of 65535: it would be 15, all but black
    ("I;16", 0, (0, 0, 0)),  # black by any range
    ("F", 0.5, None),
]


def of_one_color(mode: str, pixel: Any) -> Image.Image:
    """Of 16 bits by their bytes: not every version of Pillow fills these modes with a color."""
    if mode.startswith("I;16"):
        kind = ">u2" if mode == "I;16B" else "<u2"
        return Image.frombytes(mode, (4, 4), np.full(16, pixel, kind).tobytes())
    picture = Image.new(mode, (4, 4), pixel)
    if mode in ("P", "PA"):
        picture.putpalette([0, 0, 0, 10, 20, 30])
    return picture


@pytest.mark.parametrize(("mode", "pixel", "expected"), PIXELS)
def test_a_pixel_of_every_mode_is_known_or_refused(mode: str, pixel: Any, expected: RGB | None) -> None:
    if mode == "I;16N" and int(PIL.__version__.partition(".")[0]) < 13:
        pytest.skip("Pillow before 13 fills such an image with one byte of the two")
    picture = of_one_color(mode, pixel)
    if expected is None:
        with pytest.raises(DataError, match=r"^x\.tif.* [Ss]ave "):
            to_rgb(picture, SIXTEEN, where="x.tif")
    else:
        assert to_rgb(picture, SIXTEEN, where="x.tif").getcolors() == [(16, expected)]


def test_no_mode_of_pillow_is_forgotten() -> None:
    assert {mode for mode in Image.MODES if not mode.startswith("BGR")} == {mode for mode, _, _ in PIXELS}


def shown(image: Image.Image, kind: str, **options: Any) -> list[int]:
    """The first row of `image` as it decodes from a file of this kind; 16 pixels, all of one gray."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    pixels = decode(file.getvalue(), 16, where="x")
    assert (pixels[0] == pixels[1]).all()
    assert (pixels[0] == pixels[2]).all()
    return [int(value) for value in pixels[0, 0]]


RAMP = np.tile(np.arange(16, dtype=np.uint16) * 0x1111, (16, 1))
"""0 to 65535 in steps of 0x1111: the upper eight bits go in steps of 0x11."""
STEPS = [0x11 * step for step in range(16)]


@pytest.mark.parametrize(("kind", "options"), [
    ("PNG", {}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"}), ("PPM", {}), ("JPEG2000", {}),
])  # fmt: skip
def test_sixteen_bits_of_gray_keep_the_upper_eight(kind: str, options: dict[str, Any]) -> None:
    assert shown(Image.fromarray(RAMP), kind, **options) == STEPS


def test_a_big_endian_file_is_the_same_image() -> None:
    assert shown(Image.frombytes("I;16B", (16, 16), RAMP.astype(">u2").tobytes()), "TIFF") == STEPS


def test_a_gray_file_that_counts_from_white_is_no_negative() -> None:
    assert shown(Image.fromarray(RAMP), "TIFF", tiffinfo={262: 0}) == STEPS[::-1]


def tiff(content: bytes, **tags: int) -> bytes:
    """A file of 16 × 16 gray pixels with one strip, written as TIFF 6.0 says."""
    told = {256: 16, 257: 16, 258: 16, 259: 1, 262: 1, 277: 1, 278: 16, 279: len(content)}
    told |= {int(tag[1:]): value for tag, value in tags.items()}
    begin = 8 + 2 + 12 * (len(told) + 1) + 4
    entries = [
        np.array([tag], "<u2").tobytes() + np.array([4], "<u2").tobytes() + np.array([1, value], "<u4").tobytes()
        for tag, value in sorted((told | {273: begin}).items())
    ]
    head = b"II*\0" + np.array([8], "<u4").tobytes() + np.array([len(entries)], "<u2").tobytes()
    return head + b"".join(entries) + bytes(4) + content


def test_twelve_bits_that_are_declared_are_the_full_range() -> None:
    values = np.tile(np.arange(16) * 0x111, 16)  # 0 to 4095; two values in three bytes
    first, second = values[::2], values[1::2]
    packed = np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], 1).astype(np.uint8).tobytes()
    assert decode(tiff(packed, t258=12), 16, where="x")[0, 0].tolist() == STEPS


@pytest.mark.parametrize(("file", "words"), [
    (tiff(np.full(256, 4095, "<u2").tobytes()), "go up to 4095 of 65535"),
    (tiff(np.full(256, 4095, "<u2").tobytes(), t262=0), "go up to 4095 of 65535"),
    (tiff(np.full(256, -1000, "<i2").tobytes(), t339=2), "are signed, or have 32 bits"),
    (tiff(np.full(256, 70_000, "<i4").tobytes(), t258=32, t339=2), "are signed, or have 32 bits"),
    (tiff(np.full(256, 0.5, "<f4").tobytes(), t258=32, t339=3), "are floating-point numbers"),
])  # fmt: skip
def test_gray_whose_range_nobody_knows_is_refused_by_name(file: bytes, words: str) -> None:
    with pytest.raises(DataError, match=rf"^scan\.tif: its gray values {words}.*or save all images of the set alike"):
        decode(file, 16, where="scan.tif")


@pytest.mark.parametrize(("file", "window"), [
    (tiff((np.arange(256) * 16 % 4096).astype("<u2").tobytes()), (0, 4080)),  # 12 bits in 16
    (tiff((np.arange(256) * 16 - 2000).astype("<i2").tobytes(), t339=2), (-2000, 2080)),
    (tiff((np.arange(256) * 1000).astype("<i4").tobytes(), t258=32, t339=2), (0, 255_000)),
    (tiff((np.arange(256) / 1020).astype("<f4").tobytes(), t258=32, t339=3), (0, 0.25)),
    (tiff((255 * 16 - np.arange(256) * 16).astype("<u2").tobytes(), t262=0), (0, 4080)),
])  # fmt: skip
def test_a_window_spreads_gray_of_every_type_evenly(file: bytes, window: tuple[float, float]) -> None:
    """Image k of 256 pixels has the values black, ..., white in equal steps: 0 to 255."""
    assert decode(file, 16, window, where="x")[0].ravel().tolist() == list(range(256))


def test_a_window_cuts_off_what_is_beyond_and_leaves_eight_bits_alone() -> None:
    values = np.array([-np.inf, -1.0, 0.0, 0.5, 1.0, 9.0, np.inf, np.nan], "<f4").repeat(32)
    image = decode(tiff(values.tobytes(), t258=32, t339=3), 16, (0.0, 1.0), where="x")[0].ravel()
    assert image[::32].tolist() == [0, 0, 0, 128, 255, 255, 255, 0]  # no number: black
    assert shown(Image.new("L", (16, 16), 100), "PNG") == [100] * 16
    file = io.BytesIO()
    Image.new("L", (16, 16), 100).save(file, "PNG")
    assert decode(file.getvalue(), 16, (0, 1), where="x").max() == 100
    file = io.BytesIO()
    Image.fromarray(RAMP).save(file, "PNG", transparency=0x2222)
    assert decode(file.getvalue(), 16, (0, 0xFFFF), where="x")[0, 0].tolist() == [0x00, 0x11, 255, *STEPS[3:]]


def test_hidden_colors_of_transparent_pixels_do_not_show() -> None:
    red = Image.new("RGBA", (16, 16), (255, 0, 0, 0))
    assert shown(red, "PNG") == [255] * 16
    one_color = Image.new("L", (16, 16), 100)
    assert shown(one_color, "PNG") == [100] * 16
    assert shown(one_color, "PNG", transparency=100) == [255] * 16
    assert shown(Image.fromarray(RAMP), "PNG", transparency=0x2222) == [0x00, 0x11, 255, *STEPS[3:]]
    table = Image.new("P", (16, 16), 1)
    table.putpalette([0, 0, 0, 255, 0, 0])
    assert shown(table, "PNG", transparency=1) == [255] * 16
    file = io.BytesIO()
    table.save(file, "PNG", transparency=bytes([255, 51]))  # a fifth of red on white
    assert decode(file.getvalue(), 16, where="x")[:, 0, 0].tolist() == [255, 204, 204]


def test_dicom_without_its_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(ResourceError, match=r"pip install 'collab\[dicom\]'"):
        decode(bytes(128) + b"DICM", 16, where="x")
