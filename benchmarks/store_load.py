"""64 entities publish at once while 64 read: what of it arrives, and how fast. Prints a line of docs/reliability.md.

python benchmarks/store_load.py [--entities 64] [--readers 64] [--shards 4] [--rows 512]

Every eighth shard that is offered is bad (a NaN, or a label out of range) and must be refused; every reader must end
with exactly the good ones, each read to its last row, while they are being written.
"""

import argparse
import multiprocessing
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from collab.errors import StoreError
from collab.store.shards import ShardSpec
from collab.store.store import Store

PATIENCE = 900
"""Seconds: on two busy cores each of 128 processes gets its turn rarely."""

SPEC = ShardSpec((32, 8, 8), "float16", 10, "f" * 64)


def shard(entity: int, number: int, rows: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows that no other shard has."""
    generator = torch.Generator().manual_seed(entity * 1000 + number)
    return torch.randn(rows, *SPEC.shape, generator=generator), torch.randint(0, 10, (rows,), generator=generator)


def is_bad(entity: int, number: int, shards: int) -> bool:
    """Whether that shard is one that has to be refused."""
    return (entity * shards + number) % 8 == 7


def publish(root: Path, entity: int, shards: int, rows: int, start: Any, told: Any) -> None:
    """Publishes all shards of one entity."""
    store, refused = Store(root), 0
    start.wait()
    for number in range(shards):
        x, y = shard(entity, number, rows)
        if is_bad(entity, number, shards):
            if number % 2:
                x[-1, 0, 0, 0] = float("nan")
            else:
                y[-1] = 10
        try:
            store.publish(f"e{entity:03d}", [(x, y)], SPEC, run="load")
        except StoreError:
            refused += 1
    told.put(("refused", refused, 0))


def read(root: Path, wanted: int, start: Any, told: Any) -> None:
    """Reads everything, as it appears, until all that is wanted was seen or nothing new comes for PATIENCE seconds."""
    store, seen, size = Store(root), set[str](), 0
    start.wait()
    last = time.monotonic()
    while len(seen) < wanted and time.monotonic() - last < PATIENCE:
        for record in store.records():
            if record.sha256 not in seen:
                x, _ = store.open(record, SPEC).load()
                assert bool(x.isfinite().all())
                seen.add(record.sha256)
                size += record.bytes
                last = time.monotonic()
        time.sleep(0.05)
    told.put(("read", len(seen), size))


def main() -> None:
    """Plays it and prints the figures."""
    parser = argparse.ArgumentParser()
    for name, value in (("entities", 64), ("readers", 64), ("shards", 4), ("rows", 512)):
        parser.add_argument(f"--{name}", type=int, default=value)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    bad = sum(is_bad(entity, n, asked.shards) for entity in range(asked.entities) for n in range(asked.shards))
    wanted = asked.entities * asked.shards - bad
    processes = multiprocessing.get_context("fork")  # 128 imports of torch would take most of a machine's memory
    with tempfile.TemporaryDirectory() as folder:
        root, start, told = Path(folder) / "store", processes.Event(), processes.Queue()
        root.mkdir()
        jobs = [
            processes.Process(target=publish, args=(root, entity, asked.shards, asked.rows, start, told))
            for entity in range(asked.entities)
        ]
        jobs += [processes.Process(target=read, args=(root, wanted, start, told)) for _ in range(asked.readers)]
        for job in jobs:
            job.start()
        began = time.perf_counter()
        start.set()
        answers = [told.get(timeout=2 * PATIENCE) for _ in jobs]
        seconds = time.perf_counter() - began
        for job in jobs:
            job.join()
        records = Store(root).records()
        problems = [finding.problem for finding in Store(root).verify() if finding.problem]
    refused = sum(count for kind, count, _ in answers if kind == "refused")
    seen = [count for kind, count, _ in answers if kind == "read"]
    size = sum(each for kind, _, each in answers if kind == "read")
    published = sum(record.bytes for record in records)
    lost = max(wanted - len(records), 0) + sum(wanted - count for count in seen)
    doubled = len(records) - len({record.sha256 for record in records})
    print(
        f"| {asked.entities} publish, {asked.readers} read | {len(records)} | {published / 1e6:.0f} MB | "
        f"{size / 1e9:.1f} GB | {refused} of {bad} | {lost} | {doubled} | {len(problems)} | {seconds:.1f} s |"
    )
    assert lost == doubled == len(problems) == 0
    assert refused == bad


if __name__ == "__main__":
    main()
