"""MedMNIST as the `medmnist` package keeps it: one .npz file of arrays for each set and size."""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from jaxtyping import Int64, UInt8
from numpy.lib import format as npy

from collab.data.decoding import Encoded, decode_all, digest_files
from collab.data.source import Source, Split
from collab.errors import DataError

_PIECES: dict[Split, tuple[str, ...]] = {"train": ("train", "val"), "test": ("test",)}
"""Which arrays are read; images for validation are training images, as nothing is chosen by them."""

_DAMAGED = (zipfile.BadZipFile, zlib.error)
_MOST_ROWS = 1 << 26  # what an archive may say that it has; its few bytes could unfold to any number
_MOST_PIXELS = 1 << 20  # of one image


# Not the package: it comes with six others, and reads an array whole, which of 224 px may have 12 GB.
class MedMnist(Source):
    """`root/<name>.npz`, in which `train_images` and the like are uint8 [rows, high, wide] or [rows, high, wide, 3].

    A label is a number, and names its class. Images are read in the order of the file, one at a time, so that none lie
    in memory but those asked for; ascending rows read an array once, other orders for each run of its rows.
    """

    def __init__(self, *, image_size: int, seed: int, root: str | Path, name: str) -> None:
        self._side, self._path = image_size, Path(root) / f"{name}.npz"
        with self._readable(), zipfile.ZipFile(self._path) as archive:
            labels = {split: [self._read_labels(archive, piece) for piece in _PIECES[split]] for split in _PIECES}
        self._counts = {split: [len(part) for part in parts] for split, parts in labels.items()}
        self._labels = {split: np.concatenate(parts) for split, parts in labels.items()}
        there = np.unique(self._labels["train"]).tolist()
        if there != list(range(len(there))) or not set(self._labels["test"].tolist()) <= set(there):
            raise DataError(f"{self._path}: each class, numbered from 0 without gaps, must have a training image.")
        self.classes = tuple(map(str, there))

    def labels(self, split: Split) -> Int64[np.ndarray, " rows"]:
        """The label of every row."""
        return self._labels[split]

    def images(self, split: Split, rows: np.ndarray) -> Iterator[UInt8[np.ndarray, "batch 3 side side"]]:
        """Reads and resizes `rows`."""
        return decode_all(self._read_images(split, rows), self._side)

    def digest(self) -> str:
        """Identity of the file."""
        return digest_files("medmnist", [self._side], [self._path])

    def _read_labels(self, archive: zipfile.ZipFile, piece: str) -> Int64[np.ndarray, " rows"]:
        """One label for each image of a piece."""
        with _open_array(archive, f"{piece}_images") as (_, shape, dtype):
            if dtype != np.uint8 or not (len(shape) == 3 or (len(shape) == 4 and shape[3] == 3)):
                raise DataError(
                    f"`{piece}_images` of {self._path} is {dtype} {list(shape)}; images are uint8 [rows, high, wide] "
                    "or [rows, high, wide, 3]. Sets of volumes are not read."
                )
            if not 0 < shape[0] <= _MOST_ROWS or not 0 < shape[1] * shape[2] <= _MOST_PIXELS:
                raise DataError(f"`{piece}_images` of {self._path} is of {list(shape)}: too many, too large, or none.")
        with _open_array(archive, f"{piece}_labels") as (content, labels, kind):
            if labels not in ((shape[0],), (shape[0], 1)) or kind.kind not in "iu":
                raise DataError(
                    f"`{piece}_labels` of {self._path} is {kind} {list(labels)}; it must hold one whole number for "
                    f"each of {shape[0]:,} images. A set with several labels for an image has no classes."
                )
            return np.frombuffer(_read(content, shape[0] * kind.itemsize), kind).astype(np.int64)

    def _read_images(self, split: Split, rows: np.ndarray) -> Iterator[Encoded]:
        starts = np.cumsum([0, *self._counts[split]])
        pieces = np.searchsorted(starts, rows, side="right") - 1
        ends_run = (np.diff(rows) < 0) | (np.diff(pieces) != 0)
        with self._readable(), zipfile.ZipFile(self._path) as archive:
            for run in np.split(np.arange(len(rows)), np.flatnonzero(ends_run) + 1) if len(rows) else ():
                number = int(pieces[run[0]])
                name = f"{_PIECES[split][number]}_images"
                with _open_array(archive, name) as (content, shape, _):
                    size, at, pixels = int(np.prod(shape[1:])), -1, b""
                    for row in (rows[run] - starts[number]).tolist():
                        for _ in range(at, row):
                            pixels = _read(content, size)
                        at = row
                        yield np.frombuffer(pixels, np.uint8).reshape(shape[1:]), f"row {row} of {name} in {self._path}"

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except (*_DAMAGED, OSError, EOFError, KeyError, ValueError, SyntaxError, MemoryError, RuntimeError) as cause:
            raise DataError(f"{self._path} is no readable file of MedMNIST: {cause}.") from cause


@contextmanager
def _open_array(archive: zipfile.ZipFile, name: str) -> Iterator[tuple[IO[bytes], tuple[int, ...], np.dtype]]:
    """The content of an array after its head, its shape and its type."""
    if archive.getinfo(f"{name}.npy").compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"`{name}` is packed as no program of MedMNIST does it")
    with archive.open(f"{name}.npy") as content:
        read_head = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[npy.read_magic(content)]
        shape, is_fortran, dtype = read_head(content)
        if is_fortran or dtype.hasobject:
            raise ValueError(f"`{name}` holds {'objects' if dtype.hasobject else 'columns first'}")
        yield content, shape, dtype


def _read(content: IO[bytes], count: int) -> bytes:
    part = content.read(count)
    if len(part) != count:
        raise EOFError("it ends too soon")
    return part
