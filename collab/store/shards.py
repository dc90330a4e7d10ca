"""Shards: one Arrow IPC file of features and labels, written whole, named by its content, and opened with distrust."""

import hashlib
import mmap
import os
from collections.abc import Callable, Iterable, Iterator
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float, Shaped
from pyarrow import ipc
from torch import Tensor

from collab.errors import ShardCorrupt, ShardMissing, StoreError
from collab.mapped import LARGE, ask_for_bytes, let_go
from collab.store.codec import CODECS, encode, is_finite, read_parts, stored_parts
from collab.store.distributions import find_distribution_mistake
from collab.store.files import Hashing, open_regular, place_file
from collab.store.names import check_name
from collab.store.shard_schema import BATCH_ROWS, BATCH_SLACK, FILE_SLACK, IMAGES, Sealed, ShardSpec
from collab.store.written import Written

__all__ = ["BATCH_ROWS", "IMAGES", "Batches", "ShardReader", "ShardSpec", "Written", "open_shard", "write_shard"]

Batches = Iterable[tuple[Float[Tensor, "batch channel height width"], Shaped[Tensor, " batch *numbers"]]]
"""Features and targets, a batch of any size at a time."""

Verified = set[tuple[object, ...]]
"""Files that were verified: path, inode, size, time of change, and what they were verified against."""


def write_shard(folder: Path, batches: Batches, *, entity: str, spec: ShardSpec) -> Written:
    """Writes features of any float type and device, and targets of `spec`, to `<sha256[:16]>.arrow` in `folder`.

    Takes one batch at a time; equal rows give equal bytes however they are cut into batches. Raises StoreError, and
    leaves nothing behind, if there is no row, if a row does not fit `spec`, if a value is not finite or is beyond what
    the stored type can hold, and if the file cannot be written.
    """
    schema = spec.schema(check_name(entity))
    targets = spec.targets
    histogram = np.zeros(targets.bins, dtype=np.int64)

    def write(file: BinaryIO) -> str:
        with Hashing(file) as hashing:
            writer = ipc.new_file(hashing, schema, options=ipc.IpcWriteOptions(compression=None))
            first = 0
            for x, y in _even(batches, entity, spec, hashing.settle):
                writer.write_batch(_record_batch(x, targets.column(y), first, schema, spec))
                histogram[:] += targets.histogram(y)
                first += len(y)
            if not first:
                raise StoreError(f"entity {entity!r} has no row to write; a shard has at least one.")
            writer.close()  # writes the footer; not in a `finally`, where a second failure would hide the first
            return hashing.hexdigest()

    placed = place_file(folder, lambda digest: f"{digest[:16]}.arrow", write, what=f"the shard of entity {entity!r}")
    return Written(placed.path, entity, placed.sha256, int(histogram.sum()), placed.bytes, tuple(histogram.tolist()))


def _even(
    batches: Batches, entity: str, spec: ShardSpec, settle: Callable[[], None]
) -> Iterator[tuple[Tensor, np.ndarray]]:
    """The rows of `batches`, checked and cast, BATCH_ROWS at a time.

    There are two sets of memory in turn, so that one is filled while the other is hashed: what is yielded is
    overwritten after the next is. `settle` waits for the hash.
    """
    memory = [
        (torch.empty((BATCH_ROWS, *spec.shape), dtype=spec.torch_dtype), spec.targets.empty(BATCH_ROWS))
        for _ in range(2)
    ]
    (x, y), spare = memory
    filled = 0
    for features, labels in batches:
        checked, numbers = _check(features.detach(), labels, entity, spec)
        start = 0
        while start < len(numbers):
            count = min(len(numbers) - start, BATCH_ROWS - filled)
            x[filled : filled + count] = checked[start : start + count]
            y[filled : filled + count] = numbers[start : start + count]
            start, filled = start + count, filled + count
            if filled == BATCH_ROWS:
                settle()
                yield x, y
                (x, y), spare, filled = spare, (x, y), 0
    if filled:
        yield x[:filled], y[:filled]


def _check(x: Tensor, labels: Tensor, entity: str, spec: ShardSpec) -> tuple[Tensor, np.ndarray]:
    """One batch, if every row of it fits `spec`; the features are cast to the stored type where they are copied."""
    y = labels.cpu().numpy()
    targets = spec.targets
    if tuple(x.shape) != (*y.shape[:1], *spec.shape) or not x.is_floating_point() or not targets.fits(y):
        kind = f"a list of {spec.classes} floats" if targets.is_list else "an integer"
        raise StoreError(
            f"entity {entity!r} writes {x.dtype} features {tuple(x.shape)} with {y.dtype} labels {y.shape}; "
            f"a shard takes a float row of {spec.shape} and {kind} for each image."
        )
    if mistake := targets.mistake(y) or (find_distribution_mistake(x) if targets.is_row else ""):
        raise StoreError(f"entity {entity!r} writes a row whose {mistake}.")
    if spec.dtype == "bfloat16":
        x = x.to(torch.bfloat16)  # rounding may reach infinity, so the check comes after it
    largest = CODECS[spec.dtype].largest
    if len(y):
        # One pass over the features; a NaN is both the least and the greatest, and fails every comparison.
        low, high = torch.stack(x.aminmax()).tolist()  # one wait for a GPU and not two
        if not (low >= -largest and high <= largest):
            raise StoreError(
                f"features of entity {entity!r} reach {max(abs(low), abs(high)):.6g}; {spec.dtype} holds finite values "
                f"to {largest:.6g}. If finite, take float32; if not, what made them has diverged."
            )
    return x, y


