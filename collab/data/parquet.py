"""Images in Parquet files: bytes and a label, the layout of image data sets on public hubs."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Int64, UInt8
from pyarrow import parquet

from collab.data.decoding import Encoded, decode_all, digest_files, refuse_lfs_pointer
from collab.data.source import Source, Split
from collab.data.words import say_names
from collab.errors import DataError

MOST_CLASSES = 1 << 15
"""As many as labels of a shard can tell apart."""


_ROWS_AT_ONCE = 64  # encoded images that are read together
_BUFFER = 1 << 20  # bytes; without one, and with `pre_buffer`, Arrow reads all of a row group before its first image

_UNREADABLE = (pa.ArrowException, OSError, ValueError, KeyError, OverflowError, MemoryError)
"""In how many ways Arrow says that a file is damaged."""


class ParquetFiles(Source):
    """One file for each split: a column of encoded images (binary, or a struct with `bytes`) and one of labels.

    Classes have the names that the files' metadata give the labels, as on public hubs, or else their numbers. Only row
    groups that hold a row asked for are read, some rows at a time; only rows asked for are decoded.
    """

    def __init__(
        self, *, image_size: int, seed: int, root: str | Path, train: str, test: str, image: str, label: str
    ) -> None:
        self._side, self._image, self._label = image_size, image, label
        self._paths = {"train": Path(root) / train, "test": Path(root) / test}
        self._files = {split: self._open(path) for split, path in self._paths.items()}
        if self._paths["train"].samefile(self._paths["test"]):
            raise DataError(
                f"`data.train` and `data.test` are one file, {self._paths['test']}: the same images would be trained "
                "on and held out. Name a file of other images in `data.test`."
            )
        self._labels = {split: self._read_labels(split) for split in self._files}
        self.classes = self._name_classes(1 + max(int(labels.max()) for labels in self._labels.values()))
        empty = sorted(set(range(len(self.classes))) - set(self._labels["train"].tolist()))
        if empty:
            names = say_names([self.classes[label] for label in empty])
            raise DataError(
                f"column {self._label!r} of {self._paths['train']} has no row of class {names}: {len(empty)} of "
                f"{len(self.classes)} classes have no training image. Number the classes that there are from 0, "
                "without gaps, and name those alone."
            )

    def labels(self, split: Split) -> Int64[np.ndarray, " rows"]:
        """The label of every row."""
        return self._labels[split]

    def images(self, split: Split, rows: np.ndarray) -> Iterator[UInt8[np.ndarray, "batch 3 side side"]]:
        """Decodes `rows`; ascending rows read each row group once, other orders read it for each run of its rows."""
        return decode_all(self._read_images(split, rows), self._side)

    def digest(self) -> str:
        """Identity of both files."""
        return digest_files("parquet", [self._side, self._image, self._label], self._paths.values())

    def _open(self, path: Path) -> parquet.ParquetFile:
        if not path.is_file():
            raise DataError(
                f"there is no file {path}. `data.root` names the folder, `data.train` and `data.test` its files."
            )
        try:
            with path.open("rb") as begun:
                refuse_lfs_pointer(begun.read(64), str(path))
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
        encoded = [part.type for part in kind if part.name == "bytes"] if pa.types.is_struct(kind) else [kind]
        if not any(pa.types.is_binary(part) or pa.types.is_large_binary(part) for part in encoded):
            raise DataError(
                f"column {self._image!r} of {path} is {kind}; encoded images are needed, as binary or as a struct with "
                "`bytes`. Files beside a Parquet file are not read: write their content into the column."
            )
        return file

    def _name_classes(self, count: int) -> tuple[str, ...]:
        """Names of at least `count` classes, which are numbers where neither file names them."""
        named = {split: _read_class_names(file.schema_arrow, self._label) for split, file in self._files.items()}
        names = named["train"] or named["test"]
        path = self._paths["train" if named["train"] else "test"]
        if named["test"] and named["test"] != names:
            pairs = enumerate(zip_longest(names, named["test"]))
            label, (one, other) = next((label, pair) for label, pair in pairs if pair[0] != pair[1])
            raise DataError(
                f"{path} and {self._paths['test']} name the classes of {self._label!r} differently: label {label} is "
                f"{one!r} in the first and {other!r} in the second."
            )
        if len(set(names)) < len(names):
            twice = next(name for at, name in enumerate(names) if name in names[:at])
            raise DataError(f"{path} names two classes of {self._label!r} alike: {twice!r}.")
        if names and len(names) < count:
            raise DataError(
                f"{path} names {len(names)} classes of {self._label!r}, and the labels go up to {count - 1}."
            )
        return names or tuple(map(str, range(count)))

    def _take_bytes(self, value: Any, where: str) -> bytes:
        """The encoded image in a cell; a struct of the hubs may name a path instead."""
        encoded = value.get("bytes") if isinstance(value, dict) else value
        if encoded is None and isinstance(value, dict) and value.get("path"):
            raise DataError(
                f"{where} holds no bytes, only the path {value['path']!r}, and files beside a Parquet file are not "
                f"read. Write the content of each file into `bytes` of column {self._image!r}."
            )
        if encoded is None:
            raise DataError(f"{where} holds no image. Repair or remove it.")
        return bytes(encoded)

    def _read_labels(self, split: str) -> Int64[np.ndarray, " rows"]:
        where = f"column {self._label!r} of {self._paths[split]}"
        with _readable(where):
            table = self._files[split].read(columns=[self._label])
            table.validate(full=True)
            column = table.column(self._label)
            if not pa.types.is_integer(column.type):
                raise DataError(
                    f"{where} is {column.type}; it must hold an integer in every row, the number of the class from 0."
                )
            if len(column) == 0:
                raise DataError(f"{where} has no rows.")
            if column.null_count:
                row = int(np.flatnonzero(column.is_null().to_numpy())[0])
                raise DataError(f"row {row} of {where} is empty; it must hold an integer in every row.")
            labels: Int64[np.ndarray, " rows"] = column.cast(pa.int64()).to_numpy()
        if labels.min() < 0 or labels.max() >= MOST_CLASSES:
            raise DataError(
                f"{where} has labels from {labels.min()} to {labels.max()}; they lie between 0 and {MOST_CLASSES - 1}."
            )
        return labels

    def _read_images(self, split: Split, rows: np.ndarray) -> Iterator[Encoded]:
        """The encoded images of `rows`; a row group is read once for each run of its rows that ascends."""
        file = self._files[split]
        sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
        starts = np.cumsum([0, *sizes])
        groups = np.searchsorted(starts, rows, side="right") - 1
        ends_run = (np.diff(rows) < 0) | (np.diff(groups) != 0)
        for run in np.split(np.arange(len(rows)), np.flatnonzero(ends_run) + 1) if len(rows) else ():
            group, run_rows = int(groups[run[0]]), rows[run]
            at = int(starts[group])
            for images in self._read_group(split, group, sizes[group]):
                first, end = np.searchsorted(run_rows, (at, at + len(images)))
                for row in run_rows[first:end].tolist():
                    where = f"row {row} of {self._paths[split]}"
                    yield self._take_bytes(images[row - at].as_py(), where), where
                at += len(images)

    def _read_group(self, split: Split, group: int, size: int) -> Iterator[Any]:
        """The column of images of a row group, some rows at a time."""
        where, count = f"row group {group} of {self._paths[split]}", 0
        with _readable(where):
            batches = self._files[split].iter_batches(_ROWS_AT_ONCE, row_groups=[group], columns=[self._image])
            for batch in batches:
                batch.validate(full=True)
                count += len(batch)
                yield batch.column(0)
        if count != size:
            raise DataError(f"{where} has {count} images, not the {size} that it says.")


@contextmanager
def _readable(where: str) -> Iterator[None]:
    """Names what does not read, in whatever way Arrow says so."""
    try:
        yield
    except _UNREADABLE as cause:
        raise DataError(f"{where} does not read: {cause}.") from cause


def _read_class_names(schema: pa.Schema, label: str) -> tuple[str, ...]:
    """The names of the column `label` from the hubs' metadata, none if it has none: `info.features.<label>.names`."""
    try:
        part = json.loads((schema.metadata or {}).get(b"huggingface", b""))
    except (ValueError, RecursionError):
        return ()
    for key in ("info", "features", label, "names"):
        part = part.get(key) if isinstance(part, dict) else None
    return tuple(part) if isinstance(part, list) and all(isinstance(name, str) for name in part) else ()
