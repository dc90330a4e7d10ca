"""How fast a Parquet file of JPEGs is decoded, beside Pillow's own loop in one process and in two, and in what memory.

    python benchmarks/decode_speed.py [--rows 8192 32768 131072] [--side 64] [--turns 5] [--folder FOLDER]

`ParquetFiles` decodes all rows in order, as an entity that holds all of them does; Pillow's loop is what one would
write by hand, and two of them share the row groups. Each turn is a fresh process. For docs/performance.md.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from io import BytesIO
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from measuring import describe_machine, time_command
from photographs import write_photographs
from PIL import Image
from pyarrow import parquet

from collab.data.parquet import ParquetFiles

WAYS = ("collab", "Pillow", "two Pillows")


def main() -> None:
    """Reads the command line; the ways take turns."""
    arguments = argparse.ArgumentParser(description="Times the decoder beside Pillow's own loop.")
    arguments.add_argument("--rows", type=int, nargs="+", default=[8192, 32768, 131072])
    arguments.add_argument("--side", type=int, default=64, help="of the images, in pixels")
    arguments.add_argument("--turns", type=int, default=5, help="of each way; medians are printed")
    arguments.add_argument("--folder", type=Path, help="where the file lies; removed afterward")
    arguments.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.way:
        print(json.dumps(measure(options.way, options.folder, options.side)))
        return
    print(describe_machine(), flush=True)
    print("| rows | way | images/s | fastest turn | us of a core an image | memory added, MiB |")
    print("|---|---|---|---|---|---|", flush=True)
    for rows in options.rows:
        with tempfile.TemporaryDirectory(prefix="collab-jpegs-", dir=options.folder) as folder:
            for seed, (split, count) in enumerate({"train": rows, "test": 64}.items()):
                write_photographs(Path(folder) / f"{split}.parquet", [(np.zeros(count, np.int64), seed)], options.side)
            compare(rows, folder, options.side, options.turns)


def compare(rows: int, folder: str, side: int, turns: int) -> None:
    """Prints the medians of each way."""
    command = [sys.executable, __file__, "--folder", folder, "--side", str(side), "--way"]
    answers: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    for _ in range(turns):
        for way, before in answers.items():
            before.append(time_command([*command, way]).answer)
    for way, of in answers.items():
        seconds, cpu = ([answer[kind] for answer in of] for kind in ("seconds", "cpu"))
        memory = median(answer["KiB"] for answer in of) / 1024
        rates = f"{rows / median(seconds):,.0f} | {rows / min(seconds):,.0f} | {median(cpu) / rows * 1e6:.0f}"
        print(f"| {rows:,} | {way} | {rates} | {memory:.0f} |", flush=True)


def measure(way: str, folder: Path, side: int) -> dict[str, float]:
    """Decodes the file in one way: seconds of the clock and of a core, and how much memory grew in all processes."""
    file = folder / "train.parquet"
    if way == "two Pillows":
        pool = ProcessPoolExecutor(2, get_context("fork"))
        start, cpu = time.perf_counter(), cpu_seconds()
        with pool:
            grown = sum(pool.map(partial(loop, file), range(2), (2, 2)))
    else:
        start, cpu = time.perf_counter(), cpu_seconds()
        grown = loop(file, 0, 1) if way == "Pillow" else stream(folder, side)
    return {"seconds": time.perf_counter() - start, "cpu": cpu_seconds() - cpu, "KiB": grown}


def stream(folder: Path, side: int) -> int:
    """As the decode stage asks for images; how much memory grew, in KiB."""
    files: dict[str, Any] = {"root": folder, "train": "train.parquet", "test": "test.parquet"}
    before = peak()
    source = ParquetFiles(image_size=side, seed=0, image="image", label="label", **files)
    for _ in source.images("train", np.arange(len(source.labels("train")))):
        pass
    return peak() - before


def loop(file: Path, first: int, step: int) -> int:
    """Every so many row groups, one image after the other; how much memory grew, in KiB."""
    before = peak()
    opened = parquet.ParquetFile(file)
    for group in range(first, opened.num_row_groups, step):
        for batch in opened.iter_batches(64, row_groups=[group], columns=["image"]):
            for cell in batch.column(0):
                with Image.open(BytesIO(cell.as_py())) as picture:
                    np.asarray(picture.convert("RGB"))
    return peak() - before


def peak() -> int:
    """The most memory that this process has had, in KiB."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")  # `ru_maxrss` would count the parent's
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


def cpu_seconds() -> float:
    """Of this process and those that it has waited for."""
    return sum(os.times()[:4])


if __name__ == "__main__":
    main()
