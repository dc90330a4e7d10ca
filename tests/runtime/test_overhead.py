import importlib.util
import json
import os
import subprocess
import sys
from types import ModuleType, SimpleNamespace

import pytest

from collab.runtime.plan import plan
from collab.scenario.reader import read_scenario
from collab.training.precision import SWITCH
from tests.places import ROOT, SCENARIOS
from tests.playing import SMALL

NOT_TOP1 = {"pretrain", "reconstructor", "tables_1_2", "publish"}


def benchmark(name: str) -> ModuleType:
    """A script of `benchmarks/`, not run."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("fast_bf16", ["0", "1"])
def test_the_plain_loop_plays_the_rows_of_the_plan(fast_bf16: str) -> None:
    sets = [part for override in SMALL for part in ("--set", override)]
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "plain_loop.py"), str(SCENARIOS / "tiny.yaml"), *sets],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", SWITCH: fast_bf16},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    top1 = json.loads(done.stdout.splitlines()[-1])["rows"]
    jobs = plan(read_scenario(SCENARIOS / "tiny.yaml", SMALL).scenario, {"a1": 8, "a2": 8, "a3": 8, "a4": 4})
    planned = {row for job in jobs for row, _ in job.labels} - NOT_TOP1
    assert {"1", "12", "c_public", "c_own_a4", "c_all_poisoned_12"} <= planned
    assert set(top1) == planned
    assert all(0 <= value <= 1 for value in top1.values())
    assert top1["6"] == top1["c_unpoisoned_7"]  # the same question, answered once


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("precision=bf16", "`precision: bf16`"),
        ("partition={kind: dirichlet, alpha: 1}", "`partition` other than iid"),
        ("entities.a2.defense=[dpm, none]", "defenses other than one of dpm and none"),
        ("entities.a2.defense.adapt=true", "`against`, `adapt`"),
        ("federated=[{row: fed, entities: [a1, a2]}]", "`federated`"),
    ],
)
def test_the_plain_loop_refuses_what_it_would_leave_out(
    override: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SWITCH, "0")
    script = benchmark("plain_loop")
    script.refuse_what_is_not_here(read_scenario(SCENARIOS / "tiny.yaml", SMALL).scenario)
    with pytest.raises(SystemExit, match=f"plain_loop.py does not play {words}"):
        script.refuse_what_is_not_here(read_scenario(SCENARIOS / "tiny.yaml", [*SMALL, override]).scenario)


@pytest.fixture
def overhead() -> ModuleType:
    return benchmark("overhead")


def test_the_ratio_is_that_of_medians_with_and_without_the_start(
    overhead: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
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
    overhead.measure(SCENARIOS / "tiny.yaml", 3, [])
    figures = {line[:25].strip(): line.split()[-1] for line in capsys.readouterr().out.splitlines() if "ratio" in line}
    assert figures["ratio"] == "1.50"
    assert figures["ratio without the start"] == "1.20"


def test_a_contender_that_fails_is_an_error_with_its_last_lines(
    overhead: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = SimpleNamespace(returncode=134, stderr="double free or corruption", stdout="")
    monkeypatch.setattr(subprocess, "run", lambda command, **options: failed)
    with pytest.raises(SystemExit, match="ended with 134:\ndouble free"):
        overhead.measure(SCENARIOS / "tiny.yaml", 1, [])


def test_the_gpu_check_runs_at_toy_size_on_a_cpu(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    check = benchmark("gpu_check")
    monkeypatch.setattr(check, "TRAININGS", ("refine",))  # each of them is tested elsewhere
    monkeypatch.setattr(sys, "argv", ["gpu_check", "--device", "cpu", "--quick"])
    with pytest.raises(SystemExit) as ended:
        check.main()
    told = capsys.readouterr().out
    assert ended.value.code == 0, told
    assert "| refine | yes | yes |" in told
    assert told.count("\n| refine |") == 2


def test_a_part_of_the_gpu_check_that_fails_is_told_and_the_next_one_is_played(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    check = benchmark("gpu_check")
    monkeypatch.setattr(check, "compare_bits", lambda *_: 1 / 0)
    monkeypatch.setattr(check, "measure_speeds", lambda *_: print("measured") or True)
    monkeypatch.setattr(sys, "argv", ["gpu_check", "--device", "cpu", "--quick"])
    with pytest.raises(SystemExit) as ended:
        check.main()
    told = capsys.readouterr().out
    assert ended.value.code == 1
    assert "ZeroDivisionError" in told
    assert "measured" in told
