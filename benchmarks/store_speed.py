"""How fast a shard is published, opened with all checks, and loaded, beside a plain copy. For docs/performance.md.

python benchmarks/store_speed.py [--rows 16384] [--repeats 5] [--folder FOLDER]

Everything is played in turn, and medians of the turns count.
"""

import argparse
import hashlib
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from measuring import describe_machine

from collab.store.shards import ShardSpec, open_shard, write_shard

SPEC = ShardSpec((32, 16, 16), "float16", 10, "f" * 64)


def copy(source: Path, target: Path) -> None:
    """A copy as durable as a shard: written in pieces of 4 MiB, then `fsync`."""
    with source.open("rb") as content, target.open("wb") as file:
        while piece := content.read(4 << 20):
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())


def main() -> None:
    """Plays it and prints GB/s of the file, and ratios to the copy."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=16384)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    print(describe_machine())
    x, y = torch.randn(asked.rows, *SPEC.shape), torch.arange(asked.rows) % 10
    batches = list(zip(x.split(256), y.split(256), strict=True))
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        written = write_shard(Path(folder), batches, entity="a1", spec=SPEC)
        content = written.path.read_bytes()
        plays: dict[str, Callable[[], object]] = {
            "copy + fsync": lambda: copy(written.path, Path(folder) / "copy"),
            "publish": lambda: write_shard(Path(folder), batches, entity="a1", spec=SPEC),
            "sha256": lambda: hashlib.sha256(content),
            "open, verified": lambda: open_shard(written.path, written, SPEC),
            "open and load": lambda: open_shard(written.path, written, SPEC).load(),
        }
        walls, cpus = ({name: list[float]() for name in plays} for _ in range(2))
        for _ in range(asked.repeats):
            for name, play in plays.items():
                start, begun = time.perf_counter(), time.process_time()
                play()
                walls[name].append(time.perf_counter() - start)
                cpus[name].append(time.process_time() - begun)
    size, medians = written.bytes / 1e9, {name: statistics.median(walls[name]) for name in plays}
    for name, seconds in medians.items():
        ratio, spent = medians["copy + fsync"] / seconds, statistics.median(cpus[name])
        print(f"| {name} | {size / seconds:.2f} GB/s | {ratio:.2f} of a copy | {spent / size:.2f} CPU-s a GB |")


if __name__ == "__main__":
    main()
