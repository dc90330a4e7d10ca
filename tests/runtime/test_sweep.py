"""Sweeps: their cells, what they share, what fails, and how they go on."""

import json
import shutil
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from collab.cli import app
from collab.errors import ExpectationFailed, ExpectationUndecided
from collab.runtime.play import Where
from collab.runtime.sweep import Swept, outlook, sweep
from collab.scenario.sweep import Cell, Sweep, read_sweep
from tests.places import SCENARIOS
from tests.playing import FORKS, SMALL

AXIS = "entities.a4.share=0.05,0.1"


def read(*varied: str, seeds: int = 2) -> tuple[Sweep, tuple[Cell, ...]]:
    return read_sweep(SCENARIOS / "tiny.yaml", varied or (AXIS,), seeds=seeds, overrides=SMALL)


def table(folder: Path) -> pd.DataFrame:
    found = pd.read_parquet(folder / "results.parquet").drop(columns=["seconds", "device"])
    return found.sort_values(list(found.columns[:6])).reset_index(drop=True)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Swept:
    return sweep(*read(), Where("inprocess", out=tmp_path_factory.mktemp("runs")), lambda event: None)


def test_a_sweep_has_a_row_for_each_cell_and_metric(undisturbed: Swept) -> None:
    found = table(undisturbed.folder)
    assert set(zip(found["entities.a4.share"], found["seed"], strict=True)) == {
        (0.05, 0),
        (0.05, 1),
        (0.1, 0),
        (0.1, 1),
    }
    assert (undisturbed.cells, undisturbed.finished_before, undisturbed.failures) == (4, 0, ())
    sizes = found[(found.metric == "rows_published") & (found.entity == "a4")].groupby("entities.a4.share").value.max()
    assert sizes[0.1] > sizes[0.05]


def test_means_over_seeds_are_those_of_pandas(undisturbed: Swept) -> None:
    cells, means = (
        pd.read_parquet(undisturbed.folder / "results.parquet"),
        pd.read_parquet(undisturbed.folder / "means.parquet"),
    )
    of_row = cells[(cells.metric == "top1") & (cells.row == "7")]
    top1 = of_row.groupby("entities.a4.share").value.agg(["mean", "sem"])
    found = means[(means.metric == "top1") & (means.row == "7")].set_index("entities.a4.share")
    pd.testing.assert_series_equal(found["mean"], top1["mean"], check_names=False)
    reach = (found["high"] - found["low"]) / 2
    own = (of_row.high - of_row.low).pow(2).groupby(of_row["entities.a4.share"]).sum().pow(0.5) / 4
    assert (reach >= own - 1e-9).all()  # never narrower than the noise of the images
    assert (reach < 12.7062047362 * top1["sem"]).all()  # nor as wide as two seeds of one point alone would be
    assert set(found["seeds"]) == {2}


def test_a_claim_is_judged_once_for_each_point_by_the_mean_of_its_seeds(undisturbed: Swept) -> None:
    about = "entities.a4.share=0.1: more peers bring more"
    (told,) = [each for each in undisturbed.verdicts if each.claim == about]
    of_row = (
        table(undisturbed.folder).query("metric == 'top1' and `entities.a4.share` == 0.1").groupby("row").value.mean()
    )
    assert told.value == pytest.approx(of_row["12"] - of_row["11"])


def test_several_seeds_of_a_run_end_with_one_answer_and_one_verdict_on_each_claim(
    undisturbed: Swept, tmp_path: Path
) -> None:
    shutil.copytree(undisturbed.folder.parent / "cache", tmp_path / "cache")
    options = [option for change in SMALL for option in ("--set", change)]
    arguments = ["run", str(SCENARIOS / "tiny.yaml"), "--seeds", "2", "--backend", "inprocess", *options]
    done = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path), "--check"])
    assert done.stdout.startswith("Sharing ")
    assert "As plain features the same pools " in done.stdout
    assert "2 seeds: intervals (95 %) are over held-out images and seeds together" in done.stdout
    assert str(done.exception).count("row 12 above row 11") == 1
    assert "seed=" not in done.stdout
    assert isinstance(done.exception, ExpectationFailed | ExpectationUndecided)
    means = pd.read_parquet(tmp_path / "tiny_sweep" / "means.parquet")
    assert set(means.query("metric == 'top1'")["seeds"]) == {2}


def test_the_page_has_all_figures_and_no_address(undisturbed: Swept) -> None:
    page = (undisturbed.folder / "report.html").read_text()
    assert page.count("<svg") == 4
    for word in (
        "entity a3",
        "Poisoned features",
        "raw images of all",
        "gain of sharing",
        "cost, points of top-1",
        "The answer",
        "95 % interval over held-out images and seeds together",
    ):
        assert word in page, word
    assert "src=" not in page
    assert "<script" not in page


