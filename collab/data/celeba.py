"""CelebA as its authors distribute it: aligned faces, and list files of attributes, identities and splits."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int64, UInt8

from collab.data.decoding import digest_of, refuse_lfs_pointer
from collab.data.image_files import decoded_files
from collab.data.source import Split
from collab.errors import DataError

ATTRIBUTES_FILE, IDENTITIES_FILE, SPLITS_FILE = "list_attr_celeba.txt", "identity_CelebA.txt", "list_eval_partition.txt"
IMAGES_FOLDER = "img_align_celeba"
_PARTS = {"train": (0,), "test": (1, 2)}  # validation images are held-out ones: nothing here is chosen by them


class CelebA:
    """`root/img_align_celeba/*.jpg` and three list files beside it; the classes are the identities.

    Rows of a split are counted in the order of the list of splits; `train` is part 0, `test` are parts 1 and 2. CelebA
    splits by identity, so that who is held out is in no training image.
    """

    def __init__(self, *, image_size: int, seed: int, root: str | Path) -> None:
        self._side, self._root = image_size, Path(root)
        if not (self._root / IMAGES_FOLDER).is_dir():
            raise DataError(
                f"{self._root} has no folder {IMAGES_FOLDER}. Unpack img_align_celeba.zip there, beside {SPLITS_FILE}, "
                f"{IDENTITIES_FILE} and {ATTRIBUTES_FILE}; no other folders are looked into."
            )
        splits = self._listed(SPLITS_FILE, 1)
        if wrong := next(((name, part) for name, (part,) in splits.items() if part not in (0, 1, 2)), None):
            raise DataError(f"{self._root / SPLITS_FILE} puts {wrong[0]} in part {wrong[1]}; there are 0, 1 and 2.")
        people = self._listed(IDENTITIES_FILE, 1)
        lines = self._lines(ATTRIBUTES_FILE)
        if len(lines) < 2:
            raise DataError(f"{self._root / ATTRIBUTES_FILE} must begin with a count and the names of the attributes.")
        self.attribute_names = tuple(lines[1].split())
        told = self._numbers(ATTRIBUTES_FILE, lines[2:], len(self.attribute_names), first=3)
        for name, known in ((IDENTITIES_FILE, people), (ATTRIBUTES_FILE, told)):
            if missing := sorted(splits.keys() - known.keys()):
                raise DataError(f"{self._root / name} has no line for {missing[0]}, which {SPLITS_FILE} names.")
        numbers = sorted({people[name][0] for name in splits})
        place = {number: at for at, number in enumerate(numbers)}
        self.classes = tuple(f"id_{number}" for number in numbers)
        self._files: dict[str, list[str]] = {}
        self._labels: dict[str, np.ndarray] = {}
        self._attributes: dict[str, np.ndarray] = {}
        for split, parts in _PARTS.items():
            files = [name for name, part in splits.items() if part[0] in parts]
            if not files:
                raise DataError(f"{self._root / SPLITS_FILE} has no image of part {parts[0]}, the {split} images.")
            self._files[split] = files
            self._labels[split] = np.array([place[people[name][0]] for name in files], dtype=np.int64)
            self._attributes[split] = np.array([told[name] for name in files]) > 0

    def labels(self, split: Split) -> Int64[np.ndarray, " rows"]:
        """The identity of every image, counted within `classes`."""
        return self._labels[split]

    def names(self, split: Split) -> tuple[str, ...]:
        """The file name of every row, `000001.jpg`."""
        return tuple(self._files[split])

    def notices(self) -> tuple[str, ...]:
        """None: what the lists do not name is no image of this source."""
        return ()

    def images(self, split: Split, rows: np.ndarray) -> Iterator[UInt8[np.ndarray, "batch 3 side side"]]:
        """Decodes the files of `rows`, some at a time."""
        files, folder = self._files[split], self._root / IMAGES_FOLDER
        return decoded_files([folder / files[row] for row in rows.tolist()], self._side)

    def identities(self, split: Split, rows: np.ndarray) -> Int64[np.ndarray, " rows"]:
        """Whom each of `rows` shows."""
        return self._labels[split][rows]

    def attributes(self, split: Split, rows: np.ndarray) -> Bool[np.ndarray, "rows attributes"]:
        """The attributes of each of `rows`, in the order of `attribute_names`, which is the file's."""
        found: np.ndarray = self._attributes[split][rows]
        return found

    def digest(self) -> str:
        """Identity of the lists, and of the folder of images by its name, size and time; images are not looked at."""
        files = [self._root / name for name in (SPLITS_FILE, IDENTITIES_FILE, ATTRIBUTES_FILE, IMAGES_FOLDER)]
        return digest_of("celeba", [self._side, len(self.classes)], files)

    def _listed(self, name: str, count: int) -> dict[str, tuple[int, ...]]:
        return self._numbers(name, self._lines(name), count, first=1)

    def _lines(self, name: str) -> list[str]:
        try:
            text = (self._root / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as cause:
            why = cause.strerror if isinstance(cause, OSError) else cause
            raise DataError(
                f"{self._root / name} cannot be read: {why}. It belongs to CelebA, in the authors' own layout (.txt)."
            ) from cause
        refuse_lfs_pointer(text[:64].encode(), str(self._root / name))
        return text.splitlines()

    def _numbers(self, name: str, lines: list[str], count: int, *, first: int) -> dict[str, tuple[int, ...]]:
        """A file name and `count` whole numbers on each line; `first` is the number of the first one."""
        found = {}
        for number, line in enumerate(lines, first):
            file, *told = line.split() or [""]
            if not file and number == first + len(lines) - 1:
                break
            try:
                values = tuple(int(value) for value in told)
            except ValueError:
                values = ()
            if len(values) != count or Path(file).name != file or file in found:
                raise DataError(
                    f"{self._root / name}:{number}: {line[:60]!r} is not the name of an image, each once, and "
                    f"{count} whole number{'s' * (count > 1)}."
                )
            found[file] = values
        return found
