"""The list of the papers' tables: it is whole, docs/papers.md has it, and a short one is played from the cache."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

import collab
from collab.cli_papers import papers
from collab.errors import ExpectationFailed, ScenarioError
from collab.front import playing, replays
from collab.front.replays import AGREES, DIRECTION, DISAGREES, OPEN, Opponent, Replay
from collab.papers import expectable
from collab.results.figure import Figure
from collab.runtime.play import Played
from collab.verdicts.verdicts import Verdict
from tests.places import ROOT, SCENARIOS
from tests.playing import lend

R = Opponent("tables_1_2", "ssim", "original", 0.5)
STRONG, WEAK = Figure(0.6, 0.5, 0.7), Figure(0.4, 0.2, 0.6)


def line(verdict: str, **changed: Any) -> Verdict:
    """A line of a claim of some table, as `judge` answers it."""
    plain = Verdict(
        "dp_table1", "claim", "a sentence", "expected", None, 0.1, 0.0, 0.2, 10, 0, verdict,
        has_failed=verdict.startswith("off by"), is_points=False, is_undecided=verdict == "undecided",
    )  # fmt: skip
    return replace(plain, **changed)


def test_every_table_that_can_be_expected_is_on_the_list_and_each_is_expected_where_it_is_played() -> None:
    listed = replays.list_replays()
    assert {table for each in listed for table in each.tables} == {*expectable("scenario"), *expectable("sweep")}
    for each in listed:
        stated = yaml.safe_load((SCENARIOS / f"{each.scenario}.yaml").read_text(encoding="utf-8"))
        base = stated
        while "scenario" in base and "expect=null" not in base.get("set", ()):
            base = yaml.safe_load((SCENARIOS / base["scenario"]).read_text(encoding="utf-8"))
        told = yaml.safe_dump([stated.get("expect"), base.get("expect")])
        assert all(table in told for table in each.tables), each.scenario


def test_every_cell_is_filled_and_every_verdict_is_one() -> None:
    table = replays.tabulate(replays.list_replays())
    assert len(table.lines) > 10
    assert all(cell for cells in table.lines for cell in cells)
    assert all(each.verdict.startswith((AGREES, DIRECTION, DISAGREES, OPEN)) for each in replays.list_replays())
    assert {each.state for each in replays.list_replays()} <= {"full", "partial"}


def test_the_page_has_the_list() -> None:
    page = (ROOT / "docs/papers.md").read_text(encoding="utf-8")
    inside = page.partition(replays.MARKS[0])[2].partition(replays.MARKS[1])[0]
    assert inside == replays.markdown(replays.tabulate(replays.list_replays())), "python -m collab.front.replays"


@pytest.mark.parametrize(
    ("lines", "opponent", "word"),
    [
        ([line("holds"), line("holds")], STRONG, AGREES),
        ([line("holds"), line("undecided")], STRONG, DIRECTION),
        ([line("holds"), line("undecided", is_outside=True)], STRONG, OPEN),
        ([line("off by 0.1"), line("undecided", is_outside=True)], STRONG, DISAGREES),
        ([line("off by 0.1, against the paper as stated", has_failed=False)], STRONG, DISAGREES),
        ([line("holds"), line("off by 2 points", sentence="Ours: so it should be")], STRONG, AGREES),
        ([line("holds"), line("not comparable: creatures", value=None)], STRONG, AGREES),
        ([line("holds"), line("not measured: no ssim", value=None)], STRONG, OPEN),
        ([], STRONG, OPEN),
        ([line("holds")], WEAK, f"{OPEN}: no valid opponent"),
        ([line("holds")], None, f"{OPEN}: no valid opponent"),
    ],
)
def test_the_word_for_a_table_follows_from_its_lines(lines: list[Verdict], opponent: Figure | None, word: str) -> None:
    assert replays.conclude(lines, R, opponent) == word
    assert replays.conclude(lines, None, None) == (word if opponent is STRONG else AGREES)


def test_an_opponent_counts_by_its_worst_score() -> None:
    means = [
        ("tables_1_2", "ssim[11]_original", STRONG), ("tables_1_2", "ssim[11]_original", WEAK),
        ("tables_1_2", "ssim[11]_poisoned", Figure(0.01)), ("disclosure", "ssim[11]_original", Figure(0.02)),
    ]  # fmt: skip
    assert replays.find_opponent(R, means) == WEAK
    assert replays.find_opponent(R, means[2:]) is None
    assert replays.find_opponent(None, means) is None


def test_a_scenario_that_is_not_on_the_list_is_refused() -> None:
    assert [each.scenario for each in replays.pick(["dp_table_3"], replays.list_replays())] == ["dp_table_3"]
    with pytest.raises(ScenarioError, match=r"no replay of a paper is called 'dp_table3'.*dp_table_3"):
        replays.pick(["dp_table3"], replays.list_replays())


@pytest.fixture
def shrunk(played: Played, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`collab papers` over two replays, whose stages lie in the cache: one that expects Table 5, one that cannot be."""
    lend(played, tmp_path / "runs")
    stated = yaml.safe_load((played.run / "scenario.yaml").read_text(encoding="utf-8"))
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(stated | {"name": "small", "expect": {"paper": "dp_table5"}}))
    told = ("item", ("dp_table5",), "small", "full", "theirs", "ours", "opponent", OPEN, "certain", "more")
    listed = (Replay(*told, of_opponent=R), replace(Replay(*told), scenario="lost"))
    monkeypatch.setattr(replays, "list_replays", lambda: listed)
    return lambda **options: papers(**{
        "names": None, "check": True, "scenarios": tmp_path, "root": None, "out": tmp_path / "runs",
        "backend": "inprocess", "device": "cpu", "as_json": False, **options,
    })  # fmt: skip


def test_without_check_nothing_is_played(
    shrunk: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shrunk(check=False)
    assert "docs/papers.md has all columns" in capsys.readouterr().out
    assert not (tmp_path / "runs" / "small_sweep").exists()


def test_all_are_played_and_verdicts_that_are_not_those_of_the_list_fail(
    shrunk: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ExpectationFailed, match=r"(?s)2 of 2 verdicts.*no valid opponent; the list has.*: not played"):
        shrunk()
    told = capsys.readouterr()
    assert told.err.startswith("0 of 1 cells are finished; the others take about ")
    assert "not counting lost" in told.err
    assert "item: cannot be decided: no valid opponent\n" in told.err
    assert "listed as" in told.out
    with pytest.raises(ExpectationFailed, match="1 of 1"):
        shrunk(names=["small"])  # goes on from what is there
    assert capsys.readouterr().err.startswith("1 of 1 cells are finished")


def test_who_interrupts_sees_what_was_played_and_can_go_on(
    shrunk: Callable[..., None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    play = playing.sweep

    def interrupted(file: Path, **options: Any) -> collab.Sweep:
        if file.stem == "lost":
            raise KeyboardInterrupt
        return play(file, **options)

    monkeypatch.setattr(playing, "sweep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        shrunk()
    told = capsys.readouterr()
    assert "the same command goes on from there" in told.err
    assert "listed as" in told.out
