"""Rows of arrays on the device, a batch at a time: resident there where they fit, else sent through pinned memory.

No step waits for the host: it draws what an epoch needs before the epoch begins, and sends it at once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from collab.mapped import ask_for, let_go

RESIDENT_SHARE = 0.3
"""Largest share of the free memory of a GPU that one column may take; a training has two large ones at most."""

UPLOAD_ROWS = 4096
"""Rows that are copied to a GPU at a time while a column becomes resident."""


AHEAD_BYTES = 64 << 20
"""Rows of a large mapped file that are asked for at a time; those of the next one to two times as much are under way.

Enough to keep a disk busy for a second, and small beside the memory that holds what was read.
"""


@dataclass(frozen=True)
class Numbers:
    """Numbers of the rows of a batch, int64 [batch], on the device, and on the host with those that come after them.

    `coming`, int64 [rows]: the batch, and the batches that follow it in its pass.
    """

    coming: Tensor
    device: Tensor

    @property
    def host(self) -> Tensor:
        """Those of the batch."""
        return self.coming[: len(self.device)]

    def __len__(self) -> int:
        return len(self.device)


def send(rows: Tensor, device: torch.device) -> Tensor:
    """`rows` on the device, without waiting for the copy; themselves where they are there."""
    return rows if device.type == "cpu" else rows.pin_memory().to(device, non_blocking=True)


def send_parts(parts: list[Tensor], device: torch.device) -> tuple[Tensor, ...]:
    """Each of `parts` [rows, ...] on the device, all in one copy."""
    if device.type == "cpu" or not parts:
        return tuple(parts)
    return torch.split(send(torch.cat(parts), device), [len(part) for part in parts])


class StoredRows(Protocol):
    """Rows that lie in files and are copied when they are taken, [rows, ...]."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of all rows."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """Of what is taken."""
        ...

    @property
    def nbytes(self) -> int:
        """Bytes of all rows."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Tensor | slice) -> Tensor: ...

    def ask_for(self, rows: np.ndarray) -> None:
        """Has the system read `rows`, ascending, and waits for none."""
        ...


class Column:
    """An array with a value for each row, [rows, ...], of which the rows of a batch are taken on the device.

    A CPU gathers them from the array itself. Of large mapped files, which may be larger than memory, the rows of the
    next batches are asked for ahead, ascending: each pass is a uniform shuffle of all rows, and none waits for its own
    turn of the disk. A GPU has a copy of its own, with the channels of images and maps last, if
    that is at most RESIDENT_SHARE of its free memory; otherwise the rows of each batch are gathered into one of two
    pinned buffers and copied beside the step before. The values are the same in each case.
    """

    def __init__(self, rows: np.ndarray | Tensor | StoredRows, device: torch.device) -> None:
        self._rows, self._device, self._ahead = rows, device, _Ahead(rows)
        self._resident: Tensor | None = None
        self._sender: _Sender | None = None
        if device.type != "cpu":
            if rows.nbytes <= RESIDENT_SHARE * free_bytes(device):
                self._resident = _upload(rows, device)
            else:
                self._sender = _Sender(CopyStream(device))

    @property
    def is_resident(self) -> bool:
        """Whether a GPU holds all of its rows."""
        return self._resident is not None

    def take(self, numbers: Numbers) -> Tensor:
        """The rows of these numbers, [batch, ...], on the device."""
        if self._resident is not None:
            taken = self._resident.index_select(0, numbers.device)
            return taken.permute(0, 3, 1, 2) if taken.ndim == 4 else taken
        self._ahead.ask(numbers)
        if self._sender is not None:
            return self._sender.take(self._rows, numbers.host)
        if not isinstance(self._rows, np.ndarray):
            return self._rows[numbers.host]
        taken = torch.from_numpy(self._rows[numbers.host.numpy()])
        let_go(self._rows)
        return taken


class _Ahead:
    """Asks for rows of a large mapped file before a pass comes to them; the pass gives them in its own order."""

    def __init__(self, rows: np.ndarray | Tensor | StoredRows) -> None:
        self._rows = rows
        self._most = max(1, AHEAD_BYTES // max(1, rows.nbytes // max(1, len(rows))))
        self._left = self._unasked = 0  # rows of the pass: not taken, not asked for

    def ask(self, numbers: Numbers) -> None:
        """Looks how far the pass has come, and asks for more if too little is under way."""
        if isinstance(self._rows, Tensor):
            return
        left = len(numbers.coming)
        if left >= self._left:
            self._unasked = left  # another pass
        self._left = left
        if self._unasked and left - self._unasked < self._most:
            following = numbers.coming[left - self._unasked :][: self._most]
            self._unasked -= len(following)
            ascending = np.sort(following.numpy())
            if isinstance(self._rows, np.ndarray):
                ask_for(self._rows, ascending)
            else:
                self._rows.ask_for(ascending)


def free_bytes(device: torch.device) -> int:
    """Memory that this process can still take of a GPU, within its cap."""
    # by number: torch takes the fraction of a device with one only
    number = torch.cuda.current_device() if device.index is None else device.index
    free, total = torch.cuda.mem_get_info(number)
    allocated, reserved = torch.cuda.memory_allocated(number), torch.cuda.memory_reserved(number)
    cap = int(total * torch.cuda.get_per_process_memory_fraction(number))
    return max(0, min(free + reserved - allocated, cap - allocated))


def _upload(rows: np.ndarray | Tensor | StoredRows, device: torch.device) -> Tensor:
    """All rows on the device; [rows, channels, height, width] as [rows, height, width, channels]."""
    parts = (_copied(rows[start : start + UPLOAD_ROWS]) for start in range(0, len(rows), UPLOAD_ROWS))
    shape = (rows.shape[0], *rows.shape[2:], rows.shape[1]) if len(rows.shape) == 4 else tuple(rows.shape)
    resident, start = torch.empty(0), 0
    for part in parts:
        if not start:
            resident = torch.empty(shape, dtype=part.dtype, device=device)
        there = part.to(device)
        resident[start : start + len(part)] = there.permute(0, 2, 3, 1) if there.ndim == 4 else there
        start += len(part)
    return resident


def _copied(rows: np.ndarray | Tensor) -> Tensor:
    """As a tensor; a copy of an array, which may be a read-only map."""
    return torch.from_numpy(np.array(rows)) if isinstance(rows, np.ndarray) else rows


class _Copying(Protocol):
    """How a buffer reaches the device while others are computed."""

    def buffer(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Memory of the host from which can be copied."""
        ...

    def send(self, filled: Tensor) -> tuple[Tensor, "_Copied"]:
        """A copy of `filled` on the device, and what says when it is complete."""
        ...


