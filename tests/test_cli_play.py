"""What the commands that play say, in which order."""

import json
import re
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

import collab
from collab.cli import BEGIN, EXTEND, LOOK, PLAY, app
from collab.front.playing import DEMO
from collab.participants.assignment import assign
from collab.participants.sources import Sources
from collab.runtime.forecast import forecast
from collab.runtime.plan import plan
from collab.runtime.play import Played
from tests.playing import lend


@pytest.fixture
def out(played: Played, tmp_path: Path) -> Path:
    """A folder of runs that holds all stages of the small scenario."""
    lend(played, tmp_path)
    return tmp_path


def say(*words: str | Path) -> Result:
    done = CliRunner().invoke(app, list(map(str, words)), standalone_mode=False)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def in_order(text: str, *parts: str) -> bool:
    places = [text.find(part) for part in parts]
    return -1 not in places and places == sorted(places)


def test_the_answer_comes_first_then_table_5_in_short_then_where_the_rest_is(played: Played, out: Path) -> None:
    told = say("run", played.run / "scenario.yaml", "--out", out).stdout
    answer = ("Who gained", "What was disclosed", "What it cost", "Read with care")
    assert in_order(told, *answer, "Table 5: refinement", "Expectations: ", "report   ", "tables   collab report ")
    assert "Table 1" not in told
    assert "c_own_a1" not in told


def test_all_tables_are_printed_where_they_are_asked_for(played: Played, out: Path) -> None:
    told = say("run", played.run / "scenario.yaml", "--out", out, "--tables").stdout
    assert in_order(told, "Who gained", "Table 1: ", "Table 2: ", "Table 5: refinement", "Verdicts", "report   ")
    again = say("report", next((out / "tiny").iterdir()), "--tables").stdout
    assert in_order(again, "Who gained", "Table 1: ", "Table 5: refinement", "Verdicts")


def test_a_defense_that_failed_is_told_before_all_else_by_every_command(
    played: Played, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warning = "The defense of a1 failed (dpm)."
    monkeypatch.setattr(collab.Run, "failed_defenses", (warning,))
    assert say("run", played.run / "scenario.yaml", "--out", out).stdout.startswith(warning)
    drawn = say("report", played.run)
    assert drawn.stderr.startswith(warning)
    assert drawn.stdout == f"{played.run}/report.html\n"
    monkeypatch.setattr(collab.Sweep, "failed_defenses", (warning,))
    swept = say("run", played.run / "scenario.yaml", "--out", out, "--seeds", "1", "--backend", "inprocess")
    assert swept.stdout.startswith(warning)


def test_the_report_for_who_decides_is_json_too(played: Played) -> None:
    told = json.loads(say("report", played.run, "--json").stdout)
    assert [each["party"] for each in told["rulings"]] == ["a1", "a2", "a3", "a4"]


def test_watch_shows_a_run_that_has_ended_and_says_where_its_report_is(played: Played) -> None:
    told = say("watch", played.run)
    assert "pretrain a1: done" in told.stderr
    assert f"report   {played.run}/report.html" in told.stdout or f"folder   {played.run}" in told.stdout


def test_demo_plays_its_scenario_and_says_what_to_do_next(
    played: Played, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collab.front.playing.DEMO", played.run / "scenario.yaml")
    told = say("demo", "--out", out).stdout
    assert in_order(told, "Who gained", "report   ", "scenario ", "next     collab init --party")


def test_the_scenario_of_the_demo_takes_less_than_a_minute_of_one_core_but_for_its_attacks() -> None:
    stated = collab.Scenario(DEMO).parts
    assignment = assign(stated, Sources.open(stated))
    takes = forecast(stated, assignment, plan(stated, assignment.images))
    assert takes is not None
    assert takes.seconds < 40


def test_help_groups_the_commands_by_what_one_wants() -> None:
    told = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "100", "TERM": "dumb"}).stdout
    groups = [line for line in told.splitlines() if line.startswith("╭─")]
    names = [re.sub(r"[╭─╮]", "", line).strip() for line in groups]
    assert names == ["Options", BEGIN, PLAY, LOOK, EXTEND]
    assert "--install-completion" in told
    assert "--version" in told
