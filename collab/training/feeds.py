"""Batches of rows for the loop: images from an array on disk, features from shards."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from collab.mapped import let_go
from collab.training.columns import Column, Numbers, send_parts

HELD_BYTES = 256 << 20
"""Features of a feed, at most, that are held in memory; of more, each batch is read from the files when it is due."""

_READ_ROWS = 1024
"""Rows that are read at a time into memory."""


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
    """What a feed needs of a shard."""

    rows: int

    def take(self, rows: np.ndarray) -> Tensor:
        """The features of rows by their numbers, int64 [taken], in that order."""
        ...

    def targets(self) -> Tensor:
        """The targets of all rows."""
        ...

    def ask_for(self, rows: np.ndarray) -> None:
        """Has the system read the features of `rows`, ascending, and waits for none."""
        ...


class InMemory:
    """Rows of a tensor and their targets, as a reader."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self._x, self._y, self.rows = x, y, len(x)

    def take(self, rows: np.ndarray) -> Tensor:
        """Some of them."""
        return self._x[torch.from_numpy(rows)]

    def targets(self) -> Tensor:
        """All targets."""
        return self._y

    def ask_for(self, rows: np.ndarray) -> None:
        """Nothing: they are there."""


class Selected:
    """Some rows of a reader, by their numbers, ascending, as a reader of its own."""

    def __init__(self, reader: FeatureReader, rows: np.ndarray) -> None:
        self._reader, self._selected, self.rows = reader, rows, len(rows)

    def take(self, rows: np.ndarray) -> Tensor:
        """Those of the reader."""
        return self._reader.take(self._selected[rows])

    def targets(self) -> Tensor:
        """Those of the selected rows."""
        return self._reader.targets()[torch.from_numpy(self._selected)]

    def ask_for(self, rows: np.ndarray) -> None:
        """Asks the reader."""
        self._reader.ask_for(self._selected[rows])


class OneHot:
    """The rows of a reader of classes, each class as a distribution that is all on it, to stand beside soft labels."""

    def __init__(self, reader: FeatureReader, classes: int) -> None:
        self._reader, self._classes, self.rows = reader, classes, reader.rows
        self.take, self.ask_for = reader.take, reader.ask_for

    def targets(self) -> Tensor:
        """Distributions in fp32, [rows, classes]."""
        return nn.functional.one_hot(self._reader.targets(), self._classes).float()


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
    """Rows of several shards, mixed; a pass gives every row once, in a uniform shuffle of all.

    A set of at most `held_bytes` is read once. Of a larger one the rows of each batch are copied from the mapped files,
    so that it may be larger than memory; the order is the same.

    Each batch goes `through` a module, in the mode that it is in, before it is given.
    """

    readers: Sequence[FeatureReader]
    shape: tuple[int, int, int]
    batch_size: int
    device: torch.device
    dtype: torch.dtype = torch.float16
    held_bytes: int = HELD_BYTES
    through: nn.Module | None = None

    def __post_init__(self) -> None:
        self._stored = _Stored(self.readers, self.shape, self.dtype)
        self.rows = len(self._stored)

    def at(self, rows: np.ndarray) -> "FeatureFeed":
        """A feed of some of its rows, by their numbers, ascending; they are counted from 0 there."""
        parts = [Selected(reader, inside) for reader, _, inside in self._stored.divide(rows)]
        return replace(self, readers=parts)

    @property
    def steps(self) -> int:
        """Optimizer steps of one pass."""
        return steps_in(self.rows, self.batch_size)

    def batches(self, generator: torch.Generator | None) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """One pass: features in fp32 [batch, C, H, W], channels last; targets; row numbers, counted over all readers.

        Without a generator, in the order of the readers. Row numbers are on the host, all else on the device.
        """
        for features, targets, numbers in self._batches(generator):
            yield features, targets, numbers.host

    def beside(self, *others: Taken) -> Callable[[torch.Generator], Iterator[tuple[Tensor, ...]]]:
        """Passes of features and targets, and the values that `others` have for the same rows, all on the device."""

        def batches(generator: torch.Generator) -> Iterator[tuple[Tensor, ...]]:
            for features, targets, numbers in self._batches(generator):
                yield features, targets, *(other.take(numbers) for other in others)

        return batches

    def _batches(self, generator: torch.Generator | None) -> Iterator[tuple[Tensor, Tensor, Numbers]]:
        features, targets = self._columns
        for numbers in numbered_batches(self.rows, self.batch_size, generator, self.device):
            x = features.take(numbers).float()
            if self.through is not None:
                with torch.no_grad():
                    x = self.through(x)
            yield x.contiguous(memory_format=torch.channels_last), targets.take(numbers), numbers

    @cached_property
    def _columns(self) -> tuple[Column, Column]:
        is_held = self._stored.nbytes <= self.held_bytes
        features = self._stored.load() if is_held else self._stored
        targets = torch.cat([reader.targets() for reader in self.readers])
        return Column(features, self.device), Column(targets, self.device)


class _Stored:
    """The features of several readers, one after the other, as rows of one array."""

    def __init__(self, readers: Sequence[FeatureReader], shape: tuple[int, int, int], dtype: torch.dtype) -> None:
        self._readers, self.dtype = readers, dtype
        self._ends = np.cumsum([reader.rows for reader in readers])
        self.shape = (int(self._ends[-1]), *shape)

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def nbytes(self) -> int:
        """Bytes of all rows."""
        return math.prod(self.shape) * self.dtype.itemsize

    def load(self) -> Tensor:
        """All rows, read some at a time, so that nothing but they themselves takes memory."""
        rows = torch.empty(self.shape, dtype=self.dtype)
        for start in range(0, len(self), _READ_ROWS):
            rows[start : start + _READ_ROWS] = self[start : start + _READ_ROWS]
        return rows

    def __getitem__(self, rows: Tensor | slice) -> Tensor:
        numbers = np.arange(len(self))[rows] if isinstance(rows, slice) else rows.numpy()
        taken = torch.empty((len(numbers), *self.shape[1:]), dtype=self.dtype)
        for reader, places, inside in self.divide(numbers):
            taken[places] = reader.take(inside).to(self.dtype)
        return taken

    def ask_for(self, rows: np.ndarray) -> None:
        """Has the system read `rows`, ascending."""
        for reader, _, inside in self.divide(rows):
            reader.ask_for(inside)

    def divide(self, rows: np.ndarray) -> Iterator[tuple[FeatureReader, np.ndarray, np.ndarray]]:
        """The readers that hold `rows`, each with the places in `rows` that are its own, and their numbers there."""
        owners = np.searchsorted(self._ends, rows, side="right")
        for number, reader in enumerate(self._readers):
            if len(places := np.flatnonzero(owners == number)):
                yield reader, places, rows[places] - (self._ends[number] - reader.rows)
