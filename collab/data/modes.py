"""Pixels of every kind that Pillow knows to 8 bits of red, green and blue; docs/images.md has the table."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, TiffImagePlugin

from collab.errors import DataError

GROUND = "white"
"""What shows through: viewers and paper are white, and drawings, which are dark, stay visible on it."""

_TWELVE_BITS = 1 << 12
_BITS_PER_SAMPLE, _PHOTOMETRIC, _WHITE_IS_ZERO = 258, 262, 0  # TIFF 6.0, sections 3 and 8


@dataclass(frozen=True)
class Gray:
    """How a file with more than 8 bits of gray is to be read: bits of its full range, 0 if none is known."""

    bits: int = 0
    is_inverted: bool = False


def read_gray(opened: Image.Image) -> Gray:
    """What the file says of its gray values; Pillow keeps that to what was opened, not to what is made from it."""
    if isinstance(opened, TiffImagePlugin.TiffImageFile):
        bits = int(opened.tag_v2.get(_BITS_PER_SAMPLE, (16,))[0]) if opened.mode != "I" else 0
        return Gray(bits, opened.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_ZERO)
    is_scaled = opened.format in ("PNG", "PPM")  # Pillow scales a PGM file to 16 bits, and has them in its mode I
    return Gray(16 if opened.mode != "I" or is_scaled else 0)


def to_rgb(picture: Image.Image, gray: Gray, *, where: str) -> Image.Image:
    """The picture in 8 bits of RGB, transparent pixels on white. Raises DataError with `where` for what has no range.

    Of 16 bits the upper 8 are kept, as Pillow does it with color; `gray` says where gray has fewer.
    """
    if picture.mode == "F":
        raise _refuse(where, "are floating-point numbers, and nothing says which are black and white")
    if picture.mode == "LAB":
        raise DataError(f"{where} has its colors as L*a*b*. Save it as RGB.")
    if picture.mode.startswith("I"):
        return _narrow_gray(picture, gray, where).convert("RGB")
    if picture.mode == "La":  # Pillow turns it to LA and to nothing else
        picture = picture.convert("LA")
    if not picture.has_transparency_data:
        return picture if picture.mode == "RGB" else picture.convert("RGB")
    ground = Image.new("RGBA", picture.size, GROUND)
    ground.alpha_composite(picture.convert("RGBA"))
    return ground.convert("RGB")


def _narrow_gray(picture: Image.Image, gray: Gray, where: str) -> Image.Image:
    if not 8 <= gray.bits <= 16:
        raise _refuse(where, "are signed, or have 32 bits, and nothing says which are black and white")
    values = np.asarray(picture.convert("I"))
    if gray.bits == 16 and 0 < values.max() < _TWELVE_BITS:
        raise _refuse(where, f"go up to {values.max()} of 65535, as if 12 bits stood in 16: it would come out black")
    bright = (values >> (gray.bits - 8)).astype(np.uint8)
    if gray.is_inverted:
        bright = 255 - bright
    transparent = picture.info.get("transparency")  # of PNG: one value, in the 16 bits of the file
    if transparent is not None:
        bright[values == transparent] = 255
    return Image.fromarray(bright)


def _refuse(where: str, why: str) -> DataError:
    return DataError(
        f"{where}: its gray values {why}. Save all images of the set alike in 8 bits, or in 16 over the full range."
    )
