"""What was read of a large mapped file does not stay in the memory of the process."""

import sys
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
