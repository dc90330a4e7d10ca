"""What was read of a large mapped file does not stay in the memory of a process, and what is needed is there early."""

import ctypes
import mmap
import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from collab import mapped
from collab.data.copies import digest_images
from collab.store import shards
from collab.store.shards import ShardSpec, open_shard, write_shard
from collab.training.feeds import ImageSet

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it asks the kernel which pages are there")

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


def cached(images: np.ndarray) -> np.ndarray:
    """Of each of some mapped images whether the system has its first byte in memory; nothing is read."""
    begin = images.ctypes.data // mmap.PAGESIZE * mmap.PAGESIZE
    size = images.ctypes.data + images.nbytes - begin
    pages = np.zeros(-(-size // mmap.PAGESIZE), np.uint8)
    look = ctypes.CDLL(None).mincore
    assert look(ctypes.c_void_p(begin), ctypes.c_size_t(size), ctypes.c_void_p(pages.ctypes.data)) == 0
    firsts = images.ctypes.data - begin + np.arange(len(images)) * images.strides[0]
    return (pages[firsts // mmap.PAGESIZE] & 1).astype(bool)


@pytest.mark.parametrize("is_large", [False, True])
def test_rows_of_a_large_file_are_read_before_they_are_taken(
    is_large: bool, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapped, "LARGE", 1 << 16 if is_large else 1 << 30)
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    images, asked = np.load(file, mmap_mode="r"), np.array([900, 1400])
    if cached(images)[asked].any():
        pytest.skip("this file system keeps all of a file in memory")
    mapped.ask_for(images[100:], asked - 100)  # a part of the file, whose rows are counted from its own first
    end = time.monotonic() + (10 if is_large else 0.1)
    while time.monotonic() < end and not cached(images)[asked].all():
        time.sleep(0.01)
    assert cached(images)[asked].all() == is_large
    assert not cached(images)[[100, 600, 1200, 2000]].any()
