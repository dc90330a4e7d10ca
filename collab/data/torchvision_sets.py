"""CIFAR-10 and CIFAR-100 as torchvision keeps them, downloaded where torchvision can."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Int64, UInt8

from collab.data.decoding import digest_files
from collab.data.source import BLOCK, Source, Split
from collab.errors import DataError, ResourceError


class Cifar10(Source):
    """50,000 training and 10,000 test images of 32 px in 10 classes, under `root`."""

    set_name: ClassVar[str] = "CIFAR10"

    def __init__(self, *, image_size: int, seed: int, root: str | Path, download: bool = False) -> None:
        if image_size != 32:
            raise DataError(
                f"{self.set_name} has images of 32 px; `data.image_size: {image_size}` would resize them. Use 32."
            )
        self._root = Path(root)
        self._sets = {"train": self._open(True, download), "test": self._open(False, download)}
        self.classes = tuple(self._sets["train"].classes)

    def labels(self, split: Split) -> Int64[np.ndarray, " rows"]:
        """The label of every row."""
        return np.asarray(self._sets[split].targets, dtype=np.int64)

    def images(self, split: Split, rows: np.ndarray) -> Iterator[UInt8[np.ndarray, "batch 3 side side"]]:
        """The images of `rows`."""
        for start in range(0, len(rows), BLOCK):
            yield self._sets[split].data[rows[start : start + BLOCK]].transpose(0, 3, 1, 2)

    def digest(self) -> str:
        """Identity of the files under `root` that belong to the set."""
        folder = self._root / self._sets["train"].base_folder
        return digest_files(self.set_name, [], sorted(path for path in folder.iterdir() if path.is_file()))

    def _open(self, is_train: bool, download: bool) -> Any:
        try:
            from torchvision import datasets
        except (ImportError, RuntimeError) as cause:
            raise ResourceError(
                f"torchvision does not import beside this torch: {cause}. Install a matching pair."
            ) from cause
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # numpy's, about the format of files that we did not write
                return getattr(datasets, self.set_name)(self._root, train=is_train, download=download)
        except (RuntimeError, OSError) as cause:
            raise DataError(
                f"{self.set_name} is not under {self._root}: {cause} Set `data.root`, or `download: true`."
            ) from cause


class Cifar100(Cifar10):
    """The same images' sibling with 100 classes."""

    set_name = "CIFAR100"
