"""Gains and verdicts are rows of results, and pages tell the same numbers."""

import math
from pathlib import Path

import pytest

from collab.report.pages.page import draw_page
from collab.report.pages.summary import summarize
from collab.report.tables.tables import make_tables
from collab.results.catalog import is_points
from collab.results.gains import find_without_sharing, list_gains, name_reference
from collab.results.opened import open_run
from collab.results.results import Results
from collab.results.table import Result
from collab.tasks import MAIN_METRIC
from collab.verdicts.verdicts import judge, list_verdicts
from tests.report.made_up import row, rows, scenario, write_run


def test_a_gain_is_the_row_minus_the_better_control_with_both_intervals() -> None:
    stated = scenario()
    found = rows(stated, {"7": 0.60, "c_own_a1": 0.53, "c_public": 0.50})
    (gain,) = [each for each in list_gains(stated, found) if each.row == "7"]
    reach = math.hypot(0.01, 0.01)
    assert (gain.entity, gain.metric, gain.n, gain.seed) == ("a1", "gain[top1]", 100, 0)
    assert (gain.value, gain.low, gain.high) == pytest.approx((0.07, 0.07 - reach, 0.07 + reach))
    assert (gain.seconds, gain.device, gain.attack) == (None, None, None)


def test_what_the_page_tells_is_what_results_hold() -> None:
    stated = scenario()
    found = rows(stated, {"7": 0.60, "8": 0.41, "10": 0.55, "12": 0.5})
    held = {(each.row, each.entity): each for each in list_gains(stated, found)}
    told = summarize(stated, found, (), {}).gains
    assert {each.row for each in told} == {"7", "8", "10", "12"}
    for each in told:
        one = held[each.row, each.entity]
        assert (each.change.value, each.change.low, each.change.high) == (one.value, one.low, one.high)
    (table_5,) = [each for each in make_tables(stated, found) if each.title.startswith("Table 5")]
    shown = {line[0]: line[table_5.columns.index("gain")] for line in table_5.lines}
    assert shown["8"] == "-9.0 ±1.4"
    assert {name for name, gain in shown.items() if gain} == {name for name, _ in held}


def test_rows_that_read_nobody_else_have_no_gain() -> None:
    stated = scenario()
    told = {each.row for each in list_gains(stated, rows(stated))}
    assert told >= {"6", "7", "12", "c_unpoisoned_7"}
    assert not told & {"1", "5", "c_own_a1", "c_public"}


def test_a_gain_in_an_error_that_falls_is_above_zero() -> None:
    main = MAIN_METRIC["pose"]
    own, public = row("c_own_a1", "a1", "degrees", 9.0), row("c_public", None, "degrees", 8.0)
    assert find_without_sharing(main, Results([own, public]), "a1") is public
    assert (is_points("gain[top1]"), is_points("gain[degrees]")) == (True, False)


def test_every_verdict_is_a_row_of_its_own() -> None:
    stated = scenario()
    found = rows(stated)
    made = list_verdicts(stated, found)
    assert [(each.value, each.low, each.high, each.verdict) for each in made] == [
        (each.value, each.low, each.high, each.verdict) for each in judge(stated, found)
    ]
    claimed = [each for each in made if "row 5 above row" in each.metric]
    assert [(each.row, each.entity, each.attack) for each in claimed] == [("verdict", None, None)]
    assert claimed[0].metric.startswith("dp_table5: ")


def drawn(folder: Path, made: list[Result]) -> str:
    return draw_page(open_run(write_run(folder, scenario(), made)))


def test_rows_of_gains_and_verdicts_change_no_page(tmp_path: Path) -> None:
    """A run from before results held them reads the same."""
    before = rows(scenario(), {"7": 0.6})
    after = [*before, *list_gains(scenario(), before), *list_verdicts(scenario(), before)]
    first, second = drawn(tmp_path / "run", before), drawn(tmp_path / "run", after)
    assert first == second


def test_gains_say_what_they_are_counted_from() -> None:
    """Without `controls` own features alone are not played, and no page may say that the gain is beyond them."""
    assert name_reference(["7", "c_own_a1", "c_public"]).startswith("the better of own features alone")
    assert "own features alone were not played" in name_reference(["7", "c_public"])
