"""How long a training waits for images that are not in memory: rows asked for ahead, and each batch when it is due.

    python benchmarks/cold_images.py [--gigabytes 8] [--side 64] [--turns 3] [--folder FOLDER]

Batches of 256 of one shuffled pass over a mapped file, as a training on the CPU takes them, of which nothing is in the
system's cache when a turn begins. A small file flatters batches that wait: the system reads 128 KiB around each of
their pages, which are there when their turn comes. The last line is with all of it there. For docs/performance.md.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path
from statistics import median
from unittest.mock import patch

import numpy as np
import torch
from measuring import describe_machine

from collab.training import columns
from collab.training.feeds import ImageSet, Pictures, numbered_batches

BATCH, BATCHES = 256, 64


def main() -> None:
    """Reads the command line; both ways take turns."""
    arguments = argparse.ArgumentParser(description="Times batches of images that lie on disk.")
    arguments.add_argument("--gigabytes", type=float, default=8, help="size of the file")
    arguments.add_argument("--side", type=int, default=64, help="of the images, in pixels")
    arguments.add_argument("--turns", type=int, default=3, help="of each way; medians are printed")
    arguments.add_argument("--folder", type=Path, help="on the disk to be measured")
    options = arguments.parse_args()
    print(describe_machine(), flush=True)
    with tempfile.TemporaryDirectory(prefix="collab-cold-", dir=options.folder) as folder:
        file = Path(folder) / "images.npy"
        write_images(file, int(options.gigabytes * 2**30), options.side)
        measure(file, options.turns, is_cold=True)
        np.load(file, mmap_mode="r").max()
        measure(file, options.turns, is_cold=False)


def write_images(file: Path, size: int, side: int) -> None:
    """An array of about `size` bytes of images."""
    block = np.random.default_rng(0).integers(0, 256, (1024, 3, side, side), dtype=np.uint8)
    rows = size // block[0].nbytes
    images = np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=(rows, *block.shape[1:]))
    for start in range(0, rows, len(block)):
        images[start : start + len(block)] = block[: rows - start]
    images.flush()


def measure(file: Path, turns: int, *, is_cold: bool) -> None:
    """Prints microseconds for each image, asked for ahead and not, and their ratio."""
    seconds: dict[bool, list[float]] = {True: [], False: []}
    for turn in range(turns):
        for is_asked in (False, True):
            if is_cold:
                with file.open("rb") as opened:
                    os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            seconds[is_asked].append(take(file, turn, is_asked))
    due, ahead = (median(seconds[is_asked]) / (BATCH * BATCHES) * 1e6 for is_asked in (False, True))
    place = "on disk" if is_cold else "in the cache"
    print(f"{place}: when due {due:.0f} us an image, ahead {ahead:.0f} us, ratio {ahead / due:.2f}", flush=True)


def take(file: Path, seed: int, is_asked: bool) -> float:
    """Seconds that the first batches of a pass take."""
    images = np.load(file, mmap_mode="r")
    pictures = Pictures(ImageSet(images, np.zeros(len(images), np.int64)), torch.device("cpu"))
    dealt = list(numbered_batches(len(images), BATCH, torch.Generator().manual_seed(seed), torch.device("cpu")))
    ask = columns.ask_for if is_asked else lambda _, __: None
    with patch.object(columns, "ask_for", ask):
        start = time.perf_counter()
        for numbers in dealt[:BATCHES]:
            pictures.pixels(numbers)
        return time.perf_counter() - start


if __name__ == "__main__":
    main()
