import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import SCENARIOS, SMALL  # type: ignore[import-not-found]

from collab.errors import CollabError, ScenarioError
from collab.runtime import overhead
from collab.runtime.plan import plan
from collab.scenario.reader import read_scenario

ROOT = SCENARIOS.parent
NOT_TOP1 = {"pretrain", "reconstructor", "tables_1_2", "publish"}


def test_the_plain_loop_plays_the_rows_of_the_plan() -> None:
    file = SCENARIOS / "tiny.yaml"
    sets = [part for override in SMALL for part in ("--set", override)]
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "plain_loop.py"), str(file), *sets],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    top1 = json.loads(done.stdout.splitlines()[-1])["rows"]
    tasks = plan(read_scenario(file, SMALL).scenario, {"a1": 8, "a2": 8, "a3": 8, "a4": 4})
    planned = {row for task in tasks for row, _ in task.labels} - NOT_TOP1
    assert {"1", "12", "c_public", "c_own_a4", "c_all_poisoned_12"} <= planned
    assert set(top1) == planned
    assert all(0 <= value <= 1 for value in top1.values())
    assert top1["6"] == top1["c_unpoisoned_7"]  # the same question, answered once


def test_the_ratio_is_that_of_medians_with_and_without_the_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    turns = {"run": iter([(30.0, 6.0), (28.0, 4.0), (99.0, 70.0)]), "plain": iter([20.0, 19.0, 90.0])}

    def fake(command: list[str], **options: object) -> SimpleNamespace:
        if "run" in command:
            seconds, start = next(turns["run"])
            return SimpleNamespace(
                returncode=0, stderr="", stdout=json.dumps({"seconds": seconds, "start_seconds": start})
            )
        return SimpleNamespace(returncode=0, stderr="", stdout=json.dumps({"seconds": next(turns["plain"])}))

    monkeypatch.setattr(subprocess, "run", fake)
    monkeypatch.chdir(ROOT)
    overhead.measure(SCENARIOS / "tiny.yaml", 3, [])
    figures = {line[:25].strip(): line.split()[-1] for line in capsys.readouterr().out.splitlines() if "ratio" in line}
    assert figures["ratio"] == "1.50"
    assert figures["ratio without the start"] == "1.20"


def test_a_contender_that_fails_is_an_error_with_its_last_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = SimpleNamespace(returncode=134, stderr="double free or corruption", stdout="")
    monkeypatch.setattr(subprocess, "run", lambda command, **options: failed)
    monkeypatch.chdir(ROOT)
    with pytest.raises(CollabError, match="ended with 134:\ndouble free"):
        overhead.measure(SCENARIOS / "tiny.yaml", 1, [])


def test_outside_a_checkout_there_is_no_plain_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(overhead, "__file__", str(tmp_path / "site" / "collab" / "runtime" / "overhead.py"))
    with pytest.raises(ScenarioError, match="checkout"):
        overhead.measure(SCENARIOS / "tiny.yaml", 1, [])
