"""Batches of rows for the loop: images from an array on disk, features from shards window by window."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from collab.mapped import let_go
from collab.training.columns import Column, Numbers, send_parts

WINDOW_BYTES = 2 << 30
"""Features held in memory at a time; smaller sets are read once and shuffled as a whole."""


@dataclass(frozen=True)
class ImageSet:
    """Images of one holder: uint8 [rows, 3, side, side], perhaps a memory map, and what the task asks of each.

    `labels` are int64 [rows] of classes, or fp32 [rows, outputs] of other tasks, where `groups`, int64 [rows], have the
    class that an image is of all the same.
    """

    images: np.ndarray
    labels: np.ndarray
    groups: np.ndarray | None = None

    @property
    def classes(self) -> np.ndarray:
        """The class of each image, int64 [rows], whatever the task."""
        return self.labels if self.groups is None else self.groups

    def __len__(self) -> int:
        return len(self.labels)

    def at(self, rows: np.ndarray | slice) -> "ImageSet":
        """The images of `rows`, in that order."""
        groups = None if self.groups is None else self.groups[rows]
        return ImageSet(self.images[rows], self.labels[rows], groups)

    def first(self, share: float) -> "ImageSet":
        """The first `share` of them, in (0, 1], one at least."""
        return self.at(slice(max(1, round(share * len(self)))))

    def take(self, rows: np.ndarray, device: torch.device) -> Tensor:
        """The images of `rows` as float in [0, 1], channels last, on `device`."""
        pixels = torch.from_numpy(self.images[rows])
        let_go(self.images)
        return as_pictures(pixels.to(device))


def as_pictures(pixels: Tensor) -> Tensor:
    """uint8 [batch, 3, height, width] as float in [0, 1], channels last."""
    return pixels.float().div_(255).contiguous(memory_format=torch.channels_last)


class Taken(Protocol):
    """Anything that has a value for each row of a set."""

    def take(self, numbers: Numbers) -> Tensor:
        """The values of these rows, [batch, ...], on the device."""
        ...


class Pictures:
    """The images of a set as a training asks for them, batch by batch, on the device."""

    def __init__(self, images: ImageSet, device: torch.device) -> None:
        self._pixels = Column(images.images, device)

    def pixels(self, numbers: Numbers) -> Tensor:
        """Images of these rows as they are kept: uint8 [batch, 3, height, width]."""
        return self._pixels.take(numbers)

    def take(self, numbers: Numbers) -> Tensor:
        """Images of these rows as float in [0, 1], channels last."""
        return as_pictures(self._pixels.take(numbers))


class FeatureReader(Protocol):
    """What a feed needs of a shard: its size and a copy of one record batch."""

    rows: int
    batches: int
    batch_rows: int

    def read_into(self, x: Tensor, y: Tensor, batch: int, at: int) -> int:
        """Copies record batch `batch` to `x[at:]`, `y[at:]` and says how many rows it had."""
        ...


class InMemory:
    """Rows of a tensor and their labels, as a reader."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self._x, self._y = x, y
        self.rows = self.batch_rows = len(x)
        self.batches = 1

    def read_into(self, x: Tensor, y: Tensor, batch: int, at: int) -> int:
        """Copies all rows."""
        x[at : at + self.rows].copy_(self._x)
        y[at : at + self.rows].copy_(self._y)
        return self.rows


