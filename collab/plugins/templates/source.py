"""A source of images that lie in one NumPy file for each split."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
from pydantic import Field

from collab.api import BLOCK, Data, DataError, Source, Split


class AKind(Source):
    """Reads `root/train.npz` and `root/test.npz`: arrays `images`, uint8 [n, side, side, 3], and `labels` [n]."""

    class Options(Data):
        """What may stand beside `source: a_kind`."""

        root: str = Field(description="Folder of both files, relative to the scenario.")
        brighter: float = Field(1.0, gt=0, le=10, description="What each pixel is multiplied by.")

    kind: ClassVar[str] = "a_kind"

    def __init__(self, *, image_size: int, seed: int, root: str, brighter: float) -> None:
        self._side, self._brighter = image_size, brighter
        self._files: dict[Split, Path] = {"train": Path(root, "train.npz"), "test": Path(root, "test.npz")}
        self._labels = {split: self._read(split, "labels").astype(np.int64) for split in self._files}
        self.classes = tuple(f"class_{label}" for label in range(1 + int(self._labels["train"].max())))

    def labels(self, split: Split) -> np.ndarray:
        """The label of every row, int64 [rows]; no image is decoded for it."""
        return self._labels[split]

    def images(self, split: Split, rows: np.ndarray) -> Iterator[np.ndarray]:
        """The images of `rows`, in that order, uint8 [at most 256, 3, side, side]."""
        images = self._read(split, "images")
        if images.shape[1:] != (self._side, self._side, 3):
            raise DataError(f"{self._files[split]} has images of {images.shape[1:]}. Set `data.image_size` to theirs.")
        for start in range(0, len(rows), BLOCK):
            block = images[rows[start : start + BLOCK]].transpose(0, 3, 1, 2) * self._brighter
            yield block.clip(0, 255).astype(np.uint8)

    def digest(self) -> str:
        """Changes with the data and with the options that change images, so that the cache is not asked in vain."""
        status = [(file.stat().st_size, file.stat().st_mtime_ns) for file in self._files.values()]
        return hashlib.sha256(repr(["a_kind", self._side, self._brighter, status]).encode()).hexdigest()

    def _read(self, split: Split, name: str) -> np.ndarray:
        try:
            with np.load(self._files[split], allow_pickle=False) as file:  # data are to run no code
                return np.asarray(file[name])
        except (OSError, ValueError, KeyError) as cause:
            raise DataError(f"{self._files[split]} has no array {name!r} that can be read: {cause}.") from cause
