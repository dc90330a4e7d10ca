"""Which files a split is made of: one, several, those of a folder or of a pattern; and what a row may name beside."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

from collab.data.decoding import refuse_lfs_pointer
from collab.data.source import Split
from collab.data.words import say_names
from collab.errors import DataError

FileNames = str | tuple[str, ...]
"""Files of a split, relative to a root: names, patterns (`data/train-*.parquet`, `{000..009}.tar`) and folders."""

_RANGE = re.compile(r"\{(\d{1,9})\.\.(\d{1,9})\}")
_MOST_OF_RANGE = 100_000

_NUMBERED = re.compile(r"(.*)-(\d{5,6})-of-(\d{5,6})(\D.*)?")
"""How hubs number shards: `train-00000-of-00002.parquet`."""


def find_split_files(root: Path, wanted: FileNames, ending: str, *, key: str) -> tuple[Path, ...]:
    """The files that `wanted` means, in its order, those of a pattern or folder by name; `key` is where it stands.

    Raises DataError for what is not there, for a file that is meant twice, for a number that is missing among shards,
    and for a Git LFS pointer.
    """
    names = (wanted,) if isinstance(wanted, str) else wanted
    files = tuple(
        file
        for range_or_name in names
        for name in _expand_range(range_or_name, key)
        for file in _expand(root, name, ending, key)
    )
    if twice := next((file for at, file in enumerate(files) if file in files[:at]), None):
        raise DataError(f"`data.{key}` names {twice} twice. Each file counts once: mend the list or the patterns.")
    _refuse_gaps(files, key)
    for file in files:
        with file.open("rb") as begun:
            refuse_lfs_pointer(begun.read(64), str(file))
    return files


def find_files_of_splits(
    root: Path, wanted: Mapping[Split, FileNames | None], ending: str
) -> dict[Split, tuple[Path, ...]]:
    """The files of each split, none of one that is None.

    Raises DataError as `find_split_files` does, and if a file is in both splits: the same images would be trained on
    and held out.
    """
    files = {
        split: () if names is None else find_split_files(root, names, ending, key=split)
        for split, names in wanted.items()
    }
    real = {file.resolve() for file in files["train"]}
    if both := next((file for file in files["test"] if file.resolve() in real), None):
        raise DataError(
            f"`data.train` and `data.test` are one file, {both}: the same images would be trained "
            "on and held out. Name a file of other images in `data.test`."
        )
    return files


def find_beside(folder: Path, name: str, where: str) -> Path:
    """The file `name` in `folder`, of which a row of a table speaks; DataError with `where` if it leads out of it."""
    path = PurePosixPath(name)
    leads_out = path.is_absolute() or ".." in path.parts or PureWindowsPath(name).drive or "\0" in name
    if leads_out or not path.parts:
        raise DataError(
            f"{where} names the file {name!r}; only files in {folder} or its folders are read, by a path "
            "relative to it without `..`."
        )
    return folder / path


def _expand_range(name: str, key: str) -> Iterator[str]:
    """The names that `{000..009}` stands for, as in a shell: with as many digits as its first number has."""
    if not (match := _RANGE.search(name)):
        yield name
        return
    first, last = int(match[1]), int(match[2])
    if not first <= last < first + _MOST_OF_RANGE:
        raise DataError(
            f"`data.{key}: {name}` counts from {first} to {last}. Count upwards, to {_MOST_OF_RANGE:,} files."
        )
    for number in range(first, last + 1):
        yield from _expand_range(f"{name[: match.start()]}{number:0{len(match[1])}}{name[match.end() :]}", key)


def _expand(root: Path, name: str, ending: str, key: str) -> Iterator[Path]:
    path = root / name
    if path.is_file():
        yield path
        return
    pattern = f"{name.rstrip('/')}/*{ending}" if path.is_dir() else name
    try:
        there = sorted(file for file in root.glob(pattern) if file.is_file()) if set(pattern) & set("*?[") else []
    except (ValueError, NotImplementedError) as cause:  # of `**a`, and of a pattern that begins with /
        raise DataError(f"`data.{key}: {name}` is no pattern of files in {root}: {cause}.") from cause
    if not there:
        others = sorted(str(file.relative_to(root)) for file in (*root.glob(f"*{ending}"), *root.glob(f"*/*{ending}")))
        what = "no file" if pattern == name else f"no *{ending} file in the folder"
        raise DataError(
            f"there is {what} {path}. `data.root` names the folder, `data.{key}` its files: names, a list of "
            f"them, a folder or a pattern such as data/train-*{ending}. It holds {say_names(others) or 'none'}."
        )
    yield from there


def _refuse_gaps(files: Sequence[Path], key: str) -> None:
    """Raises DataError if shards are numbered and some of their numbers are not among `files`: a broken download."""
    numbers: dict[tuple[Path, str, int], set[int]] = {}
    for file in files:
        if match := _NUMBERED.fullmatch(file.name):
            numbers.setdefault((file.parent, match[1], int(match[3])), set()).add(int(match[2]))
    for (folder, name, count), there in numbers.items():
        if len(there) < count:
            missing = next(number for number in range(count) if number not in there)
            raise DataError(
                f"`data.{key}` has {len(there)} of {count} shards of {name} in {folder}; number {missing} is "
                "missing. Fetch all of them."
            )
