"""Repeats: other orders of the data, the first as it was; figures are means, with the deviation between them."""

import statistics

import numpy as np
import pytest
import torch

from collab.metrics.paired import crossed_interval
from collab.participants.repeats import average_repeats, repeat_streams
from collab.scenario.reader import read_scenario
from collab.scenario.rows import list_played_rows
from collab.scenario.stage_rows import is_pretraining
from collab.seeding import Stream
from collab.training.tasks import Classification
from tests.places import TINY


def test_each_repeat_draws_otherwise_and_the_first_as_ever() -> None:
    stream = Stream(3, "a1", "refine")
    streams = repeat_streams(stream, 4)
    assert streams[0] == stream
    assert len({each.integer("order") for each in streams}) == 4
    assert repeat_streams(stream, 2) == streams[:2]


def test_figures_are_means_over_repeats_with_their_deviation() -> None:
    task, rng = Classification(("a", "b", "c")), torch.Generator().manual_seed(0)
    outputs, targets = torch.randn(3, 200, 3, generator=rng), torch.randint(0, 3, (200,), generator=rng)
    each = [task.measures(one, targets, 0, "") for one in outputs]
    answers = task.answers(outputs, targets)
    top1, deviation, count = average_repeats(each, answers, "")
    shares = [one[0].value for one in each]
    assert (top1.metric, deviation.metric, count.metric) == ("top1", "top1_sd", "repeats")
    assert top1.value == pytest.approx(statistics.fmean(shares))
    assert (deviation.value, deviation.n, count.value) == (pytest.approx(statistics.stdev(shares)), 3, 3)
    expected = crossed_interval(answers["top1"].values.astype(np.float64), (0, 0, 1, 1))
    assert (top1.low, top1.high) == pytest.approx(expected)
    assert average_repeats(each[:1], task.answers(outputs[:1], targets), "") == list(each[0])


def test_rows_and_their_controls_are_repeated_alike() -> None:
    scenario = read_scenario(TINY, ["refinements.7.repeats=5", "refine.repeats=2"]).scenario
    rows = {str(row.name): row for row in list_played_rows(scenario)}
    name = "7"
    assert [rows[each].repeats for each in (name, f"c_unpoisoned_{name}", f"c_all_poisoned_{name}", "c_own_a1")] == [
        5, 5, 5, None,
    ]  # fmt: skip
    first = scenario.refinements[0]
    assert is_pretraining(scenario, first)
    assert not is_pretraining(scenario, first.model_copy(update={"repeats": 2}))
