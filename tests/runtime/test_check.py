"""`collab run --check`, as somebody types it: everything is written first, then the exit code tells."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from collab import cli
from collab.results.table import read_results
from tests.places import SCENARIOS
from tests.playing import SMALL

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run directories and the cache that all tests here share: only the first one trains."""
    return tmp_path_factory.mktemp("checked")


@pytest.fixture
def run(out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Plays `tiny.yaml` with an expectation: exit code, standard output, standard error."""

    def command(expect: str, *options: str) -> tuple[int, str, str]:
        overrides = [part for each in (*SMALL, f"expect={expect}") for part in ("--set", each)]
        words = ["collab", "run", str(SCENARIOS / "tiny.yaml"), "--backend", "inprocess", "--out", str(out)]
        monkeypatch.setattr(sys, "argv", [*words, *overrides, *options])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = int(end.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return command


def test_what_comes_out_as_expected_exits_with_0(run: Command) -> None:
    code, told, _ = run("[{metric: top1, row: 7, at_least: 0}]", "--check")
    assert code == 0
    assert "Expectations: 1 held" in told
    assert "own bound" in run("[{metric: top1, row: 7, at_least: 0}]", "--tables")[1]


def test_what_twenty_images_cannot_decide_exits_with_7_and_says_so(run: Command) -> None:
    code, told, error = run("{metric: top1, row: 7, near: 0.5, within: 0.1}", "--check")
    assert code in (1, 7)  # by the machine's bits; 20 images never show that a share is within .1
    assert ("none of 1 expectations failed, and 1 cannot be decided" in error) == (code == 7)
    assert ("undecided" in told) == (code == 7)


def test_what_does_not_exits_with_1_after_all_is_written_and_says_what(run: Command, out: Path) -> None:
    bounds = ("top1, row: 7, at_most: 0", "top1, row: 5, at_least: 0", "nought, row: 9, near: 1, within: 1")
    expect = f"[{', '.join(f'{{metric: {bound}}}' for bound in bounds)}]"
    before = set((out / "tiny").iterdir()) if (out / "tiny").exists() else set()
    code, told, error = run(expect, "--check")
    assert code == 1
    assert "2 of 3 expectations failed:\n  own bound: top1 of row 7 (a1) at most 0: " in error
    assert "nought of row 9 (a3) within 1 of 1: not measured: the row has top1, rows" in error
    assert "Traceback" not in error
    (folder,) = set((out / "tiny").iterdir()) - before
    assert "top1 of row 7 (a1) at most 0" in (folder / "report.html").read_text()
    (row,) = [each for each in read_results(folder / "results.parquet") if (each.row, each.metric) == ("7", "top1")]
    assert (row.verdict or "").startswith("at most 0: off by ")
    assert str(folder) in told.replace("\n", "")


def test_without_check_a_failure_is_told_and_the_exit_code_is_0(run: Command) -> None:
    code, told, error = run("{metric: top1, row: 7, at_most: 0}")
    assert code == 0
    assert "off by" in told
    assert "expectations failed" not in error


def test_verdicts_are_machine_readable_and_complete_before_the_failure(run: Command) -> None:
    code, told, _ = run("{metric: top1, row: 7, at_most: 0}", "--check", "--json")
    assert code == 1
    (verdict,) = json.loads(told)["verdicts"]
    assert verdict["has_failed"]
    assert verdict["low"] <= verdict["value"] <= verdict["high"]
    assert (verdict["n"], verdict["seed"]) == (20, 0)


@pytest.mark.parametrize(
    ("expect", "options", "words"),
    [
        ("null", ["--check"], "--check needs `expect`"),
        ("{paper: dp_table5}", ["--check", "--only", "decode a1"], "--only plays a part"),
    ],
)
def test_a_check_that_could_judge_nothing_is_refused_before_anything_is_played(
    run: Command, out: Path, expect: str, options: list[str], words: str
) -> None:
    before = list((out / "tiny").iterdir()) if (out / "tiny").exists() else []
    code, _, error = run(expect, *options)
    assert code == 2
    assert words in error
    assert (list((out / "tiny").iterdir()) if (out / "tiny").exists() else []) == before
