"""Images in folders, one for each class; ImageNet as torchvision lays it out."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import numpy as np
from jaxtyping import Int64, UInt8

from collab.data.decoding import decoded, digest_of
from collab.data.source import BLOCK, Split
from collab.errors import DataError

_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".ppm", ".tif", ".tiff"}
_DECODERS = 4  # PIL lets go of the interpreter lock while it decodes


class ImageFolders:
    """`root/train/<class>/*` and `root/val/<class>/*` (or `test`); classes and files in alphabetical order."""

    test_folders: ClassVar[tuple[str, ...]] = ("val", "test")

    def __init__(self, *, image_size: int, seed: int, root: str | Path) -> None:
        self._side, self._root = image_size, Path(root)
        train = self._root / "train"
        test = next((self._root / name for name in self.test_folders if (self._root / name).is_dir()), None)
        if not train.is_dir() or test is None:
            wanted = f"`train` and {' or '.join(f'`{name}`' for name in self.test_folders)}"
            raise DataError(f"{self._root} must hold the folders {wanted}, and in each a folder for every class.")
        folders = sorted(path.name for path in train.iterdir() if path.is_dir())
        self._files: dict[str, list[Path]] = {}
        self._labels: dict[str, np.ndarray] = {}
        for split, folder in (("train", train), ("test", test)):
            self._list(split, folder, folders)
        self.classes = tuple(folders)

    def labels(self, split: Split) -> Int64[np.ndarray, " rows"]:
        """The label of every file."""
        return self._labels[split]

    def images(self, split: Split, rows: np.ndarray) -> Iterator[UInt8[np.ndarray, "batch 3 side side"]]:
        """Decodes the files of `rows`, some at a time."""
        files = self._files[split]

        def one(row: int) -> np.ndarray:
            return decoded(files[row], self._side, where=str(files[row]))

        with ThreadPoolExecutor(_DECODERS) as pool:
            for start in range(0, len(rows), BLOCK):
                yield np.stack(list(pool.map(one, rows[start : start + BLOCK].tolist())))

    def digest(self) -> str:
        """Identity of all files."""
        files = [file for split in ("train", "test") for file in self._files[split]]
        return digest_of("imagefolder", [self._side, *self.classes], files)

    def _list(self, split: str, folder: Path, classes: list[str]) -> None:
        files, labels = [], []
        for label, name in enumerate(classes):
            if not (folder / name).is_dir():
                raise DataError(f"class {name!r} has a folder in `train` and none in {folder}.")
            found = sorted(path for path in (folder / name).iterdir() if path.suffix.lower() in _SUFFIXES)
            files += found
            labels += [label] * len(found)
        if not files:
            raise DataError(f"{folder} holds no images: none of {', '.join(sorted(_SUFFIXES))} in a folder of a class.")
        self._files[split], self._labels[split] = files, np.array(labels, dtype=np.int64)


class ImageNet(ImageFolders):
    """ILSVRC 2012 as torchvision unpacks it: `root/train/<wnid>`, `root/val/<wnid>`; a class is named by its synset."""

    test_folders = ("val",)