def test_more_values_and_more_seeds_cost_only_their_own_cells(undisturbed: Swept, tmp_path: Path) -> None:
    where, told = Where("inprocess", out=tmp_path), list[Any]()
    sweep(*read("entities.a4.share=0.05", seeds=1), where, lambda event: None)
    again = sweep(*read(), where, told.append)
    started = [event["cell"] for event in told if event["event"] == "cell"]
    assert started == ["entities.a4.share=0.05 seed=1", "entities.a4.share=0.1 seed=0", "entities.a4.share=0.1 seed=1"]
    assert (again.cells, again.finished_before) == (4, 1)
    pd.testing.assert_frame_equal(table(again.folder), table(undisturbed.folder))


def test_what_cells_share_is_played_once_as_the_outlook_says(tmp_path: Path) -> None:
    where = Where("inprocess", out=tmp_path)
    before = outlook(*read(seeds=1), where)
    assert not before.is_measured  # from passes over images: nothing like these was played here
    assert [cell.cached for cell in before.cells] == [0, 0]
    assert before.cells[0].shared == 0 < before.cells[1].shared
    told: list[Any] = []
    sweep(*read(seeds=1), where, told.append)
    played = Counter(event["job"] for event in told if event["event"] == "done")
    assert played["decode public"] == played["refine oracle row 5"] == 1
    assert played["poison a4"] == 2
    assert played.total() == sum(cell.jobs - cell.shared - cell.cached for cell in before.cells)
    after = outlook(*read("entities.a4.share=0.05,0.1,0.2", seeds=1), where)
    assert [cell.is_finished for cell in after.cells] == [True, True, False]
    assert after.cells[2].cached > 0
    assert after.seconds
    assert after.unknown == ()


def test_a_cell_that_fails_is_a_line_of_the_failures_and_the_others_go_on(tmp_path: Path) -> None:
    spec, cells = read("refine.learning_rate=0.02,1e30", "refine.epochs=4", seeds=1)
    swept = sweep(spec, cells, Where("inprocess", out=tmp_path), lambda event: None)
    (failure,) = swept.failures
    assert failure.cell == "refine.learning_rate=1e+30 refine.epochs=4 seed=0"
    assert "diverged" in failure.reason
    assert "--only 'refine" in failure.reason
    assert set(table(swept.folder)["refine.learning_rate"]) == {0.02}
    assert json.loads((swept.folder / "failures.json").read_text())[0]["cell"] == failure.cell
    assert "Cells that failed" in (swept.folder / "report.html").read_text()


def drive(out: Path, seeds: int) -> None:
    """The sweep, in a process of its own."""
    sweep(*read(seeds=seeds), Where("inprocess", out=out), lambda event: None)


def finished(out: Path) -> int:
    cells = list(out.glob("tiny_sweep/cells/*.parquet"))
    return sum(not path.stem.endswith("-answers") for path in cells)


def test_a_sweep_whose_driver_was_killed_plays_the_missing_cells_only(undisturbed: Swept, tmp_path: Path) -> None:
    driver = FORKS.Process(target=drive, args=(tmp_path, 2))
    driver.start()
    deadline = time.monotonic() + 120
    while finished(tmp_path) < 1 and time.monotonic() < deadline:
        time.sleep(0.02)
    driver.kill()
    driver.join(10)
    assert driver.exitcode == -signal.SIGKILL
    done = finished(tmp_path)
    assert 1 <= done < 4
    told: list[Any] = []
    again = sweep(*read(), Where("inprocess", out=tmp_path), told.append)
    assert again.finished_before == done
    assert sum(event["event"] == "cell" for event in told) == 4 - done
    pd.testing.assert_frame_equal(table(again.folder), table(undisturbed.folder))


def test_two_sweeps_over_one_cache_share_their_stages_and_give_the_same_table(
    undisturbed: Swept, tmp_path: Path
) -> None:
    drivers = [FORKS.Process(target=drive, args=(tmp_path, 1)) for _ in range(2)]
    for driver in drivers:
        driver.start()
    for driver in drivers:
        driver.join(300)
    assert [driver.exitcode for driver in drivers] == [0, 0]
    found, of_two_seeds = table(tmp_path / "tiny_sweep"), table(undisturbed.folder)
    pd.testing.assert_frame_equal(found, of_two_seeds[of_two_seeds.seed == 0].reset_index(drop=True))
    logs = [path.read_text().splitlines() for path in tmp_path.glob("tiny/*/metrics.jsonl")]
    events = [json.loads(line) for log in logs for line in log]
    entries = len(list(tmp_path.glob("cache/shared/*/entry.json"))) + len(
        list(tmp_path.glob("cache/private/*/*/entry.json"))
    )
    assert sum(event["event"] == "done" for event in events) == entries  # each stage was played by one of the two
