"""CelebA as its authors or Kaggle distribute it: aligned faces, and lists of attributes, identities and splits."""

from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int64

from collab.data.decoding import NamedFiles, digest_files, refuse_lfs_pointer
from collab.data.source import Split
from collab.errors import DataError

ATTRIBUTES_FILE, IDENTITIES_FILE, SPLITS_FILE = "list_attr_celeba.txt", "identity_CelebA.txt", "list_eval_partition.txt"
IMAGES_FOLDER = "img_align_celeba"
_LISTS_AT = ("", "Anno", "Eval")
_IMAGES_AT = (f"{IMAGES_FOLDER}/{IMAGES_FOLDER}", IMAGES_FOLDER, f"Img/{IMAGES_FOLDER}")
"""Where they lie: beside each other, or as on the authors' drive; in Kaggle's archive a folder lies in a folder."""
_PARTS: dict[Split, tuple[int, ...]] = {"train": (0,), "test": (1, 2)}  # nothing here is chosen by validation images


# Not torchvision's class: that refuses any list file but the authors' by its digest, so that no part of the set could
# be tried, and names neither file nor line of what is wrong.
class CelebA(NamedFiles):
    """`root/img_align_celeba/*.jpg` and three lists beside it; classes are the identities, names `000001.jpg`.

    Lists are text as the authors', or CSV as Kaggle's copy, which lacks the identities; `Anno`, `Eval` and `Img` of
    the authors' drive are looked into.
    Rows of a split are counted in the order of the list of splits; `train` is part 0, `test` are parts 1 and 2. CelebA
    splits by identity, so that who is held out is in no training image.
    """

    def __init__(self, *, image_size: int, seed: int, root: str | Path) -> None:
        self._side, self._root = image_size, Path(root)
        images = next((self._root / place for place in _IMAGES_AT if (self._root / place).is_dir()), None)
        if images is None:
            raise DataError(
                f"{self._root} has no folder {IMAGES_FOLDER}, nor has Img in it. Unpack img_align_celeba.zip "
                f"there, beside {SPLITS_FILE}, {IDENTITIES_FILE} and {ATTRIBUTES_FILE}."
            )
        splits, identities, attributes_file = map(self._find, (SPLITS_FILE, IDENTITIES_FILE, ATTRIBUTES_FILE))
        self._lists = [splits, identities, attributes_file, images]
        parts = _read_table(splits, *_read_list(splits)[1:])
        if wrong := next((name for name, (part,) in parts.items() if part not in (0, 1, 2)), None):
            raise DataError(f"{splits} puts {wrong} in part {parts[wrong][0]}; there are 0, 1 and 2.")
        people = _read_table(identities, *_read_list(identities)[1:])
        heads, lines, first = _read_list(attributes_file, heads=2)
        self.attribute_names = tuple(heads[-1].split())
        attributes = _read_table(attributes_file, lines, first, len(self.attribute_names))
        for file, table in ((identities, people), (attributes_file, attributes)):
            if missing := sorted(parts.keys() - table.keys()):
                raise DataError(f"{file} has no line for {missing[0]}, which {splits.name} names.")
        numbers = sorted({people[name][0] for name in parts})
        self.classes = tuple(f"id_{number}" for number in numbers)
        self._folders = dict.fromkeys(_PARTS, images)
        self._names, self._labels = {}, {}
        self._attributes: dict[Split, np.ndarray] = {}
        for split, kept in _PARTS.items():
            files = tuple(name for name, (part,) in parts.items() if part in kept)
            if not files:
                raise DataError(f"{splits} has no image of part {kept[0]}, the {split} images.")
            self._names[split] = files
            self._labels[split] = np.searchsorted(numbers, [people[name][0] for name in files])
            self._attributes[split] = np.array([attributes[name] for name in files]) > 0

    def identities(self, split: Split, rows: np.ndarray) -> Int64[np.ndarray, " rows"]:
        """Whom each of `rows` shows."""
        return self._labels[split][rows]

    def attributes(self, split: Split, rows: np.ndarray) -> Bool[np.ndarray, "rows attributes"]:
        """The attributes of each of `rows`, in the order of `attribute_names`, which is the file's."""
        return self._attributes[split][rows]

    def digest(self) -> str:
        """Identity of the lists, and of the folder of images by its name, size and time; images are not looked at."""
        return digest_files("celeba", [self._side, len(self.classes)], self._lists)

    def _find(self, name: str) -> Path:
        """The list of this name, or the same as CSV."""
        places = [self._root / place / file for file in (name, f"{Path(name).stem}.csv") for place in _LISTS_AT]
        found = next((path for path in places if path.exists()), None)
        if found is None and name == IDENTITIES_FILE:
            raise DataError(
                f"{self._root} has no {name}, which says whom each image shows. Who holds which images follows from "
                "that, so that nothing can be played without. Kaggle's copy leaves it out: take it from Anno of the "
                "authors' drive, and put it there."
            )
        return found or self._root / name


def _read_list(path: Path, heads: int = 0) -> tuple[list[str], list[str], int]:
    """The first lines of a list, those below, and the number of the first of these, as in the authors' own layout.

    A CSV file has one line of heads; commas become spaces, and the head of the names of files goes.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as cause:
        why = cause.strerror if isinstance(cause, OSError) else cause
        raise DataError(
            f"{path} cannot be read: {why}. It belongs to CelebA, as its authors (.txt) or Kaggle (.csv) lay it out."
        ) from cause
    refuse_lfs_pointer(text[:64].encode(), str(path))
    lines = text.splitlines()
    if path.suffix == ".csv":
        lines = [line.replace(",", " ") for line in lines]
        lines[:1] = [line.partition(" ")[2] for line in lines[:1]]
        heads = 1
    if len(lines) < heads:
        raise DataError(f"{path} must begin with a count and the names of the attributes.")
    return lines[:heads], lines[heads:], heads + 1


def _read_table(path: Path, lines: list[str], first: int, count: int = 1) -> dict[str, tuple[int, ...]]:
    """A file name and `count` whole numbers on each line; `first` is the number of the first line."""
    table: dict[str, tuple[int, ...]] = {}
    for number, line in enumerate(lines, first):
        file, *words = line.split() or [""]
        if not file and number == first + len(lines) - 1:
            break
        try:
            values = tuple(map(int, words))
        except ValueError:
            values = ()
        if len(values) != count or Path(file).name != file or file in table:
            raise DataError(
                f"{path}:{number}: {line[:60]!r} is not the name of an image, each once, and "
                f"{count} whole number{'s' * (count > 1)}."
            )
        table[file] = values
    return table
