"""Follows a run from the files of its folder, whoever plays it and wherever."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from collab.errors import StoreError
from collab.plain_json import read_kept
from collab.runtime.host import Emit
from collab.runtime.run import PLAN

POLL_SECONDS = 0.5
SILENT_SECONDS = 20.0
"""After so long without news, of a process that is not on this machine, a run counts as stopped."""

DRAWING_SECONDS = 60.0
"""How long the pages of a run may take to be drawn when all is played."""


def find_latest(out: Path) -> Path:
    """The run in a folder of runs that began last; StoreError where there is none."""
    plans = list(out.glob(f"*/*/{PLAN}"))
    if not plans:
        raise StoreError(f"no run has begun in {out}. Name a run directory, or the folder of runs with --out.")
    return max(plans, key=lambda plan: plan.stat().st_mtime).parent


def follow(folder: Path, emit: Emit) -> str:
    """Passes on what has happened in a run, and what happens, until it ends; answers how it ended.

    Raises StoreError where `folder` is no run.
    """
    advice = "Name a run directory, as `collab run` prints it."
    plan = read_kept(folder / PLAN, of="run", advice=advice)
    # What came from the cache is told to who plays alone, so it counts for nothing here.
    emit({"event": "planned", "run": folder.name, **plan, "jobs": plan["jobs"] - plan["cached"]})
    events, at = folder / "metrics.jsonl", 0
    while True:
        has_ended = (folder / "record.json").is_file()  # asked before the last look, so that no event is lost
        at = _pass_on(events, at, emit)
        if has_ended:
            return _tell_end(folder, plan)
        if _is_gone(events if events.exists() else folder / PLAN, int(plan["pid"])):
            return f"stopped: nothing plays {folder} any more. The command that began it goes on from there."
        time.sleep(POLL_SECONDS)


def _pass_on(events: Path, at: int, emit: Emit) -> int:
    """Emits whole lines from byte `at` on; answers where the next one begins."""
    if not events.exists():
        return at
    with events.open("rb") as file:
        file.seek(at)
        for line in file:
            if not line.endswith(b"\n"):
                break
            at += len(line)
            emit(json.loads(line))
    return at


def _tell_end(folder: Path, plan: Mapping[str, Any]) -> str:
    record = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    page, failed = folder / "report.html", [name for name, why in record["failures"].items() if why]
    if failed:
        return f"failed: {', '.join(failed)}\nfolder   {folder}"
    if len(record["jobs"]) < plan["jobs"]:
        done = f"{len(record['jobs'])} of {plan['jobs']} jobs are done"
        return f"stopped: {done}. The command that began it goes on from there.\nfolder   {folder}"
    until = time.monotonic() + DRAWING_SECONDS
    while not page.is_file() and _is_alive(int(plan["pid"])) and time.monotonic() < until:
        time.sleep(POLL_SECONDS)
    where = f"report   {page}" if page.is_file() else f"folder   {folder}"
    return f"ended after {record['seconds']:.0f} s\n{where}"


def _is_gone(news: Path, pid: int) -> bool:
    """Whether a process of this machine has ended, and nothing was written for a while."""
    return not _is_alive(pid) and time.time() - news.stat().st_mtime > SILENT_SECONDS


def _is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()
