"""Images in Parquet files: bytes or paths and a label, the layout of image data sets on public hubs."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from jaxtyping import Int64, UInt8
from pyarrow import parquet

from collab.data.decoding import Encoded, decode_all, digest_files
from collab.data.modes import Window
from collab.data.parquet_labels import (
    Column,
    agree_on_names,
    number_classes,
    read_class_names,
    read_column,
    refuse_classes_without_images,
)
from collab.data.shard_files import FileNames, find_beside, find_files_of_splits
from collab.data.source import Source, Split
from collab.data.words import make_readable
from collab.errors import DataError

_ROWS_AT_ONCE = 64  # encoded images that are read together
_BUFFER = 1 << 20  # bytes; without one, and with `pre_buffer`, Arrow reads all of a row group before its first image

_UNREADABLE = (pa.ArrowException, OSError, ValueError, KeyError, OverflowError, MemoryError)
"""In how many ways Arrow says that a file is damaged."""


class _Group(NamedTuple):
    """A row group: its file, its number there, the file's row that it begins with, and how many rows it has."""

    file: parquet.ParquetFile
    path: Path
    number: int
    first: int
    rows: int


class ParquetFiles(Source):
    """Files for each split: a column of images and one of labels; without `test` there is one split alone.

    Images are encoded, as binary or in a struct with `bytes`, or files beside the Parquet file, named by a text or by
    the struct's `path`. Classes have the names that the files' metadata give the labels, as on public hubs, or those
    in the column, or else their numbers. Only row groups that hold a row asked for are read, some rows at a time; only
    rows asked for are decoded.
    """

    def __init__(
        self,
        *,
        image_size: int,
        seed: int,
        root: str | Path,
        train: FileNames,
        test: FileNames | None,
        image: str,
        label: str,
        window: Window | None = None,
    ) -> None:
        self._side, self._image, self._label, self._window = image_size, image, label, window
        wanted: dict[Split, FileNames | None] = {"train": train, "test": test}
        self._paths = find_files_of_splits(Path(root), wanted, ".parquet")
        self._files = files = {split: [self._open(path) for path in paths] for split, paths in self._paths.items()}
        self._groups = {split: list(self._list_groups(split, opened)) for split, opened in files.items()}
        named = {
            str(path): read_class_names(file.schema_arrow, label)
            for split, opened in files.items()
            for path, file in zip(self._paths[split], opened, strict=True)
        }
        columns = {
            split: [self._read_labels(path, file) for path, file in zip(self._paths[split], opened, strict=True)]
            for split, opened in files.items()
        }
        self.classes, self._labels = number_classes(columns, agree_on_names(named, label))
        refuse_classes_without_images(
            self.classes,
            self._labels["train"],
            f"column {label!r} of {self._paths['train'][0]}" + " and its other shards" * (len(columns["train"]) > 1),
            "Number the classes that there are from 0, without gaps, and name those alone.",
        )

    def labels(self, split: Split) -> Int64[np.ndarray, " rows"]:
        """The label of every row."""
        return self._labels[split]

    @property
    def column_names(self) -> tuple[str, ...]:
        """The columns of the training files but that of images."""
        columns = (set(file.schema_arrow.names) for file in self._files["train"])
        return tuple(sorted(set.intersection(*columns) - {self._image}))

    def column(self, split: Split, name: str) -> list[Any]:
        """The value of every row in the column of that name."""
        values = list[Any]()
        for path, file in zip(self._paths[split], self._files[split], strict=True):
            with _readable(f"column {name!r} of {path}"):
                values += file.read(columns=[name]).column(0).to_pylist()
        return values

    def images(self, split: Split, rows: np.ndarray) -> Iterator[UInt8[np.ndarray, "batch 3 side side"]]:
        """Decodes `rows`; ascending rows read each row group once, other orders read it for each run of its rows."""
        return decode_all(self.encoded(split, rows), self._side, self.window)

    @property
    def window(self) -> Window | None:
        """What gray of more than 8 bits is spread by."""
        return self._window

    @property
    def is_of_files(self) -> bool:
        """Whether no row has bytes, as the metadata of all files say."""
        return all(_holds_no_bytes(group, self._image) for groups in self._groups.values() for group in groups)

    def digest(self) -> str:
        """Identity of all files, also of those that rows name in place of bytes."""
        options: list[Any] = [self._side, self._image, self._label, *(self._window or ())]
        if any(len(paths) != 1 for paths in self._paths.values()):
            options.append([len(paths) for paths in self._paths.values()])
        files = [path for paths in self._paths.values() for path in paths]
        return digest_files("parquet", options, [*files, *self._list_files_beside()])

    def _open(self, path: Path) -> parquet.ParquetFile:
        try:
            file = parquet.ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False)
            names = file.schema_arrow.names
        except _UNREADABLE as cause:
            raise DataError(f"{path} is no readable Parquet file: {cause}.") from cause
        missing = {self._image, self._label} - set(names)
        if missing:
            raise DataError(
                f"{path} has no column {', '.join(sorted(missing))}; it has {', '.join(names)}. "
                "Name the columns in `data.image` and `data.label`."
            )
        kind = file.schema_arrow.field(names.index(self._image)).type
        parts = {part.name: part.type for part in kind} if pa.types.is_struct(kind) else {"": kind}
        has_path = _is_text(parts.get("path", parts.get("")))
        encoded = parts.get("bytes", parts.get(""))
        if not (
            _is_binary(encoded) or (has_path and (encoded is None or _is_text(parts.get("")) or encoded == pa.null()))
        ):
            raise DataError(
                f"column {self._image!r} of {path} is {kind}; encoded images are needed, as binary or as a struct with "
                "`bytes`, or names of files beside it, as a text or as a struct with `path`."
            )
        return file

    def _list_groups(self, split: Split, files: list[parquet.ParquetFile]) -> Iterator[_Group]:
        for path, file in zip(self._paths[split], files, strict=True):
            first = 0
            for number in range(file.num_row_groups):
                group = _Group(file, path, number, first, file.metadata.row_group(number).num_rows)
                first += group.rows
                yield group

    def _read_labels(self, path: Path, file: parquet.ParquetFile) -> Column:
        where = f"column {self._label!r} of {path}"
        with _readable(where):
            table = file.read(columns=[self._label])
            table.validate(full=True)
            return read_column(table.column(self._label), where)

    def _try_to_take(self, value: Any, path: Path, where: str) -> bytes | Path | DataError:
        """The image in a cell, or what is wrong with it: others are looked at all the same."""
        try:
            return self._take_image(value, path, where)
        except DataError as broken:
            return broken

    def _take_image(self, value: Any, path: Path, where: str) -> bytes | Path:
        """The encoded image in a cell, or the file beside the Parquet file that it names."""
        encoded, name = (value.get("bytes"), value.get("path")) if isinstance(value, dict) else (value, None)
        if isinstance(encoded, str):
            encoded, name = None, encoded
        if encoded is not None:
            return bytes(encoded)
        if not name:
            raise DataError(f"{where} holds no image. Repair or remove it.")
        return find_beside(path.parent, name, where)

    def encoded(self, split: Split, rows: np.ndarray) -> Iterator[Encoded]:
        """The encoded images of `rows`; a row group is read once for each run of its rows that ascends."""
        starts = np.cumsum([0, *(group.rows for group in self._groups[split])])
        numbers = np.searchsorted(starts, rows, side="right") - 1
        ends_run = (np.diff(rows) < 0) | (np.diff(numbers) != 0)
        for run in np.split(np.arange(len(rows)), np.flatnonzero(ends_run) + 1) if len(rows) else ():
            group, run_rows = self._groups[split][numbers[run[0]]], rows[run]
            at = int(starts[numbers[run[0]]])
            before = at - group.first  # rows of other files
            for images in self._read_group(group):
                first, end = np.searchsorted(run_rows, (at, at + len(images)))
                for row in run_rows[first:end].tolist():
                    where = f"row {row - before} of {group.path}"
                    image = self._try_to_take(images[row - at].as_py(), group.path, where)
                    yield image, f"{make_readable(str(image))}, in {where}" if isinstance(image, Path) else where
                at += len(images)

    def _read_group(self, group: _Group) -> Iterator[Any]:
        """The column of images of a row group, some rows at a time."""
        where, count = f"row group {group.number} of {group.path}", 0
        with _readable(where):
            batches = group.file.iter_batches(_ROWS_AT_ONCE, row_groups=[group.number], columns=[self._image])
            for batch in batches:
                batch.validate(full=True)
                count += len(batch)
                yield batch.column(0)
        if count != group.rows:
            raise DataError(f"{where} has {count} images, not the {group.rows} that it says.")

    def _list_files_beside(self) -> Iterator[Path]:
        """The files that rows name, of row groups whose metadata say that some row has no bytes."""
        for group in (group for groups in self._groups.values() for group in groups):
            leaves = {leaf.path_in_schema: leaf for leaf in _list_leaves(group)}
            encoded = leaves.get(f"{self._image}.bytes")
            missing = encoded.statistics.null_count if encoded and encoded.statistics else None
            column = next((name for name in (f"{self._image}.path", self._image) if name in leaves), None)
            kind = group.file.schema_arrow.field(self._image).type
            if column is None or _is_binary(kind) or (encoded and missing == 0):
                continue
            where = f"row group {group.number} of {group.path}"
            with _readable(where):
                names = group.file.read_row_group(group.number, columns=[column]).column(0).to_pylist()
            for value in names:
                name = value.get("path") if isinstance(value, dict) else value
                with suppress(DataError, OSError):  # of a row with bytes it may be anything; one without is told later
                    if name and (file := find_beside(group.path.parent, name, where)).is_file():
                        yield file


def _holds_no_bytes(group: _Group, image: str) -> bool:
    """Whether all images of a row group are files beside the Parquet file."""
    encoded = {leaf.path_in_schema: leaf for leaf in _list_leaves(group)}.get(f"{image}.bytes")
    if encoded is None:
        return not _is_binary(group.file.schema_arrow.field(image).type)
    return bool(encoded.statistics) and encoded.statistics.null_count == group.rows


def _list_leaves(group: _Group) -> Iterator[Any]:
    metadata = group.file.metadata.row_group(group.number)
    return (metadata.column(number) for number in range(metadata.num_columns))


def _is_binary(kind: Any) -> bool:
    return kind is not None and (pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _is_text(kind: Any) -> bool:
    return kind is not None and (pa.types.is_string(kind) or pa.types.is_large_string(kind))


@contextmanager
def _readable(where: str) -> Iterator[None]:
    """Names what does not read, in whatever way Arrow says so."""
    try:
        yield
    except _UNREADABLE as cause:
        raise DataError(f"{where} does not read: {cause}.") from cause
