"""Images in folders, one for each class; ImageNet as torchvision lays it out."""

import hashlib
import json
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import ClassVar

import numpy as np
from jaxtyping import Int64, UInt8

from collab.data.decoding import digest_of
from collab.data.image_files import decoded_files
from collab.data.listing import Listing, listed, refuse_broken, refuse_empty_classes
from collab.data.source import Split
from collab.data.words import counted, shown
from collab.errors import DataError


class ImageFolders:
    """`root/train/<class>/*` and `root/val/<class>/*`, or `test` for `val`; classes and files in alphabetical order.

    Alphabetical is by code points: `IMG_10` stands before `IMG_9`, `Z` before `a`. A row is named by class and file.
    """

    heldout_folders: ClassVar[tuple[str, ...]] = ("val", "test")
    """Where held-out images may lie if nobody says where."""

    def __init__(self, *, image_size: int, seed: int, root: str | Path, test: str | None = None) -> None:
        self._side, self._root = image_size, Path(root)
        self._folders: dict[Split, Path] = {"train": self._root / "train", "test": self._heldout_folder(test)}
        train, heldout = (listed(folder) for folder in self._folders.values())
        refuse_broken([train, heldout])
        refuse_empty_classes(train)
        self.classes = tuple(train.images)
        if missing := [name for name in self.classes if name not in heldout.images]:
            raise DataError(
                f"class {shown(missing)} has a folder in `train` and none in {heldout.folder}, which has "
                f"{shown(list(heldout.images)) or 'none'}. Give both the same folders."
            )
        if not self.classes or not any(heldout.images[name] for name in self.classes):
            empty = heldout if self.classes else train
            why = " ".join(["They lie in a folder for each class.", *empty.notices(self.classes)])
            raise DataError(f"{empty.folder} holds no images. {why}")
        self._names: dict[Split, tuple[str, ...]] = {}
        self._labels: dict[Split, np.ndarray] = {}
        self._number("train", train)
        self._number("test", heldout)
        self._notices = (
            *_about_spelling(self.classes),
            *train.notices(self.classes),
            *heldout.notices(self.classes),
            *self._about_other_folders(test),
        )

    def labels(self, split: Split) -> Int64[np.ndarray, " rows"]:
        """The label of every file."""
        return self._labels[split]

    def names(self, split: Split) -> tuple[str, ...]:
        """Class and file name of every row, `cat/IMG_0001.jpg`."""
        return self._names[split]

    def notices(self) -> tuple[str, ...]:
        """What lies in the folders and is not played."""
        return self._notices

    def images(self, split: Split, rows: np.ndarray) -> Iterator[UInt8[np.ndarray, "batch 3 side side"]]:
        """Decodes the files of `rows`, some at a time."""
        names, folder = self._names[split], self._folders[split]
        return decoded_files([folder / names[row] for row in rows.tolist()], self._side)

    def digest(self) -> str:
        """Identity of all files: class, name, size and time of each."""
        names = hashlib.sha256(json.dumps([self._names["train"], self._names["test"]]).encode()).hexdigest()
        files = (folder / name for split, folder in self._folders.items() for name in self._names[split])
        return digest_of("imagefolder", [self._side, *self.classes, names], files)

    def _heldout_folder(self, stated: str | None) -> Path:
        """The folder of held-out images; DataError if it is not there, or if it could be either of two."""
        candidates = self.heldout_folders if stated is None else (stated,)
        there = [self._root / name for name in candidates if (self._root / name).is_dir()]
        if not (self._root / "train").is_dir() or not there:
            wanted = f"`train` and {' or '.join(f'`{name}`' for name in candidates)}"
            raise DataError(
                f"{self._root} must hold the folders {wanted}, and in each a folder for every class. It holds "
                f"{shown(sorted(path.name for path in self._root.glob('[!.]*'))) or 'nothing'}."
            )
        if len(there) > 1:
            both = " and ".join(f"`{folder.name}` ({counted(listed(folder).count, 'image')})" for folder in there)
            ways = " or ".join(f"`data.test: {folder.name}`" for folder in there)
            raise DataError(f"{self._root} has {both}, and held-out images come from one of them. Say which: {ways}.")
        return there[0]

    def _number(self, split: Split, listing: Listing) -> None:
        files = [(label, name, file) for label, name in enumerate(self.classes) for file in listing.images[name]]
        self._names[split] = tuple(f"{name}/{file}" for _, name, file in files)
        self._labels[split] = np.array([label for label, _, _ in files], dtype=np.int64)

    def _about_other_folders(self, stated: str | None) -> Iterator[str]:
        taken = self._folders["test"].name
        for name in () if stated else ImageFolders.heldout_folders:
            if name != taken and (self._root / name).is_dir():
                yield f"Held-out images are those of `{taken}`; `{name}` is not read (`data.test: {name}` would)."


class ImageNet(ImageFolders):
    """ILSVRC 2012 as torchvision unpacks it: `root/train/<wnid>`, `root/val/<wnid>`; a class is named by its synset.

    Its `test` has no labels, so that `val` is taken though both are there.
    """

    heldout_folders = ("val",)


def _about_spelling(classes: tuple[str, ...]) -> Iterator[str]:
    """Classes whose names differ in capitals only: perhaps they are meant to be one."""
    for _, group in groupby(sorted(classes, key=str.casefold), key=str.casefold):
        if len(alike := list(group)) > 1:
            yield f"{shown(alike)} are {len(alike)} classes: they differ in capitals."
