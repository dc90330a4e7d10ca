"""CelebA as its authors distribute it: aligned faces, and list files of attributes, identities and splits."""

from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int64

from collab.data.decoding import NamedFiles, digest_files, refuse_lfs_pointer
from collab.data.source import Split
from collab.errors import DataError

ATTRIBUTES_FILE, IDENTITIES_FILE, SPLITS_FILE = "list_attr_celeba.txt", "identity_CelebA.txt", "list_eval_partition.txt"
IMAGES_FOLDER = "img_align_celeba"
_PARTS: dict[Split, tuple[int, ...]] = {"train": (0,), "test": (1, 2)}  # nothing here is chosen by validation images


# Not torchvision's class: that refuses any list file but the authors' by its digest, so that no part of the set could
# be tried, and names neither file nor line of what is wrong.
class CelebA(NamedFiles):
    """`root/img_align_celeba/*.jpg` and three list files beside it; classes are the identities, names `000001.jpg`.

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
        parts = self._read_table(SPLITS_FILE, self._read_lines(SPLITS_FILE))
        if wrong := next((name for name, (part,) in parts.items() if part not in (0, 1, 2)), None):
            raise DataError(f"{self._root / SPLITS_FILE} puts {wrong} in part {parts[wrong][0]}; there are 0, 1 and 2.")
        people = self._read_table(IDENTITIES_FILE, self._read_lines(IDENTITIES_FILE))
        lines = self._read_lines(ATTRIBUTES_FILE)
        if len(lines) < 2:
            raise DataError(f"{self._root / ATTRIBUTES_FILE} must begin with a count and the names of the attributes.")
        self.attribute_names = tuple(lines[1].split())
        attributes = self._read_table(ATTRIBUTES_FILE, lines[2:], len(self.attribute_names), first=3)
        for file, table in ((IDENTITIES_FILE, people), (ATTRIBUTES_FILE, attributes)):
            if missing := sorted(parts.keys() - table.keys()):
                raise DataError(f"{self._root / file} has no line for {missing[0]}, which {SPLITS_FILE} names.")
        numbers = sorted({people[name][0] for name in parts})
        self.classes = tuple(f"id_{number}" for number in numbers)
        self._folders = dict.fromkeys(_PARTS, self._root / IMAGES_FOLDER)
        self._names, self._labels = {}, {}
        self._attributes: dict[Split, np.ndarray] = {}
        for split, kept in _PARTS.items():
            files = tuple(name for name, (part,) in parts.items() if part in kept)
            if not files:
                raise DataError(f"{self._root / SPLITS_FILE} has no image of part {kept[0]}, the {split} images.")
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
        files = [self._root / name for name in (SPLITS_FILE, IDENTITIES_FILE, ATTRIBUTES_FILE, IMAGES_FOLDER)]
        return digest_files("celeba", [self._side, len(self.classes)], files)

    def _read_lines(self, name: str) -> list[str]:
        try:
            text = (self._root / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as cause:
            why = cause.strerror if isinstance(cause, OSError) else cause
            raise DataError(
                f"{self._root / name} cannot be read: {why}. It belongs to CelebA, in the authors' own layout (.txt)."
            ) from cause
        refuse_lfs_pointer(text[:64].encode(), str(self._root / name))
        return text.splitlines()

    def _read_table(self, name: str, lines: list[str], count: int = 1, *, first: int = 1) -> dict[str, tuple[int, ...]]:
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
                    f"{self._root / name}:{number}: {line[:60]!r} is not the name of an image, each once, and "
                    f"{count} whole number{'s' * (count > 1)}."
                )
            table[file] = values
        return table
