"""Images in Parquet files: bytes and a label, the layout of image data sets on public hubs."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Int64, UInt8
from pyarrow import parquet

from collab.data.decoding import decoded, digest_of
from collab.data.source import BLOCK, Split
from collab.errors import DataError

MOST_CLASSES = 1 << 15
"""As many as labels of a shard can tell apart."""


class ParquetFiles:
    """One file for each split: a column of encoded images (binary, or a struct with `bytes`) and one of labels.

    Only row groups that hold a wanted row are read, one at a time; only wanted rows are decoded.
    """

    def __init__(
        self, *, image_size: int, seed: int, root: str | Path, train: str, test: str, image: str, label: str
    ) -> None:
        self._side, self._image, self._label = image_size, image, label
        self._paths = {"train": Path(root) / train, "test": Path(root) / test}
        self._files = {split: self._opened(path) for split, path in self._paths.items()}
        self._labels = {split: self._read_labels(split) for split in self._files}
        count = 1 + max(int(labels.max()) for labels in self._labels.values())
        names = _class_names(self._files["train"].schema_arrow)
        if names and len(names) < count:
            raise DataError(f"{self._paths['train']} names {len(names)} classes, and its labels go up to {count - 1}.")
        self.classes = names or tuple(map(str, range(count)))

    def labels(self, split: Split) -> Int64[np.ndarray, " rows"]:
        """The label of every row."""
        return self._labels[split]

    def images(self, split: Split, rows: np.ndarray) -> Iterator[UInt8[np.ndarray, "batch 3 side side"]]:
        """Decodes `rows`; ascending rows read each row group once, other orders read it for each run of its rows."""
        file, path = self._files[split], self._paths[split]
        sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
        starts = np.cumsum([0, *sizes])
        groups = np.searchsorted(starts, rows, side="right") - 1
        column: Any = None
        held, block = -1, []
        for row, group in zip(rows.tolist(), groups.tolist(), strict=True):
            if group != held:
                column, held = self._encoded(split, group), group
            where = f"row {row} of {path}"
            value = column[row - int(starts[group])].as_py()
            if value is None:
                raise DataError(f"{where} holds no image. Repair or remove it.")
            block.append(decoded(value, self._side, where=where))
            if len(block) == BLOCK:
                yield np.stack(block)
                block = []
        if block:
            yield np.stack(block)

    def notices(self) -> tuple[str, ...]:
        """None: every row is an image."""
        return ()

    def digest(self) -> str:
        """Identity of both files."""
        return digest_of("parquet", [self._side, self._image, self._label], self._paths.values())

    def _opened(self, path: Path) -> parquet.ParquetFile:
        if not path.is_file():
            raise DataError(
                f"there is no file {path}. `data.root` names the folder, `data.train` and `data.test` its files."
            )
        try:
            file = parquet.ParquetFile(path)
            names = file.schema_arrow.names
        except (pa.ArrowException, OSError, ValueError, KeyError, OverflowError, MemoryError) as cause:
            raise DataError(f"{path} is no readable Parquet file: {cause}.") from cause
        missing = {self._image, self._label} - set(names)
        if missing:
            raise DataError(
                f"{path} has no column {', '.join(sorted(missing))}; it has {', '.join(names)}. "
                "Name the columns in `data.image` and `data.label`."
            )
        return file

    def _read_labels(self, split: str) -> Int64[np.ndarray, " rows"]:
        where = f"column {self._label!r} of {self._paths[split]}"
        with _readable(where):
            table = self._files[split].read(columns=[self._label])
            table.validate(full=True)
            column = table.column(self._label)
            if column.null_count or not pa.types.is_integer(column.type) or len(column) == 0:
                raise DataError(f"{where} must hold an integer in every row.")
            labels: Int64[np.ndarray, " rows"] = column.cast(pa.int64()).to_numpy()
        if labels.min() < 0 or labels.max() >= MOST_CLASSES:
            raise DataError(
                f"{where} has labels from {labels.min()} to {labels.max()}; they lie between 0 and {MOST_CLASSES - 1}."
            )
        return labels

    def _encoded(self, split: str, group: int) -> Any:
        where = f"row group {group} of {self._paths[split]}"
        with _readable(where):
            table = self._files[split].read_row_group(group, columns=[self._image])
            table.validate(full=True)
            column = table.column(self._image).combine_chunks()
            if pa.types.is_struct(column.type):
                column = column.field("bytes")
            if len(column) != self._files[split].metadata.row_group(group).num_rows:
                raise DataError(f"{where} has {len(column)} images, not as many as it says.")
        if not (pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)):
            raise DataError(
                f"column {self._image!r} of {self._paths[split]} is {column.type}; encoded images are needed."
            )
        return column


@contextmanager
def _readable(where: str) -> Iterator[None]:
    """Names what does not read, in whatever way Arrow says so."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, KeyError, OverflowError, MemoryError) as cause:
        raise DataError(f"{where} does not read: {cause}.") from cause


def _class_names(schema: pa.Schema) -> tuple[str, ...]:
    """Class names from the schema's metadata: a list under `classes`, or a `ClassLabel` of the hubs' `features`."""
    metadata = schema.metadata or {}
    for value in metadata.values():
        try:
            found = _find_names(json.loads(value))
        except (ValueError, RecursionError):
            continue
        if found:
            return found
    return ()


def _find_names(value: Any) -> tuple[str, ...]:
    if isinstance(value, list) and value and all(isinstance(name, str) for name in value):
        return tuple(value)
    if isinstance(value, dict):
        if "names" in value:
            return _find_names(value["names"])
        for inner in value.values():
            if found := _find_names(inner) if isinstance(inner, dict) else ():
                return found
    return ()
