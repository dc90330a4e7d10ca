"""G in closed form, for figures of which more is better and for errors; and what a run measures of its own rows."""

import math

import numpy as np
import pytest
import torch

from collab.participants.participant import Participant
from collab.report.tables.tables import make_tables
from collab.report.tables.worth import draw_worths, tabulate_worths
from collab.results.figure import Figure
from collab.results.gains import Worth, divide, find_gap, list_rhos, list_worths
from collab.results.results import Results
from collab.results.table import Result
from collab.runtime.play import Played
from collab.scenario.model import Scenario
from collab.scenario.rows import list_played_rows
from collab.store.private import private_folder
from collab.tasks import TASKS
from collab.training.precision import resolve_compute
from tests.report.made_up import row, scenario

TOP1, DEGREES = TASKS["classification"].main, TASKS["pose"].main


def measured(metric: str, published: float | None, poisoned: float) -> Results:
    rows = (("publish", "published", published, 0.03), ("tables_1_2", "poisoned", poisoned, 0.04))
    return Results([row(name, "a1", f"{metric}_{of}", figure, reach) for name, of, figure, reach in rows])


def test_g_is_the_difference_of_two_samples() -> None:
    found = find_gap(TOP1, measured("top1", 0.875, 0.53), "a1")
    assert found is not None
    assert found.value == pytest.approx(0.345)
    assert found.reach == pytest.approx(math.hypot(0.03, 0.04))


def test_of_errors_smaller_ones_are_better_read() -> None:
    found = find_gap(DEGREES, measured("degrees", 4.0, 9.0), "a1")
    assert found is not None
    assert found.value == pytest.approx(5.0)


def test_without_published_rows_there_is_no_g() -> None:
    assert find_gap(TOP1, measured("top1", None, 0.5), "a1") is None
    assert find_gap(TOP1, measured("top1", 0.9, 0.5), "a2") is None


def value(rows: tuple[Result, ...], name: str, metric: str, entity: str = "a2") -> float:
    (found,) = [each for each in rows if (each.row, each.entity, each.metric) == (name, entity, metric)]
    assert found.value is not None
    return found.value


def test_what_is_scored_lies_in_the_shard_and_its_truth_is_the_own_labels(played: Played, small) -> None:  # type: ignore[no-untyped-def]
    stated: Scenario = small()
    reader = Participant("a2", stated, played.run, classes=2, compute=resolve_compute(stated.precision, "cpu"))
    (shard,) = reader.read("a2")
    folder = private_folder(played.run, "a2")
    own, labels = reader.own_features(folder).load()
    order = np.load(folder / "published.npy")
    rows, claimed = shard.load()
    assert torch.equal(claimed, labels[order])
    for metric, features, truth in (("top1_published", rows, claimed), ("top1_own", own, labels)):
        answers = reader.released.decider(features.float()).argmax(1)
        assert value(played.rows, "publish", metric) == (answers == truth).double().mean().item()
    gap = value(played.rows, "publish", "top1_published") - value(played.rows, "tables_1_2", "top1_poisoned")
    assert value(played.rows, "tables_1_2", "gap[top1]") == pytest.approx(gap)


def test_table_1_has_both_and_their_difference() -> None:
    rows = [
        row("tables_1_2", "a1", "top1_original", 0.47), row("tables_1_2", "a1", "top1_poisoned", 0.53),
        row("publish", "a1", "top1_own", 0.51), row("publish", "a1", "top1_published", 0.87),
    ]  # fmt: skip
    (table,) = [each for each in make_tables(scenario(), rows) if each.title.startswith("Table 1")]
    found = dict(zip(table.columns, table.lines[0], strict=True))
    assert (found["own rows"], found["published"], found["G"]) == ("51.0 ±1.0", "87.0 ±1.0", "+34.0 ±1.4")


def test_rho_of_independent_halves_is_fiellers_interval() -> None:
    """Without common errors: (g - rho w)^2 = r_g^2 + rho^2 r_w^2 at both ends, which the textbook solves so."""
    gain, whole = Figure(0.03, 0.01, 0.05), Figure(0.06, 0.03, 0.09)
    apart = math.hypot(0.02, 0.03)
    found = divide(gain, whole, Figure(-0.03, -0.03 - apart, -0.03 + apart))
    assert found is not None
    assert found.value == pytest.approx(0.5)
    for end in (found.low, found.high):
        assert end is not None
        assert (0.03 - end * 0.06) ** 2 == pytest.approx(0.02**2 + end**2 * 0.03**2)


