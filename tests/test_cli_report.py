from pathlib import Path

import pytest
from typer.testing import CliRunner

from collab.cli import app
from collab.errors import StoreError
from tests.report.made_up import rows, scenario, write_run


@pytest.fixture
def runs(tmp_path: Path) -> list[str]:
    stated = scenario()
    return [str(write_run(tmp_path / name, stated, rows(stated))) for name in ("one", "two")]


def said(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["report", *arguments], standalone_mode=False)
    if done.exception:
        raise done.exception
    return done.stdout.strip()


def test_one_run_is_drawn_into_its_folder_or_elsewhere(runs: list[str], tmp_path: Path) -> None:
    assert said(runs[0]) == f"{runs[0]}/report.html"
    assert said(runs[0], "--out", str(tmp_path / "page.html")) == str(tmp_path / "page.html")
    assert (tmp_path / "page.html").read_bytes() == (Path(runs[0]) / "report.html").read_bytes()


def test_a_run_that_was_attacked_gets_its_audit_too(tmp_path: Path) -> None:
    """A cell of a sweep has none: its sweep draws one page for all."""
    stated = scenario()
    run = write_run(tmp_path / "run", stated, rows(stated, attacked=0.3))
    said(str(run))
    assert "Attacks by defenses" in (run / "audit.html").read_text(encoding="utf-8")


def test_several_runs_become_one_page_here(runs: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert said(*runs) == "comparison.html"
    assert "2 runs of tiny" in (tmp_path / "comparison.html").read_text(encoding="utf-8")
    assert not (Path(runs[0]) / "report.html").exists()


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="Name a run directory"):
        said(str(tmp_path))
