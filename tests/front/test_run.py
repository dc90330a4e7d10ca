import sys
from pathlib import Path

import numpy as np
import polars
import pytest
from rich.console import Console

import collab
from collab.errors import ExpectationFailed, ScenarioError, StoreError
from collab.results.gains import find_largest_pool
from collab.results.table import read_results
from collab.runtime.play import Played
from collab.runtime.progress import show_run
from collab.scenario.rows import list_played_rows
from tests.playing import lend


@pytest.fixture
def run(played: Played) -> collab.Run:
    return collab.load(played.run)


def test_results_are_the_files_in_arrow_and_in_pandas(run: collab.Run, played: Played) -> None:
    rows = read_results(played.run / "results.parquet")
    assert run.arrow.num_rows == len(rows) == len(run.results)
    assert run.results["metric"].tolist() == run.arrow["metric"].to_pylist() == [row.metric for row in rows]


def test_without_pandas_polars_is_taken_and_without_both_it_is_said(
    run: collab.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = {"polars"}
    monkeypatch.setattr("collab.front.frames.find_spec", lambda name: name in there or None)
    assert isinstance(run.results, polars.DataFrame)
    assert run.results.to_arrow().to_pylist() == run.arrow.to_pylist()
    there.clear()
    with pytest.raises(collab.errors.ResourceError, match=r"pip install pandas.*\.arrow"):
        _ = run.results


def test_a_gain_is_that_of_the_results_for_the_largest_pool(run: collab.Run) -> None:
    table = run.results
    for entity in ("a1", "a2", "a3", "a4"):
        gain = run.gain(entity)
        row = find_largest_pool(list_played_rows(run.scenario), entity)
        assert row is not None
        found = table[(table.metric == "gain[top1]") & (table.row == str(row.name)) & (table.entity == entity)]
        assert len(found) == 1
        assert gain.points.value == pytest.approx(100 * found.value.item())
        assert gain.points.low == pytest.approx(100 * found.low.item())
        assert str(gain).startswith(f"{entity} ")


def test_who_has_no_gain_is_told_who_has(run: collab.Run) -> None:
    with pytest.raises(ScenarioError, match=r"no entity 'a5'.*a1, a2, a3, a4"):
        run.gain("a5")
    with pytest.raises(ScenarioError, match="no gain on own held-out images of 'a1'"):
        run.gain("a1", of="own")


def test_tables_go_by_the_papers_numbers_and_by_their_titles(run: collab.Run) -> None:
    assert run.table(5) is next(table for table in run.tables if table.title.startswith("Table 5"))
    assert run.table(1).title.startswith("Table 1: ")
    assert run.table("verdicts").title == "Verdicts"
    with pytest.raises(ScenarioError, match=r"no table 4\. There are: Table 1: "):
        run.table(4)
    text = str(run.table(5)).splitlines()
    assert text[1].split() == " ".join(run.table(5).columns).split()
    assert all(cell in text[2] for cell in run.table(5).lines[0])


def test_the_short_table_has_the_scenarios_own_rows_and_what_a_terminal_shows(run: collab.Run) -> None:
    short, whole = run.short_table, run.table(5)
    assert short is not None
    assert short.columns == ("row", "entity", "trained on", "top-1 %", "gain")
    assert [line[0] for line in short.lines] == [*map(str, range(1, 13)), "c_public"]
    of_whole = {line[0]: line for line in whole.lines}
    assert all(of_whole[line[0]][:3] == line[:3] for line in short.lines)


def test_the_answer_is_that_of_the_page(run: collab.Run) -> None:
    page = run.report().read_text(encoding="utf-8")
    assert all(text in page for _, text in run.answer.parts)
    told = str(run)
    assert all(f"{title}: {text}" in told for title, text in run.answer.parts)


def test_pictures_are_images_by_entity(run: collab.Run) -> None:
    assert set(run.pictures) == {"a1", "a2", "a3", "a4"}
    seen = run.pictures["a1"]
    assert seen.original.dtype == np.uint8
    assert seen.original.shape == seen.from_poisoned.shape == (len(seen), 3, 16, 16)
    assert run.pictures._repr_html_().count("<img") == 3 * sum(map(len, run.pictures.values()))


def test_a_notebook_shows_warnings_first_then_the_answer_then_table_5(
    run: collab.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collab.Run, "failed_defenses", ("The defense of a1 failed <here>.",))
    shown = run._repr_html_()
    places = [shown.index(text) for text in ("failed &lt;here&gt;", "Who gained", "What it cost", "trained on")]
    assert places == sorted(places)
    assert run.table(5)._repr_html_().count("<tr>") == 1 + len(run.table(5).lines)
    assert run.gain("a1")._repr_html_().startswith("a1 ")
    assert run.answer._repr_html_().startswith("<b>Who gained</b>: ")


def test_check_judges_what_was_expected(run: collab.Run, played: Played, tmp_path: Path) -> None:
    assert {each.source for each in run.verdicts} == {"dp_table5"}
    lend(played, tmp_path)
    bound = {"expect": {"metric": "top1", "row": 7, "at_most": 0}}
    again = collab.run(collab.Scenario(played.run / "scenario.yaml", set=bound), out=tmp_path)
    assert again.played is not None
    assert again.played.cached == again.played.jobs  # so that it needs no Ray
    with pytest.raises(ExpectationFailed, match="top1 of row 7"):
        again.check()


def test_what_is_no_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no folder"):
        collab.load(tmp_path / "nowhere")
    with pytest.raises(StoreError, match="Name a run directory"):
        collab.load(tmp_path)


def test_a_notebook_shows_how_far_a_run_is_and_keeps_its_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = list[str]()

    class Shown:
        update = staticmethod(pages.append)

    def display(page: str, display_id: bool) -> Shown:
        pages.append(page)
        return Shown()

    of_ipython = type(sys)("IPython.display")
    of_ipython.HTML, of_ipython.display = str, display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", type(sys)("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", of_ipython)
    about = {"entity": "a1", "stage": "decode", "job": "decode a1"}
    with show_run(Console(force_jupyter=True)) as tell:
        tell({"event": "planned", "jobs": 2, "text": "2 jobs to play"})
        tell({"event": "note", "text": "3 images stand <twice>"})
        tell({"event": "done", "seconds": 1.0, **about})
    assert "1 of 2 jobs done" in pages[-1]
    assert pages[-1].index("2 jobs to play") < pages[-1].index("&lt;twice&gt;") < pages[-1].index("done in 1.0 s")