class Selected:
    """Some rows of a reader, by their numbers, ascending, as a reader of its own with batches of the same size."""

    def __init__(self, reader: FeatureReader, rows: np.ndarray) -> None:
        self._reader, self._wanted = reader, rows
        self.rows, self.batch_rows = len(rows), reader.batch_rows
        self.batches = steps_in(self.rows, self.batch_rows)

    def read_into(self, x: Tensor, y: Tensor, batch: int, at: int) -> int:
        """Copies the batch from those of the reader that have its rows, each read once."""
        wanted = self._wanted[batch * self.batch_rows : (batch + 1) * self.batch_rows]
        whole_x, whole_y = (part.new_empty((self.batch_rows, *part.shape[1:])) for part in (x, y))
        end = at
        for source in np.unique(wanted // self.batch_rows):
            self._reader.read_into(whole_x, whole_y, int(source), 0)
            here = torch.from_numpy(wanted[wanted // self.batch_rows == source] % self.batch_rows)
            start, end = end, end + len(here)
            x[start:end], y[start:end] = whole_x[here], whole_y[here]
        return end - at


def steps_in(rows: int, batch_size: int) -> int:
    """Batches that one pass over `rows` takes."""
    return math.ceil(rows / batch_size)


def even_batches(rows: int, batch_size: int, generator: torch.Generator | None) -> Iterator[Tensor]:
    """One pass over `rows`, every row once, in batches that differ by at most one row, so that no tiny tail remains."""
    order = torch.randperm(rows, generator=generator) if generator else torch.arange(rows)
    yield from torch.tensor_split(order, steps_in(rows, batch_size))


def numbered_batches(
    rows: int, batch_size: int, generator: torch.Generator | None, device: torch.device
) -> Iterator[Numbers]:
    """`even_batches` on the host and on the device, which is sent the order of the whole pass at once."""
    parts = list(even_batches(rows, batch_size, generator))
    coming = torch.cat(parts)
    for there in send_parts(parts, device):
        yield Numbers(coming, there)
        coming = coming[len(there) :]


@dataclass
class FeatureFeed:
    """Rows of several shards, mixed; a pass gives every row once.

    A set that fits into `window_bytes` is read once, and each pass is a uniform shuffle of it. Of a larger one, all
    record batches (256 rows of one shard) are put in random order; as many as the staging buffer holds are copied
    there, their rows shuffled and given, then the next. Any two rows can meet in a batch, but not equally often: of R
    record batches, M in the buffer, two rows of the same one are (R - 1) / (M - 1) times as often together as others.

    Each batch goes `through` a module, in the mode that it is in, before it is given.
    """

    readers: Sequence[FeatureReader]
    shape: tuple[int, int, int]
    batch_size: int
    device: torch.device
    dtype: torch.dtype = torch.float16
    window_bytes: int = WINDOW_BYTES
    through: nn.Module | None = None
    label_shape: tuple[int, ...] = ()
    label_dtype: torch.dtype = torch.int64

    def __post_init__(self) -> None:
        self.rows = sum(reader.rows for reader in self.readers)
        row_bytes = math.prod(self.shape) * self.dtype.itemsize
        self._widest = max(reader.batch_rows for reader in self.readers)
        self._capacity = min(self.rows, max(self.window_bytes // row_bytes, 2 * self._widest))
        self._x = torch.empty((self._capacity, *self.shape), dtype=self.dtype)
        self._y = torch.empty((self._capacity, *self.label_shape), dtype=self.label_dtype)
        self._row = torch.empty(self._capacity, dtype=torch.int64)
        self._whole: _Window | None = None
        self._first_row = [int(start) for start in np.cumsum([0, *(reader.rows for reader in self.readers)])]

    def at(self, rows: np.ndarray) -> "FeatureFeed":
        """A feed of some of its rows, by their numbers, ascending; they are counted from 0 there."""
        parts = [
            Selected(reader, rows[(rows >= first) & (rows < first + reader.rows)] - first)
            for reader, first in zip(self.readers, self._first_row, strict=False)
        ]
        return replace(self, readers=[part for part in parts if part.rows])

    @property
    def steps(self) -> int:
        """Optimizer steps of one pass; a set of several windows may take one more for each window."""
        return steps_in(self.rows, self.batch_size)

    def batches(self, generator: torch.Generator | None) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """One pass: features in fp32 [batch, C, H, W], channels last; labels; row numbers, counted over all readers.

        Row numbers are on the host, all else on the device.
        """
        for features, labels, numbers in self._batches(generator):
            yield features, labels, numbers.host

    def beside(self, *others: Taken) -> Callable[[torch.Generator], Iterator[tuple[Tensor, ...]]]:
        """Passes of features and labels, and the values that `others` have for the same rows, all on the device."""

        def batches(generator: torch.Generator) -> Iterator[tuple[Tensor, ...]]:
            for features, labels, numbers in self._batches(generator):
                yield features, labels, *(other.take(numbers) for other in others)

        return batches

    def _batches(self, generator: torch.Generator | None) -> Iterator[tuple[Tensor, Tensor, Numbers]]:
        for columns in self._windows(generator):
            dealt = list(numbered_batches(columns.rows, self.batch_size, generator, self.device))
            coming = self._row[dealt[0].coming]
            for places in dealt:
                x = columns.features.take(places).float()
                if self.through is not None:
                    with torch.no_grad():
                        x = self.through(x)
                numbers = Numbers(coming, columns.numbers.take(places))
                coming = coming[len(places) :]
                yield x.contiguous(memory_format=torch.channels_last), columns.labels.take(places), numbers

    def _windows(self, generator: torch.Generator | None) -> Iterator["_Window"]:
        """Fills the staging buffer again and again until all rows were in it once; yields what it holds."""
        windows = [(shard, batch) for shard, reader in enumerate(self.readers) for batch in range(reader.batches)]
        if self._capacity == self.rows:
            if self._whole is None:
                self._whole = self._window(self._fill(windows))
            yield self._whole
            return
        if generator:
            windows = [windows[i] for i in torch.randperm(len(windows), generator=generator).tolist()]
        per_fill = self._capacity // self._widest
        for start in range(0, len(windows), per_fill):
            yield self._window(self._fill(windows[start : start + per_fill]))

    def _window(self, rows: int) -> "_Window":
        return _Window(rows, *(Column(part[:rows], self.device) for part in (self._x, self._y, self._row)))

    def _fill(self, windows: Sequence[tuple[int, int]]) -> int:
        at = 0
        for shard, batch in windows:
            reader = self.readers[shard]
            count = reader.read_into(self._x, self._y, batch, at)
            first = self._first_row[shard] + batch * reader.batch_rows
            self._row[at : at + count] = torch.arange(first, first + count)
            at += count
        return at


@dataclass(frozen=True)
class _Window:
    """The rows that the staging buffer holds: their features, labels and numbers."""

    rows: int
    features: Column
    labels: Column
    numbers: Column
