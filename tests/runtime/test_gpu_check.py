"""What a GPU is measured by: it runs on a CPU at toy size, and a part that fails does not hide the others."""

import importlib.util
import sys
from types import ModuleType

import pytest

from tests.places import ROOT


@pytest.fixture
def check() -> ModuleType:
    """`benchmarks/gpu_check.py`, not run."""
    spec = importlib.util.spec_from_file_location("gpu_check", ROOT / "benchmarks" / "gpu_check.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["gpu_check"] = module  # where its dataclasses look for themselves
    spec.loader.exec_module(module)
    return module


@pytest.mark.long
def test_the_gpu_check_runs_at_toy_size_on_a_cpu(
    check: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu_check", "--device", "cpu", "--quick"])
    with pytest.raises(SystemExit) as ended:
        check.main()
    told = capsys.readouterr().out
    assert ended.value.code == 0, told
    for name in ("classifier", "R", "DPM", "refine"):
        assert f"| {name} | yes | yes |" in told
        assert told.count(f"\n| {name} |") == 2


def test_a_part_of_the_gpu_check_that_fails_is_told_and_the_next_one_is_played(
    check: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(check, "compare_bits", lambda *_: 1 / 0)
    monkeypatch.setattr(check, "measure_speeds", lambda *_: print("measured") or True)
    monkeypatch.setattr(sys, "argv", ["gpu_check", "--device", "cpu", "--quick"])
    with pytest.raises(SystemExit) as ended:
        check.main()
    told = capsys.readouterr().out
    assert ended.value.code == 1
    assert "ZeroDivisionError" in told
    assert "measured" in told