class _Copied(Protocol):
    def synchronize(self) -> None:
        """Waits until the buffer may be filled anew."""
        ...


class CopyStream:
    """Copies from pinned memory on a stream of its own, for which the stream that asked waits, and not the host."""

    def __init__(self, device: torch.device) -> None:
        self._device, self._stream = device, torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def buffer(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Pinned memory."""
        return torch.empty(shape, dtype=dtype, pin_memory=True)

    def send(self, filled: Tensor) -> tuple[Tensor, _Copied]:
        """Begins the copy at once, whatever the current stream has still to do."""
        asking = torch.cuda.current_stream(self._device)
        done = torch.cuda.Event()  # type: ignore[no-untyped-call]
        with torch.cuda.stream(self._stream):
            rows = filled.to(self._device, non_blocking=True)
            done.record()
        asking.wait_event(done)
        rows.record_stream(asking)  # its memory came from the other stream, which must not reuse it too early
        return rows, done


class _Sender:
    """Gathers rows into one of two buffers and has them copied, while the other buffer may still be under way."""

    def __init__(self, copying: _Copying) -> None:
        self._copying = copying
        self._buffers: list[Tensor | None] = [None, None]
        self._copied: list[_Copied | None] = [None, None]
        self._turns: Iterator[int] = cycle((0, 1))

    def take(self, rows: np.ndarray | Tensor | StoredRows, numbers: Tensor) -> Tensor:
        """The rows of these numbers, on the device."""
        turn, count = next(self._turns), len(numbers)
        if (copied := self._copied[turn]) is not None:
            copied.synchronize()
        buffer = self._buffers[turn]
        if buffer is None or len(buffer) < count:
            dtype = _copied(rows[:0]).dtype if isinstance(rows, np.ndarray) else rows.dtype
            buffer = self._buffers[turn] = self._copying.buffer((count, *rows.shape[1:]), dtype)
        filled = buffer[:count]
        if isinstance(rows, np.ndarray):
            np.take(rows, numbers.numpy(), axis=0, out=filled.numpy(), mode="clip")  # other modes gather twice
            let_go(rows)
        elif isinstance(rows, Tensor):
            torch.index_select(rows, 0, numbers, out=filled)
        else:
            filled.copy_(rows[numbers])
        sent, self._copied[turn] = self._copying.send(filled)
        return sent
