"""Columns: the same rows on the device, whether they lie there, are sent through two buffers, or are on the CPU."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from collab.training import columns
from collab.training.columns import Column, Numbers, send_parts
from collab.training.feeds import even_batches, numbered_batches

CPU, GPU = torch.device("cpu"), torch.device("cuda")


class Slow:
    """Copies as late as a GPU may: when somebody waits for the copy, or at the very end."""

    def __init__(self) -> None:
        self.buffers = 0
        self.pending: list[Late] = []

    def buffer(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        self.buffers += 1
        return torch.empty(shape, dtype=dtype)

    def send(self, filled: Tensor) -> tuple[Tensor, "Late"]:
        late = Late(filled)
        self.pending.append(late)
        return late.rows, late


class Late:
    def __init__(self, filled: Tensor) -> None:
        self.filled, self.rows, self.is_done = filled, torch.empty_like(filled), False

    def synchronize(self) -> None:
        if not self.is_done:
            self.rows.copy_(self.filled)
            self.is_done = True


def numbers_of(rows: list[int]) -> Numbers:
    return Numbers(torch.tensor(rows), torch.tensor(rows))


def arrays() -> list[np.ndarray | Tensor]:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 3, 4, 5), dtype=np.uint8)
    return [pixels, np.arange(9), torch.arange(9 * 8).view(9, 2, 2, 2).half(), torch.rand(9, 4)]


def resident(rows: np.ndarray | Tensor, monkeypatch: pytest.MonkeyPatch) -> Column:
    """A column as a GPU holds it, but on the CPU."""
    monkeypatch.setattr(columns, "UPLOAD_ROWS", 4)
    column = Column(rows, CPU)
    column._resident = columns._upload(rows, CPU)
    return column


def streamed(rows: np.ndarray | Tensor, copying: Slow) -> Column:
    column = Column(rows, CPU)
    column._sender = columns._Sender(copying)
    return column


@pytest.mark.parametrize("number", range(4))
def test_rows_are_the_same_resident_streamed_and_on_the_cpu(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, copying = arrays()[number], Slow()
    held, sent, plain = resident(rows, monkeypatch), streamed(rows, copying), Column(rows, CPU)
    given = []
    for asked in ([3, 0, 8], [1, 2, 6], [7, 7], [5, 4, 3]):
        expected = torch.as_tensor(rows)[asked]
        given.append((sent.take(numbers_of(asked)), expected))
        for column in (held, plain):
            taken = column.take(numbers_of(asked))
            assert taken.dtype == expected.dtype
            assert torch.equal(taken, expected)
    for late in copying.pending:  # no buffer was filled anew before its copy was complete
        late.synchronize()
    assert all(torch.equal(taken, expected) for taken, expected in given)
    assert copying.buffers == 2
    assert held.is_resident
    if len(rows.shape) == 4:
        assert held.take(numbers_of([1, 2])).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(("free", "is_resident"), [(1000, True), (999, False)])
def test_what_takes_no_more_than_its_share_of_the_free_memory_is_resident(
    free: int, is_resident: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "free_bytes", lambda device: free)
    monkeypatch.setattr(columns, "CopyStream", lambda device: Slow())
    monkeypatch.setattr(columns, "_upload", lambda rows, device: rows)
    column = Column(torch.zeros(300, dtype=torch.uint8), GPU)
    assert pytest.approx(0.3) == columns.RESIDENT_SHARE
    assert column.is_resident == is_resident


def test_an_order_is_sent_once_and_split_like_the_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Tensor] = []

    def send(rows: Tensor, device: torch.device) -> Tensor:
        sent.append(rows)
        return rows.clone()

    monkeypatch.setattr(columns, "send", send)
    seeded: Callable[[], torch.Generator] = lambda: torch.Generator().manual_seed(1)  # noqa: E731
    batches = list(numbered_batches(10, 4, seeded(), GPU))
    assert [len(batch) for batch in batches] == [4, 3, 3]
    assert len(sent) == 1
    for batch, expected in zip(batches, even_batches(10, 4, seeded()), strict=True):
        assert torch.equal(batch.host, expected)
        assert torch.equal(batch.device, expected)
    assert send_parts([], GPU) == ()


@pytest.mark.parametrize("is_sent", [False, True], ids=["on the cpu", "streamed"])
def test_rows_of_a_large_file_are_asked_for_once_a_pass_in_ascending_windows_ahead_of_their_batch(
    is_sent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[int]] = []
    monkeypatch.setattr(columns, "ask_for", lambda _, rows: asked.append(rows.tolist()))
    monkeypatch.setattr(columns, "AHEAD_BYTES", 8 * 12)
    rows, generator = np.zeros((30, 3, 2, 2), np.uint8), torch.Generator().manual_seed(0)
    column = streamed(rows, Slow()) if is_sent else Column(rows, CPU)
    for length in (30, 30, 5, 5):  # an abandoned pass, whole ones, and some over fewer rows
        column.take(next(numbered_batches(length, 4, generator, CPU)))
        asked.clear()
        dealt, taken = list(numbered_batches(length, 4, generator, CPU)), 0
        for numbers in dealt:
            column.take(numbers)
            assert min(8, length - taken) <= sum(map(len, asked)) - taken <= 16
            taken += len(numbers)
        for window, expected in zip(asked, torch.split(dealt[0].coming, 8), strict=True):
            assert window == sorted(expected.tolist())
