"""G in closed form, for figures of which more is better and for errors; and what a run measures of its own rows."""

import math

import numpy as np
import pytest
import torch

from collab.participants.participant import Participant
from collab.report.tables.tables import make_tables
from collab.results.results import Results
from collab.results.table import Result
from collab.results.writing import find_gap
from collab.runtime.play import Played
from collab.scenario.model import Scenario
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
