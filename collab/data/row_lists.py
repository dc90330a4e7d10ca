"""Lists of rows that a user wrote, one on each line: file names where the source has them, else numbers."""

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from fnmatch import filter as filter_names
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np

from collab.data.partition import LEAST, ClassSplit, Rows
from collab.data.words import say_names
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
        self._private = say_names([classes[label] for label in split.private])

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
            for row in self._find_rows(text, where):
                name = f"row {row}" if self._names is None else self._names[row]
                if row in line_of:
                    raise DataError(f"{where}{name} is there already, in line {line_of[row]}. Take one of them out.")
                if not self._is_private[row]:
                    raise DataError(
                        f"{where}{name} is of class {self._classes[self._labels[row]]}, which is public; the private "
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
        folders: dict[str, dict[str, int]] = {}
        for row, name in enumerate(self._names or ()):
            folder, _, file = name.rpartition("/")
            folders.setdefault(folder, {})[file] = row
        return folders

    def _find_rows(self, text: str, where: str) -> Iterable[int]:
        if self._names is None:
            row = int(text) if _NUMBER.fullmatch(text) else -1
            if not 0 <= row < len(self._labels):
                last = len(self._labels) - 1
                raise DataError(f"{where}{text[:40]!r} is no row; the source has training images 0 to {last}.")
            return (row,)
        folder, _, file = text.rpartition("/")
        if file in self._folders.get(folder, {}):
            return (self._folders[folder][file],)
        if _NUMBER.fullmatch(text):
            raise DataError(f"{where}{self._explain_number(int(text))}")
        if not _GLOB.search(text):
            raise DataError(f"{where}{text!r} is no training image{self._suggest(folder, file)}")
        # Folder and file are matched apart: so a star ends at a slash, as in a shell.
        folders = [self._folders[name] for name in filter_names(self._folders, folder)]
        if not (rows := [files[name] for files in folders for name in filter_names(files, file)]):
            raise DataError(
                f"{where}{text!r} matches no training image. A star stands for any letters but `/`; "
                f"names are like {self._names[0]}."
            )
        return rows

    def _explain_number(self, row: int) -> str:
        names = self._names or ()
        name = names[row if row < len(names) else 0]
        folder, slash, file = name.rpartition("/")
        glob = f"{folder}/*" if slash else f"{file[:3]}*"
        example = f"{name}, which is row {row} now" if row < len(names) else name
        return (
            f"{row} is a number, and numbers of files shift when one comes or goes. Write the file's name ({example}) "
            f"or a glob ({glob}); docs/partition.md shows how to turn a list of numbers into names."
        )

    def _suggest(self, folder: str, file: str) -> str:
        """The file that was perhaps meant: one of its folder, of its name in another, or of a folder spelled alike."""
        holding = [name for name, files in self._folders.items() if file in files]
        folders = [folder] if folder in self._folders else holding or get_close_matches(folder, self._folders, n=1)
        # An equal name is the closest match of all.
        files = [(name, close) for name in folders for close in get_close_matches(file, self._folders[name], n=1)]
        names = [f"{name}/{close}".lstrip("/") for name, close in files]
        return did_you_mean(f"{folder}/{file}", names) or f"; names are like {(self._names or [''])[0]}."


def digest_names(names: Sequence[str], rows: Rows) -> str:
    """Sha256 of the names of `rows`, sorted, each with a line end: what `LC_ALL=C sort names.txt | sha256sum` says."""
    lines = sorted(names[row].encode("utf-8", "surrogateescape") + b"\n" for row in rows.tolist())
    return sha256(b"".join(lines)).hexdigest()
