"""One entity with very many rows: seconds of each stage, and the most memory of each process while it was played.

    nice python benchmarks/million_rows.py [--rows 10000 100000 1000000] [--folder FOLDER]

An entity of N rows of 32 px and a small one, which pre-trains, play on Ray: decode, featurize, poison, publish, refine,
one epoch each, width 4, fp32. The source is a Parquet file of BMPs, made first, since neither drawing nor JPEG is what
is measured. Seconds are those of a core, so that they mean something on a busy machine, and of the clock. Memory is
what is resident, pages of mapped files among it, and of that what is the process's own, looked at five times a second.
For docs/performance.md.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import psutil
from photographs import write_photographs

from collab.runtime.host import Event
from collab.runtime.play import Where, play
from collab.scenario.reader import read_scenario

SMALL = 2000
"""Rows of the entity that pre-trains."""

DRIVER, WHOLE = "driver", "the whole run"


class Watch:
    """Listens to the events of a run of so many rows, looks at the memory of its processes, and prints both."""

    def __init__(self, rows: int) -> None:
        self._rows, self._start = rows, time.monotonic()
        self._peaks: dict[tuple[str, str], tuple[int, int]] = defaultdict(lambda: (0, 0))
        self._processes = {DRIVER: psutil.Process()}
        self._job, self._begun = {DRIVER: WHOLE}, dict[str, float]()
        self._ended = self._start
        self._is_over = threading.Event()
        threading.Thread(target=self._look, daemon=True).start()

    def hear(self, event: Event) -> None:
        """Takes note of which process plays what."""
        who, self._ended = str(event.get("entity")), time.monotonic()
        if event["event"] == "host":
            self._processes[who] = psutil.Process(int(event["pid"]))
        elif event["event"] == "start":
            self._job[who], self._begun[who] = str(event["job"]), self._cpu_of(who)
        elif event["event"] == "done":
            self._print(who, str(event["job"]), self._cpu_of(who) - self._begun[who], float(event["seconds"]))
            self._job[who] = "between stages"

    def stop(self) -> None:
        """Looks no more."""
        self._is_over.set()
        now = time.monotonic()
        self._print(DRIVER, WHOLE, self._cpu_of(DRIVER), now - self._start)
        print(f"after the last stage {now - self._ended:.1f} s; {os.cpu_count()} cores, load {os.getloadavg()[0]:.0f}")

    def _cpu_of(self, who: str) -> float:
        times = self._processes[who].cpu_times()
        return float(times.user + times.system)

    def _print(self, who: str, job: str, cpu: float, seconds: float) -> None:
        resident, own = self._peaks[who, job]
        took = f"{cpu:.1f} | {cpu / self._rows * 1e3:.3f} | {seconds:.1f}"
        print(f"| {self._rows:,} | {who} | {job} | {took} | {resident >> 20:,} | {own >> 20:,} |", flush=True)

    def _look(self) -> None:
        while not self._is_over.wait(0.2):
            for who, process in list(self._processes.items()):
                try:
                    memory = process.memory_info()
                except psutil.Error:
                    continue
                place = who, self._job.get(who, "start")
                resident, own = self._peaks[place]
                self._peaks[place] = max(resident, memory.rss), max(own, memory.rss - memory.shared)


def main() -> None:
    """Reads the command line; each number of rows is played in a fresh process."""
    arguments = argparse.ArgumentParser(description="Plays an entity with very many rows.")
    arguments.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    arguments.add_argument("--folder", type=Path, help="where sources and runs lie; removed afterward")
    arguments.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.one:
        measure(options.rows[0], options.folder)
        return
    print("| rows | process | stage | CPU-s | ms a row | s | resident, MiB | of it its own, MiB |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    if options.folder:
        options.folder.mkdir(parents=True, exist_ok=True)
    for rows in options.rows:
        with tempfile.TemporaryDirectory(prefix="collab-rows-", dir=options.folder) as folder:
            command = [sys.executable, __file__, "--folder", folder, "--rows", str(rows), "--one"]
            subprocess.run(command, check=True)


def measure(rows: int, folder: Path) -> None:
    """Plays `rows` rows in this process and prints what that took."""
    private = rows + SMALL
    parts = [(np.arange(private) % 2, 0), (np.full(512, 2), 1)]
    write_photographs(folder / "train.parquet", parts, 32, "BMP")
    write_photographs(folder / "test.parquet", [(np.arange(768) % 3, 2)], 32, "BMP")
    epoch = {"epochs": 1, "batch_size": 256}
    defense = {"kind": "dpm", "blocks": 1, **epoch}
    (folder / "scenario.yaml").write_text(json.dumps({
        "name": "rows", "about": "One entity with very many rows",
        "data": {
            "source": "parquet", "image_size": 32, "root": str(folder), "train": "train.parquet",
            "test": "test.parquet", "image": "image", "label": "label", "private_classes": ["0", "1"],
            "public_images": 512, "test_images": 512,
        },
        "model": {"backbone": "resnet8", "width": 4, "hook": "conv3_1", "pretrain": {"by": "small", **epoch}},
        "reconstructor": {"kind": "px2s2", **epoch},
        "refine": epoch,
        "entities": [
            {"name": "small", "share": SMALL / private, "defense": defense},
            {"name": "large", "share": rows / private, "defense": defense},
        ],
        "refinements": [{"row": 7, "entity": "large", "own": "features", "pool": ["small"]}],
        "controls": False,
        "precision": "fp32",
    }))  # fmt: skip
    watch = Watch(rows)
    play(read_scenario(folder / "scenario.yaml").scenario, Where("ray", out=folder / "runs"), watch.hear)
    watch.stop()
    shutil.rmtree(folder / "runs")


if __name__ == "__main__":
    main()
