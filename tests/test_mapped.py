"""What was read of a large mapped file does not stay in the memory of a process, and what is needed is there early."""

import mmap
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from collab import mapped
from collab.data.copies import digest_images
from collab.store import shards
from collab.store.shards import ShardSpec, open_shard, write_shard
from collab.training.feeds import FeatureFeed, ImageSet

SIDE, ROWS = 16, 2048


def resident(path: Path) -> int:
    """KiB of a mapped file in this process's memory."""
    lines = Path("/proc/self/smaps").read_text().splitlines()
    at = [number for number, line in enumerate(lines) if line.endswith(str(path))]
    return sum(int(next(line for line in lines[number:] if line.startswith("Rss:")).split()[1]) for number in at)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    np.save(tmp_path / "images.npy", np.random.default_rng(0).integers(0, 256, (ROWS, 3, SIDE, SIDE), dtype=np.uint8))
    return tmp_path / "images.npy"


@pytest.mark.parametrize("how", ["taken", "digested"])
@pytest.mark.parametrize("is_large", [False, True])
def test_images_that_were_read_stay_in_memory_only_if_their_file_is_small(
    how: str, is_large: bool, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapped, "LARGE", 1 << 16 if is_large else 1 << 30)
    images = np.load(file, mmap_mode="r")
    if how == "taken":
        some = ImageSet(images, np.zeros(ROWS, np.int64)).take(np.arange(ROWS), torch.device("cpu"))
        np.testing.assert_array_equal((some * 255).round().numpy(), np.load(file))
    else:
        assert digest_images(images) == digest_images(np.load(file))
    assert resident(file) < 100 if is_large else resident(file) >= ROWS * 3 * SIDE**2 >> 10


def test_changes_that_lie_in_memory_alone_stay_there(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped, "LARGE", 0)
    images = np.load(file, mmap_mode="c")
    images[:] = 7
    mapped.let_go(images[5:])
    assert (images == 7).all()


def test_a_large_shard_is_checked_and_loaded_without_staying_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (mapped, shards):
        monkeypatch.setattr(module, "LARGE", 1 << 18)
    spec = ShardSpec((8, 16, 16), "float16", 10, "f" * 64)
    x, y = torch.randn(1000, *spec.shape), torch.arange(1000) % 10
    written = write_shard(tmp_path, [(x, y)], entity="a1", spec=spec)
    reader = open_shard(written.path, written, spec)
    assert resident(written.path) < 100  # of 4,000; the end of the file has been read since
    read, labels = reader.load()
    assert resident(written.path) < 100
    assert torch.equal(read, x.half())
    assert torch.equal(labels, y)
    feed = FeatureFeed([reader], (8, 16, 16), 64, torch.device("cpu"), held_bytes=0)
    for features, _, rows in feed.batches(torch.Generator().manual_seed(0)):
        assert torch.equal(features, read[rows].float())
        assert resident(written.path) < 100


class Watched(mmap.mmap):
    """A mapped file that keeps what the system is asked to read: where it begins, and how many bytes."""

    asked: ClassVar[list[tuple[int, int]]] = []

    def madvise(self, option: int, start: int = 0, length: int = 0) -> None:  # type: ignore[override]
        assert option == mmap.MADV_WILLNEED
        super().madvise(option, start, length)  # raises where the file has no such bytes
        self.asked.append((start, length))


@pytest.mark.parametrize("is_large", [False, True])
def test_of_a_large_file_the_pages_of_rows_are_asked_for_and_no_others(
    is_large: bool, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapped, "LARGE", 1 << 16 if is_large else 1 << 30)
    monkeypatch.setattr(Watched, "asked", [])
    with file.open("rb") as opened:
        whole = Watched(opened.fileno(), 0, access=mmap.ACCESS_READ)
    head, row_bytes = len(whole) - ROWS * 3 * SIDE**2, 3 * SIDE**2
    images = np.ndarray((ROWS, 3, SIDE, SIDE), np.uint8, whole, head)
    rows = np.array([0, 900, ROWS - 101])
    mapped.ask_for(images[100:], rows)  # a part of the file, whose rows are counted from its own first
    begins = [head + (100 + row) * row_bytes for row in rows.tolist()]
    pages = [begin // mmap.PAGESIZE * mmap.PAGESIZE for begin in begins]
    expected = [(page, begin + row_bytes - page) for page, begin in zip(pages, begins, strict=True)]
    assert Watched.asked == (expected if is_large else [])
