"""Pixels of every kind that Pillow knows to 8 bits of red, green and blue; docs/images.md has the table."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import Image, TiffImagePlugin

from collab.errors import DataError

GROUND = "white"
"""What shows through: viewers and paper are white, and drawings, which are dark, stay visible on it."""

_TWELVE_BITS = 1 << 12
_BITS_PER_SAMPLE, _PHOTOMETRIC, _WHITE_IS_ZERO = 258, 262, 0  # TIFF 6.0, sections 3 and 8


Window = tuple[float, float]
"""The gray values that become black and white; those between are spread evenly, those beyond are cut off."""


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


def to_rgb(picture: Image.Image, gray: Gray, window: Window | None = None, *, where: str) -> Image.Image:
    """The picture in 8 bits of RGB, transparent pixels on white. Raises DataError with `where` for what has no range.

    Gray of more than 8 bits is spread by `window`. Without one the upper 8 of 16 bits are kept, as Pillow does it with
    color; `gray` says where gray has fewer.
    """
    if window and (picture.mode == "F" or picture.mode.startswith("I")):
        return _spread_gray(picture, gray, window).convert("RGB")
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


def spread(values: np.ndarray, black: float, white: float) -> UInt8[np.ndarray, "..."]:
    """Values in 8 bits, to the nearest: `black` and below are 0, `white` and above 255, what is no number is 0."""
    shares = (values.astype(np.float64) - black) / max(white - black, np.finfo(np.float64).tiny)
    return np.rint(np.nan_to_num(shares, nan=0.0).clip(0, 1) * 255).astype(np.uint8)


def refuse_dark(values: np.ndarray, bits: int, where: str) -> None:
    """Raises DataError with `where` if 16 bits seem to hold 12: nothing says that they do, and they would be black."""
    if bits == 16 and 0 < values.max() < _TWELVE_BITS:
        raise _refuse(where, f"go up to {values.max()} of 65535, as if 12 bits stood in 16: it would come out black")


def _spread_gray(picture: Image.Image, gray: Gray, window: Window) -> Image.Image:
    values = np.asarray(picture if picture.mode == "F" else picture.convert("I"))
    bright = spread(values, *window)
    return _finish(255 - bright if gray.is_inverted else bright, values, picture)


def _narrow_gray(picture: Image.Image, gray: Gray, where: str) -> Image.Image:
    if not 8 <= gray.bits <= 16:
        raise _refuse(where, "are signed, or have 32 bits, and nothing says which are black and white")
    values = np.asarray(picture.convert("I"))
    refuse_dark(values, gray.bits, where)
    bright = (values >> (gray.bits - 8)).astype(np.uint8)
    return _finish(255 - bright if gray.is_inverted else bright, values, picture)


def _finish(bright: UInt8[np.ndarray, "high wide"], values: np.ndarray, picture: Image.Image) -> Image.Image:
    """`bright` as a picture, white where `values` are transparent."""
    transparent = picture.info.get("transparency")  # of PNG: one value, in the 16 bits of the file
    return Image.fromarray(bright if transparent is None else np.where(values == transparent, np.uint8(255), bright))


def _refuse(where: str, why: str) -> DataError:
    return DataError(
        f"{where}: its gray values {why}. State which are black and white, `data.window: [black, white]`, or save all "
        "images of the set alike in 8 bits, or in 16 over the full range."
    )
