"""Lists of rows that a user wrote, one on each line: file names where the source has them, else numbers."""

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from fnmatch import filter as matching
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np

from collab.data.partition import LEAST, ClassSplit, Rows
from collab.data.words import shown
from collab.errors import DataError
from collab.meant import did_you_mean

_NUMBER = re.compile(r"[0-9]{1,18}")
"""Digits that fit into 64 bits; Python would read `1_0` too."""

_GLOB = re.compile(r"[*?[]")


class RowLists:
    """Reads lists of training rows with these `labels`; with `names` of all rows, lines are names and globs of them.

    Numbers would shift with the first file that comes or goes, and a list would silently say other images.
    """

    def __init__(
        self, labels: Rows, classes: Sequence[str], split: ClassSplit, names: Sequence[str] | None = None
    ) -> None:
        self._labels, self._classes, self._names = labels, classes, names
        self._is_private = np.isin(labels, split.private)
        self._private = shown([classes[label] for label in split.private])

    def read(self, path: Path, entity: str) -> Rows:
        """The rows that `path` lists for `entity`, ascending; empty lines are passed.

        Raises DataError for a file that cannot be read or lists too few, and, with its line, for what is no row, is
        there already, or is of a public class.
        """
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as cause:
            raise DataError(f"entity {entity!r}: the list of rows {path} cannot be read: {cause}") from cause
        line_of: dict[int, int] = {}
        for number, line in enumerate(lines, 1):
            if not (text := line.strip()):
                continue
            where = f"entity {entity!r}: {path}:{number}: "
            for row in self._rows(text, where):
                what = f"row {row}" if self._names is None else self._names[row]
                if row in line_of:
                    raise DataError(f"{where}{what} is there already, in line {line_of[row]}. Take one of them out.")
                if not self._is_private[row]:
                    raise DataError(
                        f"{where}{what} is of class {self._classes[self._labels[row]]}, which is public; the private "
                        f"ones are {self._private}. Name them in data.private_classes, or take the row out."
                    )
                line_of[row] = number
        if len(line_of) < LEAST:
            how = "number on each line, from 0" if self._names is None else "file name or glob on each line"
            raise DataError(f"entity {entity!r}: {path} lists {len(line_of)} rows; it needs {LEAST}. Write one {how}.")
        return np.array(sorted(line_of), dtype=np.int64)

    @cached_property
    def _folders(self) -> dict[str, dict[str, int]]:
        """The row of each file, by folder."""
        found: dict[str, dict[str, int]] = {}
        for row, name in enumerate(self._names or ()):
            folder, _, file = name.rpartition("/")
            found.setdefault(folder, {})[file] = row
        return found

    def _rows(self, text: str, where: str) -> Iterable[int]:
        if self._names is None:
            row = int(text) if _NUMBER.fullmatch(text) else -1
            if not 0 <= row < len(self._labels):
                last = len(self._labels) - 1
                raise DataError(f"{where}{text[:40]!r} is no row; the source has training images 0 to {last}.")
            return (row,)
        folder, _, file = text.rpartition("/")
        row_or_none = self._folders.get(folder, {}).get(file)
        if row_or_none is not None:
            return (row_or_none,)
        if _NUMBER.fullmatch(text):
            raise DataError(f"{where}{self._about_number(int(text))}")
        if not _GLOB.search(text):
            raise DataError(f"{where}{text!r} is no training image{self._near(folder, file)}")
        if not (found := list(self._matching(folder, file))):
            raise DataError(
                f"{where}{text!r} matches no training image. A star stands for any letters but `/`; "
                f"names are like {self._names[0]}."
            )
        return found

    def _matching(self, folder: str, file: str) -> Iterator[int]:
        """Rows that match a glob; `*` ends at a slash, as in a shell."""
        for name in matching(self._folders, folder):
            for found in matching(self._folders[name], file):
                yield self._folders[name][found]

    def _about_number(self, row: int) -> str:
        names = self._names or ()
        name = names[row if row < len(names) else 0]
        folder, slash, file = name.rpartition("/")
        glob = f"{folder}/*" if slash else f"{file[:3]}*"
        today = f"{name}, which is row {row} now" if row < len(names) else name
        return (
            f"{row} is a number, and numbers of files shift when one comes or goes. Write the file's name ({today}) or "
            f"a glob ({glob}); docs/partition.md shows how to turn a list of numbers into names."
        )

    def _near(self, folder: str, file: str) -> str:
        """The file that was perhaps meant: one of its folder, of its name in another, or of a folder spelled alike."""
        folders = (
            [folder] if folder in self._folders else [name for name in self._folders if file in self._folders[name]]
        )
        folders = folders or get_close_matches(folder, self._folders, n=1)
        known = [f"{name}/{each}".lstrip("/") for name in folders for each in self._near_files(name, file)]
        return did_you_mean(f"{folder}/{file}", known) or f"; names are like {(self._names or [''])[0]}."

    def _near_files(self, folder: str, file: str) -> list[str]:
        return [file] if file in self._folders[folder] else get_close_matches(file, self._folders[folder], n=1)


def names_digest(names: Sequence[str], rows: Rows) -> str:
    """Sha256 of the names of `rows`, sorted, each with a line end: what `LC_ALL=C sort names.txt | sha256sum` says."""
    lines = sorted(names[row].encode("utf-8", "surrogateescape") + b"\n" for row in rows.tolist())
    return sha256(b"".join(lines)).hexdigest()