def test_of_equal_rows_rho_is_one_without_an_interval() -> None:
    gain = Figure(0.06, 0.03, 0.09)
    found = divide(gain, gain, Figure(0.0, 0.0, 0.0))
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((1, 1, 1))


@pytest.mark.parametrize(
    "whole", [Figure(0.02, -0.01, 0.05), Figure(-0.05, -0.08, -0.02), Figure(0.05), Figure(0.0, 0.0, 0.0)]
)
def test_where_plain_sharing_brings_nothing_clearly_rho_is_undefined(whole: Figure) -> None:
    assert divide(Figure(0.03, 0.01, 0.05), whole, Figure(0.01, -0.02, 0.04)) is None


def test_a_fieller_interval_holds_what_it_should_19_times_of_20() -> None:
    rng, hits = np.random.default_rng(0), 0
    for _ in range(2000):
        common, own, plain = rng.normal(0, 0.01, 3)
        row, alone, shared = 0.53 + common + own / 2, 0.50 + common, 0.56 + common + plain
        errors = [(row - alone, 0.005), (shared - alone, 0.01), (row - shared, math.hypot(0.005, 0.01))]
        found = divide(*(Figure(value, value - 1.96 * sd, value + 1.96 * sd) for value, sd in errors))
        hits += found is not None and found.low <= 0.5 <= found.high  # type: ignore[operator]
    assert hits / 2000 == pytest.approx(0.95, abs=0.015)


def test_rho_compares_a_row_with_the_same_pool_unpoisoned_and_g_with_whom_it_reads() -> None:
    stated = scenario()
    rows = [
        row("7", "a1", "top1", 0.53), row("c_unpoisoned_7", "a1", "top1", 0.56), row("c_own_a1", "a1", "top1", 0.50),
        row("9", "a3", "top1", 0.53), row("c_unpoisoned_9", "a3", "top1", 0.50), row("c_own_a3", "a3", "top1", 0.50),
        row("publish", "a2", "top1_published", 0.9), row("tables_1_2", "a2", "top1_poisoned", 0.5),
    ]  # fmt: skip
    worths = {worth.row: worth for worth in list_worths(TOP1, Results(rows), list_played_rows(stated))}
    assert set(worths) == {"7", "9"}
    assert worths["7"].rho is not None
    assert worths["7"].rho.value == pytest.approx(0.5)
    assert worths["7"].gap is not None
    assert worths["7"].gap.value == pytest.approx(0.4)
    assert worths["9"].rho is None
    found = {each.row: each.value for each in list_rhos(stated, rows)}
    assert found == {"7": pytest.approx(0.5), "9": None}
    (table,) = [each for each in make_tables(stated, rows) if each.title.startswith("Table 5")]
    cells = {line[0]: line[table.columns.index("ρ")] for line in table.lines}
    assert cells["7"].startswith("0.50 [")
    assert (cells["9"], cells["c_own_a1"]) == ("undefined", "")


def test_a_sweep_shows_rho_against_g() -> None:
    worth = Worth("7", "a1", Figure(0.5, 0.2, 0.9), Figure(0.34, 0.3, 0.38))
    places: list[tuple[dict[str, int], Worth]] = [({"epochs": 2}, worth), ({"epochs": 8}, worth)]
    table = tabulate_worths(TOP1, {"epochs": 2}, [*places, ({"epochs": 9}, Worth("7", "a1", None, None))])
    assert table.lines[0] == ("base cell", "7", "a1", "0.50 [0.20, 0.90]", "+34.0 ±4.0")
    assert table.lines[2] == ("epochs = 9", "7", "a1", "undefined", "—")
    drawn = draw_worths(TOP1, {"epochs": 2}, places)
    assert "epochs = 8, row 7" in drawn
    assert "base cell, row 7" in drawn
    assert draw_worths(TOP1, {"epochs": 2}, places[:1]) == ""
