"""A first look at files of images: whether each can be read and begins as an image. No pixel is decoded."""

import struct
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from collab.data.decoding import Encoded, explain_image, map_ahead, read_file, refuse_lfs_pointer
from collab.data.dicom import is_dicom
from collab.errors import DataError

_BEGINNING = 132
"""Bytes of a file: enough to tell what it is."""


def find_strangers(files: Iterable[Encoded]) -> dict[int, str]:
    """Which of the files cannot be read or do not begin as an image, by place, and why; opens each, on all cores."""
    strangers, count = dict[int, str](), 0
    Image.init()
    for reasons in map_ahead(files, _look_at):
        strangers |= {count + at: why for at, why in enumerate(reasons) if why}
        count += len(reasons)
    return strangers


def _look_at(files: list[Encoded]) -> list[str]:
    return [_explain(*file) for file in files]


def _explain(image: bytes | Path | np.ndarray | DataError, where: str) -> str:
    """Why a file is no image, as whoever decodes it would say; nothing if it begins as one."""
    if isinstance(image, np.ndarray):
        return ""
    try:
        if isinstance(image, DataError):
            raise image
        begun = image[:_BEGINNING] if isinstance(image, bytes) else read_file(image, _BEGINNING)
        refuse_lfs_pointer(begun, where)
        if _is_begun(begun) or is_dicom(begun):
            return ""
        content = image if isinstance(image, bytes) else read_file(image)
        try:
            with Image.open(BytesIO(content)):  # of some formats the first bytes say nothing
                return ""
        except Exception as cause:
            raise explain_image(cause, content, where) from cause
    except DataError as broken:
        return str(broken)


def _is_begun(begun: bytes) -> bool:
    for _, accepts in list(Image.OPEN.values()):
        try:
            if accepts and accepts(begun) is True:
                return True
        except (IndexError, TypeError, struct.error):  # of so few bytes
            continue
    return False
