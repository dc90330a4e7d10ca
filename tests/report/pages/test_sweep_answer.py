"""The first sentences of a sweep's page, and intervals that two seeds do not blow up."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from collab.report.pages.sweep_answer import answer_sweep
from collab.results.aggregate import Mean, average_seeds
from collab.results.figure import Figure
from collab.results.gains import list_gains
from collab.scenario.model import Refinement
from tests.report.made_up import row, rows, scenario

STATES = ("original", "poisoned")


def answer(means: Sequence[Mean], rows: Sequence[Refinement]) -> tuple[str, ...]:
    return answer_sweep(means, rows, [f"a{number}" for number in range(1, 5)])


def mean(entity: str, value: float, reach: float, axis: float | None = None, row: str = "7") -> Mean:
    values = () if axis is None else (("share", axis),)
    return Mean(values, row, entity, "gain[top1]", Figure(value, value - reach, value + reach, 3))


def main(entity: str) -> Mean:
    return Mean((), "c_own_" + entity, entity, "top1", Figure(0.5, 0.4, 0.6, 3))


def test_who_gains_and_who_loses_is_said_with_intervals() -> None:
    told = answer([mean("a1", 0.05, 0.01), mean("a2", -0.02, 0.01, row="8"), main("a1")], scenario().refinements)
    assert told[0] == "Sharing helped a1 (+5.0, +4.0 to +6.0); it cost a2 (-2.0, -3.0 to -1.0)."
    assert "own features alone" in told[1]
    assert told[-1].startswith("3 seeds: intervals (95 %) are over held-out images and seeds together")


def test_what_there_was_to_gain_is_said_beside_it() -> None:
    means = [mean("a1", -0.01, 0.02), mean("a1", 0.03, 0.01, row="c_unpoisoned_7"), main("a1")]
    told = answer(means, scenario().refinements)[0]
    assert told.endswith(". As plain features the same pools helped a1 (+3.0, +2.0 to +4.0).")


def test_gains_on_own_images_are_told_first_where_entities_differ() -> None:
    local = replace(mean("a1", 0.08, 0.01), metric="gain[top1]_local")
    told = answer([mean("a1", -0.05, 0.01), local, main("a1")], scenario().refinements)
    assert told[:4] == (
        "Each on held-out images of its own:", "Sharing helped a1 (+8.0, +7.0 to +9.0).",
        "On the held-out images of all:", "Sharing cost a1 (-5.0, -6.0 to -4.0).",
    )  # fmt: skip


def test_where_nobody_could_gain_the_answer_begins_with_what_is_disclosed() -> None:
    hidden = [Mean((), "tables_1_2", "a1", f"ssim[11]_{state}", Figure(0.5, 0.4, 0.6, 3)) for state in STATES]
    told = answer([*hidden, main("a1")], ())
    assert told[0].startswith("The released reconstructor rebuilds images with SSIM ")
    pooled = answer([*hidden, main("a1")], scenario().refinements)
    assert pooled[0].startswith("What sharing brings was not measured")


def test_alternatives_of_one_entity_are_told_by_their_rows() -> None:
    made = scenario('refinements=[{row: x, entity: a1, own: features, pool: [a2]}, {row: y, entity: a1, own: features,'
                    ' pool: [a3]}, {row: z, entity: a1, own: features, pool: [a2]}]', "expect=null")  # fmt: skip
    found = [mean("a1", value, 0.01, row=name) for name, value in (("x", 0.9), ("y", 0.05), ("z", -0.02))]
    told = answer([*found, main("a1")], made.refinements)[0]  # of one pool the later row
    assert told == "Sharing helped a1 by y (+5.0, +4.0 to +6.0); it cost a1 by z (-2.0, -3.0 to -1.0)."


def test_of_controls_and_of_who_publishes_nothing_is_told_of_no_disclosure() -> None:
    found = [
        replace(mean(name, value, 0.1, row="by spy"), metric="leakage[ssim_max]", attack="matching")
        for name, value in (("a2", 0.3), ("control_plain", 1.1))
    ]
    told = answer([*found, main("a1")], scenario().refinements)
    assert any("leakage 0.30 [0.20, 0.40] (matching on a2;" in sentence for sentence in told)


def test_each_point_has_its_sentence_and_many_points_are_counted() -> None:
    told = answer([mean("a1", 0.05, 0.1, axis / 10) for axis in range(10)], scenario().refinements)
    assert told[1] == "At share = 0.1 sharing made no clear difference for a1 (+5.0, -5.0 to +15.0)."
    assert told[8] == "2 more points stand in the table below."


def test_two_seeds_give_no_band_beyond_0_and_100_percent_nor_one_that_says_nothing() -> None:
    stated = scenario()
    cells = []
    for shift in (0.0, 0.04):
        found = rows(stated, {str(row.name): 0.9 + shift for row in stated.refinements} | {"c_public": 0.5})
        cells.append(({}, [*found, *list_gains(stated, found)]))
    means = {(each.row, each.entity, each.metric): each.figure for each in average_seeds(cells)}
    shown = means["7", "a1", "top1"]
    assert shown.low is not None
    assert shown.high is not None
    assert 0.5 < shown.low < 0.92 < shown.high <= 1.0  # two seeds alone: from .67 to 1.17
    gain = means["7", "a1", "gain[top1]"]
    assert gain.reach is not None
    assert gain.reach < 0.1


def test_rows_that_differ_more_by_their_kind_do_not_widen_others() -> None:
    cells = []
    for seed in range(3):
        names = {"c_unpoisoned_7": 0.6 + 0.002 * seed, "c_all_poisoned_7": 0.5 + 0.06 * seed}
        cells.append(({}, [row(name, "a1", "top1", value, 0.001) for name, value in names.items()]))
    reach = {each.row: each.figure.reach or 0.0 for each in average_seeds(cells)}
    assert reach["c_unpoisoned_7"] == pytest.approx(4.30265 * 0.002 / 3**0.5, rel=1e-4)  # Student's, two degrees
    assert reach["c_all_poisoned_7"] == pytest.approx(4.30265 * 0.06 / 3**0.5, rel=1e-4)


def test_one_seed_has_the_interval_of_its_images() -> None:
    (found,) = average_seeds([({}, [row("7", "a1", "top1", 0.6, 0.05)])])
    assert (found.figure.low, found.figure.high, found.figure.n) == (pytest.approx(0.55), pytest.approx(0.65), 1)
