"""What a sweep saves over separate runs, and whether its memory stays flat, measured on this machine.

    python benchmarks/sweep_cost.py [--scenario FILE] [--seeds N] [--cells N] [--set path=value ...]

For docs/performance.md.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
from measuring import describe_machine

from collab.runtime.host import Event
from collab.runtime.play import Where
from collab.runtime.sweep import sweep
from collab.scenario.sweep import read_sweep

COLLAB = [sys.executable, "-m", "collab"]
SIZES = (0.05, 0.1, 0.15, 0.2)


def main() -> None:
    """Reads the command line."""
    arguments = argparse.ArgumentParser(description="Times a sweep against separate runs; watches the memory of one.")
    arguments.add_argument("--scenario", type=Path, default=Path("scenarios/tiny.yaml"), help="what is swept")
    arguments.add_argument("--seeds", type=int, default=3, help="seeds of each of four subset sizes")
    arguments.add_argument("--cells", type=int, default=100, help="cells of the memory measurement; 0 leaves it out")
    arguments.add_argument("--set", action="append", default=[], metavar="PATH=VALUE", help="as of `collab run`")
    given = arguments.parse_args()
    print(describe_machine(), flush=True)
    measure_saving(given.scenario, given.seeds, given.set)
    if given.cells:
        measure_memory(given.scenario, given.cells, given.set)


def measure_saving(scenario: Path, seeds: int, overrides: Sequence[str]) -> None:
    """Times one sweep of four subset sizes and `seeds` seeds, then as many fresh runs of its cells, one by one."""
    axis = "entities.*.share"
    sets = [part for override in overrides for part in ("--set", override)]
    with tempfile.TemporaryDirectory(prefix="collab-bench-") as out:
        vary = ["--vary", f"{axis}={','.join(map(str, SIZES))}", "--seeds", str(seeds)]
        swept = _timed([*COLLAB, "sweep", str(scenario), *sets, *vary, "--out", f"{out}/sweep"])
        print(f"one sweep of {len(SIZES)} sizes and {seeds} seeds  {swept:8.1f} s")
        single = []
        for size in SIZES:
            for seed in range(seeds):
                cell = ["--set", f"{axis}={size}", "--seed", str(seed), "--out", f"{out}/{size}-{seed}"]
                single.append(_timed([*COLLAB, "run", str(scenario), *sets, *cell]))
    total = sum(single)
    print(f"{len(single)} separate fresh runs            {total:8.1f} s  (median {statistics.median(single):.1f} s)")
    print(f"ratio                              {swept / total:8.2f}")


def measure_memory(scenario: Path, cells: int, overrides: Sequence[str]) -> None:
    """Plays `cells` seeds of `scenario` in one sweep on Ray and prints resident memory after each tenth of them."""
    spec, all_cells = read_sweep(scenario, seeds=cells, overrides=overrides)
    driver, session = list[int](), list[int]()

    def sample(event: Event) -> None:
        if event["event"] == "cell_done":
            process = psutil.Process()
            driver.append(process.memory_info().rss)
            session.append(sum(_rss(child) for child in process.children(recursive=True)))

    with tempfile.TemporaryDirectory(prefix="collab-bench-") as out:
        swept = sweep(spec, all_cells, Where(out=Path(out), plugins=all_cells[0].plugins), sample)
    if swept.failures:
        sys.exit(f"{len(swept.failures)} cells failed: {swept.failures[0].reason}")
    print(f"{cells} cells in {swept.seconds:.0f} s; resident memory in MB, medians over tenths of the sweep")
    width = max(1, cells // 10)
    for name, found in (("driver", driver), ("Ray session", session)):
        parts = [statistics.median(found[at : at + width]) / 1e6 for at in range(0, len(found), width)]
        told = " ".join(f"{part:7.0f}" for part in parts)
        print(f"{name:12} {told}   last over second tenth {parts[-1] / parts[1]:.3f}")


def _rss(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _timed(command: list[str]) -> float:
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
