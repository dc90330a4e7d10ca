"""What files hold, unpack so far that a search for bytes can find it."""

import base64
import io
import mmap
import os
import re
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image
from pyarrow import ipc

from collab.store.files import open_regular
from collab.store.tables import read_parquet

WHOLE = 256 << 20
"""Bytes up to which a file is searched as a whole; of larger ones PIECES evenly spaced pieces are."""

PIECES, PIECE = 64, 4 << 20
_EMBEDDED = re.compile(rb"data:[a-z/+.-]*;base64,([A-Za-z0-9+/=]+)")
_IMAGES = {".png", ".jpg", ".jpeg", ".webp"}


def unpack(path: Path) -> Iterator[np.ndarray]:
    """The bytes of a file, and of what lies packed in it: arrays of .npz, columns of .parquet, images of a page."""
    with suppress(FileNotFoundError):  # a temporary file may go while it is looked for
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            if not size:
                return
            content = np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
        starts = [0] if size <= WHOLE else np.linspace(0, size - PIECE, PIECES).astype(int).tolist()
        for start in starts:
            yield content[start : start + (size if size <= WHOLE else PIECE)]
        if size <= WHOLE:
            with suppress(OSError, ValueError, EOFError, zipfile.BadZipFile, pa.ArrowException):
                yield from _packed(path, content)


def _packed(path: Path, content: np.ndarray) -> Iterator[np.ndarray]:
    if path.suffix == ".npz":
        with zipfile.ZipFile(io.BytesIO(content.tobytes())) as packed:
            for name in packed.namelist():
                yield np.frombuffer(packed.read(name), np.uint8)
    elif path.suffix == ".parquet":
        for column in read_parquet(pa.BufferReader(pa.py_buffer(content))).columns:
            for chunk in column.chunks:
                yield from (np.frombuffer(each, np.uint8) for each in chunk.buffers() if each)
    elif path.suffix == ".html":
        for match in _EMBEDDED.finditer(content.tobytes()):
            yield from _image(base64.b64decode(match[1]))
    elif path.suffix in _IMAGES:
        yield from _image(content.tobytes())


def _image(content: bytes) -> Iterator[np.ndarray]:
    yield np.frombuffer(content, np.uint8)
    with suppress(OSError, Image.DecompressionBombError):  # not an image
        pixels = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
        yield pixels.reshape(-1)
        yield np.ascontiguousarray(pixels.transpose(2, 0, 1)).reshape(-1)


def read_shared_memory(pid: int) -> Iterator[np.ndarray]:
    """What was written to the object store that a process of this user holds, if it is a raylet of Ray; Linux only."""
    folder = Path(f"/proc/{pid}/fd")
    for link in folder.iterdir() if folder.is_dir() and os.access(folder, os.R_OK) else ():
        with suppress(OSError):
            if "/plasma" not in os.readlink(link):
                continue
            descriptor = os.open(link, os.O_RDONLY)
            try:
                end = 0
                while (start := os.lseek(descriptor, end, os.SEEK_DATA)) >= 0:  # ENXIO where nothing follows
                    end = os.lseek(descriptor, start, os.SEEK_HOLE)
                    yield np.frombuffer(os.pread(descriptor, end - start, start), np.uint8)
            finally:
                os.close(descriptor)


def read_batches(path: Path) -> Iterator[np.ndarray]:
    """Features [rows, elements] of each record batch of a shard, as they are stored; mapped, not read."""
    with pa.memory_map(str(path)) as file:
        reader = ipc.open_file(file)
        for number in range(reader.num_record_batches):
            batch = reader.get_batch(number)
            yield batch.column("x").storage.values.to_numpy(zero_copy_only=False).reshape(batch.num_rows, -1)


def read_rows(path: Path, most: int) -> np.ndarray:
    """At most `most` rows of features [n, elements] of a shard, those that `spread` names, as they are stored."""
    with pa.memory_map(str(path)) as file:
        reader = ipc.open_file(file)
        total = sum(reader.get_batch(number).num_rows for number in range(reader.num_record_batches))
    numbers, rows, first = spread(total, most), [], 0
    for batch in read_batches(path):
        inside = numbers[(numbers >= first) & (numbers < first + len(batch))] - first
        rows.append(batch[inside])
        first += len(batch)
    return np.concatenate(rows)


def spread(total: int, most: int) -> np.ndarray:
    """At most `most` numbers below `total`, evenly spaced: which of so many rows are looked for."""
    return np.unique(np.linspace(0, total - 1, min(most, total)).astype(int))
