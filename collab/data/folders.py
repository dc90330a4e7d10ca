"""Images in folders, one for each class; ImageNet as torchvision lays it out."""

import hashlib
import json
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import ClassVar

import numpy as np
from jaxtyping import Int64

from collab.data.decoding import NamedFiles, digest_files
from collab.data.listing import Listing, list_folder, refuse_broken, refuse_empty_classes
from collab.data.modes import Window
from collab.data.source import Split
from collab.data.words import say_count, say_names
from collab.errors import DataError

_LFW_FOLDERS = ("lfw_funneled", "lfw-deepfunneled", "lfw")
"""Its images as they are, or turned by one of two programs; the first that is there is read."""


# Not torchvision's class: that passes over other files in silence, looks into folders of folders, names no broken link,
# and knows one split, so that nobody compares the classes of two.
class ImageFolders(NamedFiles):
    """`root/train/<class>/*` and `root/val/<class>/*`, or `test` for `val`; classes and files in alphabetical order.

    A root that holds the folders of the classes themselves has one split, `train`, and no row in `test`.

    Alphabetical is by code points: `IMG_10` stands before `IMG_9`, `Z` before `a`. A row is named by class and
    file: `cat/IMG_0001.jpg`.
    """

    heldout_folders: ClassVar[tuple[str, ...]] = ("val", "test")
    """Where held-out images may lie if nobody says where."""

    def __init__(
        self,
        *,
        image_size: int,
        seed: int,
        root: str | Path,
        test: str | None = None,
        window: Window | None = None,
    ) -> None:
        self._side, self._root, self._window = image_size, Path(root), window
        if test is None and self._has_one_split():
            self._folders = {"train": self._root, "test": self._root}
            train = self._list(self._root)
            heldout = Listing(self._root, {name: [] for name in train.images})
        else:
            self._folders = {"train": self._root / "train", "test": self._find_heldout(test)}
            train, heldout = map(self._list, self._folders.values())
        is_split = heldout.folder != train.folder
        refuse_broken([train, heldout])
        refuse_empty_classes(train)
        self.classes = tuple(train.images)
        if missing := [name for name in self.classes if name not in heldout.images]:
            raise DataError(
                f"class {say_names(missing)} has a folder in `train` and none in {heldout.folder}, which has "
                f"{say_names(list(heldout.images)) or 'none'}. Give both the same folders."
            )
        if not self.classes or (is_split and not any(heldout.images[name] for name in self.classes)):
            empty = heldout if self.classes else train
            why = " ".join(["They lie in a folder for each class.", *empty.notices(self.classes)])
            raise DataError(f"{empty.folder} holds no images. {why}")
        listings: tuple[tuple[Split, Listing], ...] = (("train", train), ("test", heldout))
        self._names = {
            split: tuple(f"{name}/{file}" for name in self.classes for file in listing.images[name])
            for split, listing in listings
        }
        self._labels = {
            split: np.repeat(np.arange(len(self.classes)), [len(listing.images[name]) for name in self.classes])
            for split, listing in listings
        }
        self._notices = (
            *train.notices(self.classes),
            *(heldout.notices(self.classes) if is_split else ()),
            *(self._note_other_folders(test) if is_split else ()),
        )

    def notices(self) -> tuple[str, ...]:
        """What lies in the folders and is not played."""
        return (*_note_spelling(self.classes), *self._notices)

    def digest(self) -> str:
        """Identity of all files: class, name, size and time of each."""
        names = hashlib.sha256(json.dumps([self._names["train"], self._names["test"]]).encode()).hexdigest()
        files = (folder / name for split, folder in self._folders.items() for name in self._names[split])
        return digest_files("imagefolder", [self._side, *self.classes, names, *(self._window or ())], files)

    def _list(self, folder: Path) -> Listing:
        return list_folder(folder)

    def _has_one_split(self) -> bool:
        """Whether `root` itself holds images in folders of classes, and none of the folders that a split has."""
        is_parted = any((self._root / name).is_dir() for name in ("train", "val", "test"))
        return self._root.is_dir() and not is_parted and list_folder(self._root).count > 0

    def _find_heldout(self, stated: str | None) -> Path:
        """The folder of held-out images; DataError if it is not there, or if it could be either of two."""
        candidates = self.heldout_folders if stated is None else (stated,)
        there = [self._root / name for name in candidates if (self._root / name).is_dir()]
        if not (self._root / "train").is_dir() or not there:
            names = " or ".join(f"`{name}`" for name in candidates)
            entries = say_names(sorted(path.name for path in self._root.glob("[!.]*"))) or "nothing"
            raise DataError(
                f"{self._root} must hold the folders `train` and {names}, and in each a folder for every class. It "
                f"holds {entries}. A set without a split has a folder for every class in `data.root` itself, and "
                "states `data.hold_out`."
            )
        if len(there) > 1:
            both = " and ".join(
                f"`{folder.name}` ({say_count(list_folder(folder).count, 'image')})" for folder in there
            )
            ways = " or ".join(f"`data.test: {folder.name}`" for folder in there)
            raise DataError(f"{self._root} has {both}, and held-out images come from one of them. Say which: {ways}.")
        return there[0]

    def _note_other_folders(self, stated: str | None) -> Iterator[str]:
        taken = self._folders["test"].name
        for name in () if stated else ImageFolders.heldout_folders:
            if name != taken and (self._root / name).is_dir():
                yield f"Held-out images are those of `{taken}`; `{name}` is not read (`data.test: {name}` would)."


class ImageNet(ImageFolders):
    """ILSVRC 2012 as torchvision unpacks it: `root/train/<wnid>`, `root/val/<wnid>`; a class is named by its synset.

    Its `test` has no labels, so that `val` is taken though both are there.
    """

    heldout_folders = ("val",)


class Lfw(ImageFolders):
    """Labeled Faces in the Wild: a folder for each person, who is the class; no split.

    The folders lie in `root`, or where torchvision or an archive puts them: `lfw-py/lfw_funneled`, `lfw-deepfunneled`.
    People with fewer than `least_images` are passed over.
    """

    def __init__(self, *, image_size: int, seed: int, root: str | Path, least_images: int) -> None:
        self._least, self._few = least_images, 0
        folders = [Path(root) / inner / name for inner in ("lfw-py", "") for name in _LFW_FOLDERS]
        super().__init__(image_size=image_size, seed=seed, root=next(filter(Path.is_dir, folders), root))

    def identities(self, split: Split, rows: np.ndarray) -> Int64[np.ndarray, " rows"]:
        """Whom each of `rows` shows."""
        return self._labels[split][rows]

    def notices(self) -> tuple[str, ...]:
        """How many people are passed over, and what else lies there."""
        few = f"{say_count(self._few, 'person', 'people')} passed over, of fewer than {self._least} images."
        return (*super().notices(), *([few] if self._few else ()))

    def _list(self, folder: Path) -> Listing:
        listing = list_folder(folder)
        enough = {name: images for name, images in listing.images.items() if len(images) >= self._least}
        self._few, listing.images = len(listing.images) - len(enough), enough
        return listing


def _note_spelling(classes: tuple[str, ...]) -> Iterator[str]:
    """Classes whose names differ in capitals only: perhaps they are meant to be one."""
    for _, group in groupby(sorted(classes, key=str.casefold), key=str.casefold):
        if len(alike := list(group)) > 1:
            yield f"{say_names(alike)} are {len(alike)} classes: they differ in capitals."
