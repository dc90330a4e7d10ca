"""Images in a file of their own, to be mapped: written block by block, whole or not at all."""

import math
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from collab.errors import MAKE_ROOM, StoreError
from collab.store.files import TEMPORARY


def write_images(folder: Path, shape: tuple[int, ...], blocks: Iterable[np.ndarray]) -> Path:
    """Writes 8-bit images, together of this shape or fewer of them, to `images.npy` in `folder`; returns its path.

    Raises StoreError before the first block is made if the disk has less room than they need. Of a file that was not
    finished nothing is left.
    """
    folder.mkdir(parents=True, exist_ok=True)
    needed, free = math.prod(shape), shutil.disk_usage(folder).free
    if needed > free:
        raise StoreError(
            f"{shape[0]:,} images need {needed / 1e6:,.1f} MB, and {folder} has {free / 1e6:,.1f}. {MAKE_ROOM}"
        )
    target, unfinished = folder / "images.npy", folder / f"{TEMPORARY}images.npy"
    target.unlink(missing_ok=True)  # never written into: the cache may hold the same file
    try:
        with unfinished.open("wb") as file:
            # Written and not mapped: pages of a mapped file count as memory of this process, all of them in the end,
            # and the system kills who writes to one when the disk is full.
            _write_head(file, shape)
            count = 0
            for images in blocks:
                file.write(np.ascontiguousarray(images).data)
                count += len(images)
            if count < shape[0]:
                file.seek(0)
                _write_head(file, (count, *shape[1:]))  # as long as the first: numpy leaves room for any number
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
    return target


def _write_head(file: BinaryIO, shape: tuple[int, ...]) -> None:
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
