import importlib.util
import json
import os
import subprocess
import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch
from torch import nn

from collab.runtime.plan import plan
from collab.scenario.reader import read_scenario
from collab.training.optimizers import optimizers_of
from collab.training.precision import SWITCH
from tests.places import ROOT, SCENARIOS
from tests.playing import SMALL

NOT_TOP1 = {"reconstructor_tried", "pretrain", "reconstructor", "tables_1_2", "publish"}


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


def test_the_plain_loop_takes_the_same_steps_by_muon() -> None:
    """Its own lines for filters, and torch's for matrices (in bf16), beside ours."""
    recipe = SimpleNamespace(optimizer="muon", learning_rate=0.1, weight_decay=0.05)
    torch.manual_seed(0)
    ours = [nn.Parameter(torch.randn(shape)) for shape in ((8, 4, 3, 3), (4, 8, 1, 1), (5, 8), (8,))]
    theirs = [nn.Parameter(weight.detach().clone()) for weight in ours]
    both = (
        optimizers_of("muon", ours, rate=0.1, weight_decay=0.05),
        benchmark("plain_loop").optimizers_for(recipe, theirs),
    )
    for _ in range(3):
        for one, other in zip(ours, theirs, strict=True):
            one.grad = torch.randn_like(one)
            other.grad = one.grad.clone()
        for optimizer in (*both[0], *both[1]):
            optimizer.step()
    for one, other, tolerance in zip(ours, theirs, (1e-5, 1e-5, 2e-2, 1e-6), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=tolerance)


@pytest.fixture
def overhead(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return benchmark("overhead")


def test_the_ratio_is_that_of_medians_with_and_without_the_start(
    overhead: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    turns = {"run": iter([(30.0, 6.0), (28.0, 4.0), (99.0, 70.0)]), "plain": iter([20.0, 19.0, 90.0])}

    def fake(command: list[str], **settings: str) -> SimpleNamespace:
        if "run" in command:
            seconds, start = next(turns["run"])
            return SimpleNamespace(wall=seconds, cpu=1.0, answer={"start_seconds": start})
        assert settings == {"OMP_NUM_THREADS": "2"}
        return SimpleNamespace(wall=next(turns["plain"]), cpu=1.0, answer={"threads": 2, "compute": "cpu fp32"})

    monkeypatch.setattr(overhead, "time_command", fake)
    overhead.measure(SCENARIOS / "tiny.yaml", 3, [], 2)
    figures = {line[:25].strip(): line.split()[-1] for line in capsys.readouterr().out.splitlines() if "ratio" in line}
    assert figures["ratio"] == "1.50"
    assert figures["ratio without the start"] == "1.20"


@pytest.fixture
def measuring() -> ModuleType:
    return benchmark("measuring")


def test_a_contender_that_fails_is_an_error_with_its_last_lines(measuring: ModuleType) -> None:
    with pytest.raises(SystemExit, match="ended with 134:\ndouble free"):
        measuring.time_command(
            [sys.executable, "-c", "import sys; print('double free', file=sys.stderr); sys.exit(134)"]
        )


def test_the_time_of_a_command_is_that_of_all_its_processes(measuring: ModuleType) -> None:
    spin = "import time\nwhile time.process_time() < 0.4: pass"
    both = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {spin!r}])\n{spin}\nprint('[1]')"
    timed = measuring.time_command([sys.executable, "-c", both])
    assert timed.answer == [1]
    assert 0.5 < timed.cpu < 1.2  # each looked at for the last time at most a tenth of a second before it ended
    assert timed.wall > 0.8