def _record_batch(x: Tensor, y: pa.Array, first: int, schema: pa.Schema, spec: ShardSpec) -> pa.RecordBatch:
    bits, more = encode(x, spec.dtype)
    tensor = schema.field("x").type  # not the type that pyarrow makes of an array: equal to it, but of other bytes
    values = pa.Array.from_buffers(tensor.value_type, bits.size, [None, pa.py_buffer(bits)])
    storage = pa.FixedSizeListArray.from_arrays(values, bits.size // len(y))
    row_id = np.arange(first, first + len(y), dtype=np.int32)
    columns = [pa.ExtensionArray.from_storage(tensor, storage), y, pa.array(row_id)]
    return pa.RecordBatch.from_arrays([*columns, *map(pa.array, more.values())], schema=schema)


class ShardReader:
    """A verified shard of `rows` rows.

    The file is mapped, but only copies are handed out: whoever writes to a mapped tensor is killed without a trace.
    """

    def __init__(self, file: Any, mapped: mmap.mmap, spec: ShardSpec, rows: int, digest: str) -> None:
        self._file, self._mapped = file, mapped
        self._parts = dict[int, tuple[Tensor, ...]]()
        self.spec = spec
        self.rows = rows
        self.digest = digest

    def load(self) -> tuple[Float[Tensor, "rows channel height width"], Shaped[Tensor, " rows *numbers"]]:
        """All rows in the stored type, and their targets: int64 [rows], or fp32 [rows, outputs]."""
        x = torch.empty((self.rows, *self.spec.shape), dtype=self.spec.torch_dtype)
        for batch, start in enumerate(range(0, self.rows, BATCH_ROWS)):
            x[start : start + BATCH_ROWS] = read_parts(self._stored(batch), self.spec.dtype)
            let_go(self._mapped)
        return x, self.targets()

    def take(self, rows: np.ndarray) -> Float[Tensor, "taken channel height width"]:
        """The features of rows by their numbers, int64 [taken], in that order, in the stored type."""
        x = torch.empty((len(rows), *self.spec.shape), dtype=self.spec.torch_dtype)
        for batch, places in _by_batch(rows):
            inside = torch.from_numpy(rows[places] - batch * BATCH_ROWS)
            parts = tuple(part[inside] for part in self._stored(batch))
            x[torch.from_numpy(places)] = read_parts(parts, self.spec.dtype)
        let_go(self._mapped)
        return x

    def targets(self) -> Shaped[Tensor, " rows *numbers"]:
        """The targets of all rows: int64 [rows], or fp32 [rows, outputs]."""
        y = self.spec.targets.room(self.rows)
        for batch, start in enumerate(range(0, self.rows, BATCH_ROWS)):
            rows = y[start : start + BATCH_ROWS]
            rows.copy_(self.spec.targets.tensor(self._file.get_batch(batch).column("y"), len(rows)))
        let_go(self._mapped)
        return y

    def ask_for(self, rows: np.ndarray) -> None:
        """Has the system read the features of `rows`, ascending, where the file is large, and waits for none."""
        for batch, places in _by_batch(rows):
            features = self._stored(batch)[0]
            begin = features.data_ptr() - np.frombuffer(self._mapped, np.uint8).ctypes.data
            row_bytes = features[0].nbytes
            ask_for_bytes(self._mapped, begin + (rows[places] - batch * BATCH_ROWS) * row_bytes, row_bytes)

    def _stored(self, batch: int) -> tuple[Tensor, ...]:
        if batch not in self._parts:
            self._parts[batch] = stored_parts(self._file.get_batch(batch), self.spec.dtype, self.spec.shape)
        return self._parts[batch]


def _by_batch(rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """The record batches that hold `rows`, each with the places in `rows` that are in it."""
    batches = rows // BATCH_ROWS
    order = np.argsort(batches, kind="stable")
    for places in np.split(order, np.flatnonzero(np.diff(batches[order])) + 1):
        if len(places):
            yield int(batches[places[0]]), places


def open_shard(path: Path, record: Sealed, spec: ShardSpec, verified: Verified | None = None) -> ShardReader:
    """Opens a shard that must be what `record` says and fit `spec`; nothing of it is used before all of it is checked.

    In order: a regular file of the right size; its sha256; its schema; no batch that had to be unpacked; in each batch
    the right number of rows, no null, labels in range, features finite. What is in `verified` is not digested again,
    what passes is added. Raises ShardMissing, or ShardCorrupt with the reason.
    """
    try:
        with open_regular(path) as file:
            status = os.fstat(file.fileno())
            _check_size(status.st_size, record, spec)
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        file_state = (path, status.st_ino, status.st_size, status.st_mtime_ns)
        key = (*file_state, record.sha256, record.rows, record.histogram, spec)
        is_new = verified is None or key not in verified
        # Not beside the checks in a thread: they take a sixth of its time, and Arrow would parse altered bytes.
        if is_new and (digest := _digest(mapped)) != record.sha256:
            raise StoreError(f"its sha256 is {digest}, the record says {record.sha256}: it was altered")
        reader = ipc.open_file(pa.BufferReader(pa.py_buffer(mapped)))
        _check_schema(reader.schema, spec.schema(record.entity))
        if is_new:
            _check_rows(reader, mapped, record, spec)
    except FileNotFoundError as error:
        raise ShardMissing(
            f"a shard of entity {record.entity!r} was published, but there is no file {path}."
        ) from error
    except (StoreError, OSError, ValueError, pa.ArrowException) as error:
        raise ShardCorrupt(f"shard {path} of entity {record.entity!r} is refused: {str(error).rstrip('.')}.") from error
    if verified is not None:
        verified.add(key)
    return ShardReader(reader, mapped, spec, record.rows, record.sha256)


def _digest(mapped: mmap.mmap) -> str:
    sha256 = hashlib.sha256()
    for start in range(0, len(mapped), LARGE):
        sha256.update(memoryview(mapped)[start : start + LARGE])
        let_go(mapped)
    return sha256.hexdigest()


def _check_size(size: int, record: Sealed, spec: ShardSpec) -> None:
    least = record.rows * spec.row_bytes
    most = least + FILE_SLACK + BATCH_SLACK * -(-record.rows // BATCH_ROWS) + len(spec.featurizer)
    if size != record.bytes:
        raise StoreError(f"it has {size} bytes, the record says {record.bytes}: it was cut short, or added to")
    if record.rows < 1 or not least <= size <= most:  # before anything is unpacked: a small file may become a large one
        raise StoreError(f"it has {size} bytes, but {record.rows} rows of {spec.row_bytes} take {least} to {most}")


def _check_schema(stored: pa.Schema, expected: pa.Schema) -> None:
    if stored.equals(expected, check_metadata=True):
        return
    there, asked = dict(stored.metadata or {}), dict(expected.metadata)
    unequal = [key.decode(errors="replace") for key in sorted(there | asked) if there.get(key) != asked.get(key)]
    facts = [
        f"{name} is {there.get(name.encode())!r}, expected is {asked.get(name.encode())!r}" for name in unequal[:4]
    ]
    columns = f"its columns are {stored.names} {stored.types}, expected are {expected.types}"
    raise StoreError("; ".join(facts) or columns)


def _check_rows(reader: Any, mapped: mmap.mmap, record: Sealed, spec: ShardSpec) -> None:
    """Checks every batch; `mapped` is the file, which all buffers of an uncompressed shard lie in."""
    targets = spec.targets
    counts = np.zeros(targets.bins, dtype=np.int64)
    before, first, start = -1, 0, np.frombuffer(mapped, np.uint8).ctypes.data
    end = start + len(mapped)
    for number in range(reader.num_record_batches):
        batch = reader.get_batch(number)
        rows = min(BATCH_ROWS, record.rows - first)
        if batch.num_rows != rows or rows < 1:
            raise StoreError(f"batch {number} has {batch.num_rows} rows, expected are {max(rows, 0)}")
        buffers = [buffer for column in batch.columns for buffer in column.buffers() if buffer is not None]
        if any(not start <= buffer.address <= buffer.address + buffer.size <= end for buffer in buffers):
            raise StoreError(f"batch {number} is compressed or does not lie in the file")
        batch.validate(full=True)
        storage = batch.column("x").storage
        if len(storage.values) != rows * prod(spec.shape):
            raise StoreError(f"batch {number} has {len(storage.values)} values, expected are {rows} of {spec.shape}")
        plain = [storage, storage.values, *batch.columns[2:]]
        if any(column.null_count for column in plain) or targets.has_nulls(batch.column("y")):
            raise StoreError(f"batch {number} has nulls")
        labels, row_id = targets.numbers(batch.column("y"), rows), batch.column("row_id").to_numpy()
        if mistake := targets.mistake(labels):
            raise StoreError(mistake)
        if not np.array_equal(row_id, np.arange(first, first + rows)):
            raise StoreError(f"the row numbers of batch {number} do not count on from {first}")
        if not is_finite(batch, spec.dtype):
            raise StoreError(f"features of batch {number} are not finite")
        if targets.is_row:
            if labels[0] <= before or (np.diff(labels) <= 0).any():
                raise StoreError(f"the public rows of batch {number} do not ascend: an image is answered about once")
            answers = read_parts(stored_parts(batch, spec.dtype, spec.shape), spec.dtype)
            if mistake := find_distribution_mistake(answers):
                raise StoreError(f"in batch {number} {mistake}")
            before = int(labels[-1])
        counts += targets.histogram(labels)
        first += rows
        let_go(mapped)
    if first != record.rows or tuple(counts.tolist()) != record.histogram:
        raise StoreError(
            f"it has {first} rows, the record says {record.rows}, or its labels are not those of the record"
        )
