"""What a sweep saves over separate runs, and whether its memory stays flat, measured on this machine."""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from collab.errors import CollabError
from collab.runtime.host import Event
from collab.runtime.play import Where
from collab.runtime.sweep import sweep
from collab.scenario.sweep import read_sweep

SIZES = (0.05, 0.1, 0.15, 0.2)


def measure_saving(scenario: Path, seeds: int, overrides: Sequence[str]) -> None:
    """Times one sweep of four subset sizes and `seeds` seeds, then as many fresh runs of its cells, one by one."""
    axis = "entities.*.share"
    sets = [part for override in overrides for part in ("--set", override)]
    collab = [sys.executable, "-c", "from collab.cli import main; main()"]
    with tempfile.TemporaryDirectory(prefix="collab-bench-") as out:
        values = ",".join(map(str, SIZES))
        swept = _timed(
            [
                *collab,
                "sweep",
                str(scenario),
                *sets,
                "--vary",
                f"{axis}={values}",
                "--seeds",
                str(seeds),
                "--out",
                f"{out}/sweep",
            ]
        )
        print(f"one sweep of {len(SIZES)} sizes and {seeds} seeds  {swept:8.1f} s")
        single = []
        for size in SIZES:
            for seed in range(seeds):
                cell = ["--set", f"{axis}={size}", "--seed", str(seed), "--out", f"{out}/{size}-{seed}"]
                single.append(_timed([*collab, "run", str(scenario), *sets, *cell]))
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
        raise CollabError(f"{len(swept.failures)} cells failed: {swept.failures[0].reason}")
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
        raise CollabError(f"{' '.join(command[3:5])} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return time.perf_counter() - start
