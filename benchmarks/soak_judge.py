"""What a sweep left behind, compared with what an undisturbed one did; and who else can read it."""

import json
import os
import stat
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pyarrow import parquet

from collab.results.table import read_results
from collab.store.files import TEMPORARY
from collab.store.ledger import read_ledger
from collab.store.manifest import read_manifest
from collab.store.store import Store

MEASURED = ("row", "entity", "attack", "metric", "value", "low", "high", "n", "seed")
"""What the same seed must repeat of a row of results."""

Facts = Counter[tuple[Any, ...]]


@dataclass(frozen=True)
class Left:
    """What one cell left, counted: rows of results, manifests of shards, lines of the ledger without their time."""

    jobs: frozenset[str]
    results: Facts
    shards: Facts
    crossings: Facts


@dataclass(frozen=True)
class Sweep:
    """What all cells of a sweep left: its table, and of each cell every run that has ended without a failure."""

    table: Facts
    runs: Mapping[str, Sequence[Left]]


def read_sweep(out: Path, name: str) -> Sweep:
    """What lies in a folder of runs in which one sweep over lambda and seeds has ended."""
    table = parquet.read_table(out / name / "results.parquet").to_pylist()
    runs: dict[str, list[Left]] = {}
    for cell, run in _ended_runs(out):
        runs.setdefault(cell, []).append(_read_run(run))
    return Sweep(Facts(tuple(row[each] for each in (*MEASURED, "lambda")) for row in table), runs)


def differences(found: Sweep, expected: Sweep) -> list[str]:
    """Sentences about what is missing and what is there too much; none where each whole run is that of a calm day."""
    told = _compare("the table of the sweep", found.table, expected.table)
    for cell, (there,) in expected.runs.items():
        whole = [here for here in found.runs.get(cell, ()) if here.jobs == there.jobs]
        told += [] if whole else [f"cell {cell} has no whole run"]
        for here in whole:
            for name in ("results", "shards", "crossings"):
                told += _compare(f"cell {cell}, {name}", getattr(here, name), getattr(there, name))
    return told


def refused_in_stores(out: Path) -> tuple[list[str], int]:
    """What `collab store verify` refuses in the stores of all runs, whole or not; and how many files writers left.

    What is unfinished, or has no manifest yet, nobody reads: it is counted and no fault.
    """
    problems, unfinished = [], 0
    for store in sorted(out.glob("*/*/store")):
        for finding in Store(store).verify():
            if Path(finding.path).name.startswith(TEMPORARY) or "no manifest names this file" in finding.problem:
                unfinished += 1
            elif finding.problem:
                problems.append(f"{store / finding.path}: {finding.problem}")
    return problems, unfinished


def open_to_others(root: Path) -> Iterator[str]:
    """What is private below `root` and not closed to other users of the machine, as far as they can get there."""
    for entry in os.scandir(root):
        if entry.is_dir(follow_symlinks=False):
            mode = stat.S_IMODE(entry.stat(follow_symlinks=False).st_mode)
            is_private = root.name == "private" or entry.name.startswith("collab-")
            if mode & 0o077 and is_private:
                yield f"{entry.path} has mode {mode:04o}"
            if mode & 0o011:
                yield from open_to_others(Path(entry.path))


def _ended_runs(out: Path) -> Iterator[tuple[str, Path]]:
    """Runs that were written down without a failure, be it all or what was played so far; each with its cell."""
    for file in sorted(out.glob("*/*/results.parquet")):
        run = file.parent
        if (run / "scenario.yaml").exists() and not json.loads((run / "record.json").read_text())["failures"]:
            scenario = yaml.safe_load((run / "scenario.yaml").read_text())
            yield f"lambda={scenario['entities'][0]['defense']['lambda']} seed={scenario['seed']}", run


def _read_run(run: Path) -> Left:
    results = Facts(tuple(getattr(row, each) for each in MEASURED) for row in read_results(run / "results.parquet"))
    manifests = (read_manifest(path) for path in (run / "store/manifest").glob("*.json"))
    lines = read_ledger(run / "ledger.parquet")
    return Left(
        frozenset(json.loads((run / "record.json").read_text())["jobs"]),
        results,
        Facts((each.entity, each.sha256, each.rows) for each in manifests),
        Facts((each.stage, each.sender, each.receiver, each.kind, each.digest, each.bytes) for each in lines),
    )


def _compare(what: str, here: Facts, there: Facts) -> list[str]:
    told = []
    for verb, more in (("lost", there - here), ("doubled or changed", here - there)):
        if more:
            told.append(f"{what}: {more.total()} {verb}, such as {min(map(str, more))}")
    return told
