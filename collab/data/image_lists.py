"""Lists of images: tables, as CSV or Parquet, with a column of paths and one of labels."""

import csv
import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from collab.data.decoding import NamedFiles, digest_files
from collab.data.modes import Window
from collab.data.parquet_labels import Column, number_classes, read_column, refuse_classes_without_images
from collab.data.shard_files import FileNames, find_beside, find_files_of_splits
from collab.data.source import Split
from collab.data.words import say_count, say_lines, say_names
from collab.errors import DataError

_DELIMITERS = ",;\t|"
_LONGEST_LINE = 1 << 20  # bytes; Arrow reads blocks of so many, and a line must end within one

_UNREADABLE = (pa.ArrowException, csv.Error, OSError, ValueError, KeyError, OverflowError, MemoryError)
"""In how many ways a list turns out to be none."""


class ImageLists(NamedFiles):
    """Lists for each split: a row has the path of an image and its label; without `test` there is one split alone.

    A path is put into `images` in the place of `{}`; that leads from `root` to the file and names the row. In CSV all
    labels are texts, and what separates the columns is what the first line has most of.
    """

    def __init__(
        self,
        *,
        image_size: int,
        seed: int,
        root: str | Path,
        train: FileNames,
        test: FileNames | None,
        images: str,
        image: str,
        label: str,
        window: Window | None = None,
    ) -> None:
        self._side, self._root = image_size, Path(root)
        self._pattern, self._image, self._window = images, image, window
        wanted: dict[Split, FileNames | None] = {"train": train, "test": test}
        self._lists = find_files_of_splits(self._root, wanted, ".csv")
        columns: dict[Split, list[Column]] = {split: [] for split in wanted}
        names: dict[Split, list[str]] = {split: [] for split in wanted}
        places, mistakes = dict[str, str](), list[str]()
        for split, paths in self._lists.items():
            for path in paths:
                files, labels = _read_columns(path, image, label)
                columns[split].append(read_column(labels, f"column {label!r} of {path}"))
                names[split] += self._name_rows(files, path, places, mistakes)
        if mistakes:
            many = f"{len(mistakes):,} rows of lists cannot be read:{say_lines(mistakes)}"
            raise DataError(mistakes[0] if len(mistakes) == 1 else many)
        _refuse_wrong_folder(self._root, places)
        self.classes, self._labels = number_classes(columns, ())
        refuse_classes_without_images(
            self.classes, self._labels["train"], str(self._lists["train"][0]), "List one, or leave the class out."
        )
        self._folders = dict.fromkeys(names, self._root)
        self._names = {split: tuple(listed) for split, listed in names.items()}

    @property
    def column_names(self) -> tuple[str, ...]:
        """The columns of the training lists but that of paths."""
        columns = (set(_read_names(path)) for path in self._lists["train"])
        return tuple(sorted(set.intersection(*columns) - {self._image}))

    def column(self, split: Split, name: str) -> list[Any]:
        """The value of every row in the column of that name, a text in CSV."""
        return [value for path in self._lists[split] for value in _read_columns(path, self._image, name)[1].to_pylist()]

    def digest(self) -> str:
        """Identity of the lists and of the files that they name."""
        names = sha256(json.dumps([self._names["train"], self._names["test"]]).encode()).hexdigest()
        lists = [path for paths in self._lists.values() for path in paths]
        files = [self._root / name for listed in self._names.values() for name in listed]
        return digest_files("list", [self._side, *self.classes, names, *(self._window or ())], [*lists, *files])

    def _name_rows(
        self, column: pa.ChunkedArray, path: Path, places: dict[str, str], mistakes: list[str]
    ) -> Iterator[str]:
        """The file of each row, relative to the root; `places` says which row names it, so that none is named twice.

        `mistakes` are told of rows that cannot be named, so that one try is enough to mend a list.
        """
        for row, value in enumerate(column.to_pylist()):
            where = f"row {row} of {path}"
            if not value:
                mistakes.append(f"{where} names no file. Write the path of an image, or take the row out.")
                continue
            try:
                name = str(find_beside(Path(), self._pattern.replace("{}", value), where))
            except DataError as mistake:
                mistakes.append(str(mistake))
                continue
            if name in places:
                mistakes.append(
                    f"{where} names {name}, as {places[name]} does. An image stands in one row of all lists: it would "
                    "count twice, or be both trained on and held out."
                )
            places.setdefault(name, where)
            yield name


def _read_columns(path: Path, image: str, other: str) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """The column of paths, as texts, and another one."""
    try:
        names = _read_names(path)
        if missing := [name for name in (image, other) if names.count(name) != 1]:
            raise DataError(
                f"{path} must have the column {missing[0]!r} once; it has {say_names(names)}. Name the columns of "
                "paths and labels in `data.image` and `data.label`."
            )
        wanted = [image, other] if image != other else [image]
        table = parquet.read_table(path, columns=wanted) if _is_parquet(path) else _read_csv(path, wanted)
        table.validate(full=True)
    except _UNREADABLE as cause:
        raise DataError(f"{path} is no readable list, CSV or Parquet: {cause}.") from cause
    if not (pa.types.is_string(kind := table.schema.field(image).type) or pa.types.is_large_string(kind)):
        raise DataError(f"column {image!r} of {path} is {kind}; it must hold the paths of images, as texts.")
    return table.column(image), table.column(other)


def _is_parquet(path: Path) -> bool:
    return path.suffix == ".parquet"


def _read_names(path: Path) -> list[str]:
    return parquet.read_schema(path).names if _is_parquet(path) else _read_head(path)[0]


def _read_csv(path: Path, columns: list[str]) -> pa.Table:
    return arrow_csv.read_csv(
        path,
        read_options=arrow_csv.ReadOptions(block_size=_LONGEST_LINE),
        parse_options=arrow_csv.ParseOptions(delimiter=_read_head(path)[1]),
        convert_options=arrow_csv.ConvertOptions(
            include_columns=columns,
            column_types=dict.fromkeys(columns, pa.string()),
            strings_can_be_null=True,
            null_values=[""],  # `NA` and `null` are names of classes too
        ),
    )


def _read_head(path: Path) -> tuple[list[str], str]:
    """The names of the columns, and what stands between them."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        line = file.readline(_LONGEST_LINE)
    delimiter = max(_DELIMITERS, key=line.count)
    return next(csv.reader([line], delimiter=delimiter), []), delimiter


def _refuse_wrong_folder(root: Path, places: Mapping[str, str]) -> None:
    """Raises DataError where no image is there: single ones that are missing are broken images, and come with those."""
    if places and not any((root / name).is_file() for name in places):
        raise DataError(
            f"of {say_count(len(places), 'image')} that lists name, none is in {root}. `data.images` "
            f"says how a path leads there:{say_lines(f'{name}, in {where}' for name, where in places.items())}"
        )
