"""CIFAR, MNIST and its siblings, SVHN and Flowers-102 as torchvision keeps and reads them."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Int64, UInt8

from collab.data.decoding import decode_all, digest_files
from collab.data.source import BLOCK, Source, Split
from collab.data.words import make_readable
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
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # numpy's, about the format of files that we did not write
                return getattr(_import_datasets(), self.set_name)(self._root, train=is_train, download=download)
        except (RuntimeError, OSError) as cause:
            raise DataError(
                f"{self.set_name} is not under {self._root}: {cause} Set `data.root`, or `download: true`."
            ) from cause


class Cifar100(Cifar10):
    """The same images' sibling with 100 classes."""

    set_name = "CIFAR100"


_SETS = {
    "mnist": "MNIST",
    "fashion_mnist": "FashionMNIST",
    "kmnist": "KMNIST",
    "svhn": "SVHN",
    "flowers102": "Flowers102",
}
"""torchvision's class for each name; all others that it has are files in folders, or have no classes."""

_PIECES: dict[Split, tuple[str, ...]] = {"train": ("train", "val"), "test": ("test",)}
"""Which of torchvision's splits are read; images for validation are training images, as nothing is chosen by them."""


class TorchvisionSet(Source):
    """A published set that torchvision reads, by its `name`, with images resized; it checks the files as it does.

    Sets of arrays (all but `flowers102`) lie in memory whole, as torchvision reads them: SVHN takes 0.3 GB.
    """

    def __init__(self, *, image_size: int, seed: int, root: str | Path, name: str) -> None:
        self._side, self._root, self._name = image_size, Path(root), name
        kind = getattr(_import_datasets(), _SETS[name])
        self._images, self._labels = dict[Split, list[Any]](), dict[Split, np.ndarray]()
        for split, pieces in _PIECES.items():
            opened = [self._open(kind, piece) for piece in pieces if piece != "val" or name == "flowers102"]
            self._images[split] = [image for images, _ in opened for image in images]
            self._labels[split] = np.concatenate([labels for _, labels in opened])
        names = getattr(kind, "classes", list("0123456789"))
        self.classes = tuple(text.partition(" - ")[0] for text in names)  # of MNIST they are `0 - zero`

    def labels(self, split: Split) -> Int64[np.ndarray, " rows"]:
        """The label of every row."""
        return self._labels[split]

    def images(self, split: Split, rows: np.ndarray) -> Iterator[UInt8[np.ndarray, "batch 3 side side"]]:
        """The images of `rows`."""
        images = self._images[split]
        named = ((images[row], f"{split} image {row} of {self._name}") for row in rows.tolist())
        return decode_all(
            ((image, make_readable(str(image)) if isinstance(image, Path) else where) for image, where in named),
            self._side,
        )

    def digest(self) -> str:
        """Identity of the files under `root` that belong to the set."""
        patterns = {"svhn": ("t*_32x32.mat",), "flowers102": ("flowers-102/*.mat", "flowers-102/jpg/*.jpg")}
        of_set = patterns.get(self._name, (f"{_SETS[self._name]}/raw/*-ubyte",))
        files = sorted(file for pattern in of_set for file in self._root.glob(pattern))
        return digest_files("torchvision", [self._name, self._side], files)

    def _open(self, kind: Any, piece: str) -> tuple[Any, Int64[np.ndarray, " rows"]]:
        """Arrays [high, wide] or [high, wide, 3], or paths, and their labels, of one of torchvision's splits."""
        is_mnist = hasattr(kind, "training_file")
        if is_mnist and (old := self._root / kind.__name__ / "processed").exists():
            raise DataError(f"{old} holds tensors of an old torchvision. Remove the folder; `raw` beside it is read.")
        try:
            opened = kind(self._root, train=piece == "train") if is_mnist else kind(self._root, split=piece)
            if self._name == "flowers102":
                images, labels = opened._image_files, np.array(opened._labels)
            elif self._name == "svhn":
                images, labels = opened.data.transpose(0, 2, 3, 1), opened.labels
            else:
                images, labels = opened.data.numpy(), opened.targets.numpy()
        except (
            RuntimeError,
            OSError,
            AssertionError,
            ValueError,
            TypeError,
            KeyError,
            IndexError,
            MemoryError,
        ) as cause:
            raise DataError(
                f"{self._name} is not under {self._root}, or is damaged: {cause} Nothing is downloaded here; "
                f"`torchvision.datasets.{kind.__name__}(ROOT, download=True)` does it."
            ) from cause
        count = len(getattr(kind, "classes", range(10)))
        if len(images) != len(labels) or not len(labels) or not 0 <= labels.min() <= labels.max() < count:
            raise DataError(
                f"{self._name} under {self._root} has {len(images)} {piece} images and {len(labels)} labels, "
                f"which must be as many, and from 0 to {count - 1}. Fetch it anew."
            )
        return images, labels.astype(np.int64)


def _import_datasets() -> Any:
    try:
        from torchvision import datasets
    except (ImportError, RuntimeError) as cause:
        raise ResourceError(
            f"torchvision does not import beside this torch: {cause}. Install a matching pair."
        ) from cause
    return datasets
