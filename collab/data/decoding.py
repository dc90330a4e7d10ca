"""Bytes or files of photographs to square uint8 pictures; what does not decode is named."""

import hashlib
import json
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from collab.errors import DataError


def decoded(image: bytes | Path, side: int, *, where: str) -> UInt8[np.ndarray, "3 side side"]:
    """The center square of an image in RGB, turned as its EXIF data says.

    The shorter side is resized to `side`, or to `side` × 256 / 224 from 128 pixels up, as is usual for ImageNet.
    Raises DataError with `where` if it does not decode.
    """
    try:
        with Image.open(BytesIO(image) if isinstance(image, bytes) else image) as opened:
            picture = ImageOps.exif_transpose(opened).convert("RGB")
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, SyntaxError, ValueError) as cause:
        why = "its format is unknown" if isinstance(cause, UnidentifiedImageError) else cause
        raise DataError(f"{where} does not decode as an image: {why}. Repair or remove it.") from cause
    if picture.size != (side, side):
        shorter = round(side * 256 / 224) if side >= 128 else side
        scale = shorter / min(picture.size)
        wide, high = (max(shorter, round(length * scale)) for length in picture.size)
        left, top = (wide - side) // 2, (high - side) // 2
        picture = picture.resize((wide, high), Image.Resampling.BILINEAR).crop((left, top, left + side, top + side))
    return np.asarray(picture, dtype=np.uint8).transpose(2, 0, 1)


def digest_of(kind: str, options: Any, files: Iterable[Path]) -> str:
    """Identity of a source on disk: its options, and name, size and time of each file; contents are not read."""
    lines = []
    for file in files:
        try:
            found = file.stat()
        except OSError as cause:
            raise DataError(f"{file} cannot be read: {cause.strerror}. Repair or remove it.") from cause
        lines.append((file.name, found.st_size, found.st_mtime_ns))
    return hashlib.sha256(json.dumps([kind, options, lines]).encode()).hexdigest()
