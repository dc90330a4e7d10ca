"""The answer in plain words says what rows say, and nothing else."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab.report.pages.summary import Summary, summarize
from collab.report.tables.crossings import sum_crossings
from collab.results.paired import subtract
from collab.results.words import format_duration, format_signed, format_size, join_names, state_basis
from tests.report.made_up import crossings, pictures, row, rows, scenario

SCENARIO = scenario()
SENT = sum_crossings([entity.name for entity in SCENARIO.entities], crossings(SCENARIO), 16)


def told(attacked: float | None = None, **top1: float) -> Summary:
    return summarize(
        SCENARIO, rows(SCENARIO, {key.removeprefix("r"): at for key, at in top1.items()}, attacked), SENT, {}, ()
    )


def test_who_gained_is_who_is_clearly_above_the_better_of_two_references() -> None:
    answer = told(r12=0.6, r8=0.6, c_own_a2=0.59, c_own_a4=0.55, r7=0.4, c_unpoisoned_12=0.65)
    ways = {gain.entity: gain.change.direction for gain in answer.gains}
    assert ways == {"a1": -1, "a2": 0, "a3": 0, "a4": 1}
    assert answer.gained == (
        "Sharing helped a4: +5.0 points of top-1. It cost a1 accuracy. "
        "For a2 and a3 the change is smaller than 100 held-out images and one seed can tell. "
        "Unpoisoned, the same pools would have brought a4 +10.0 ±1.4 points of top-1."
    )
    assert told(r7=0.4).gained.startswith("Sharing cost a1 accuracy.")
    assert told().gained.endswith("Unpoisoned, the same pools would have brought nobody a clear gain.")
    assert next(gain for gain in answer.gains if gain.entity == "a4").told == (
        "gained 5.0 points of top-1 (95 % interval +3.6 to +6.4): from 55.0 % with its own features alone to 60.0 % "
        "with the pool of a1, a2 and a3 (row 12)."
    )


def test_the_row_of_the_largest_pool_speaks_for_an_entity_even_if_another_is_better() -> None:
    answer = told(r11=0.9, r12=0.5)
    (gain,) = (gain for gain in answer.gains if gain.entity == "a4")
    assert (gain.row, gain.pool) == ("12", ("a1", "a2", "a3"))
    assert "helped" not in answer.gained


def test_each_of_several_pools_of_one_size_is_told_and_none_picked_for_its_figure() -> None:
    one, other, longer = ({"row": name, "entity": "a3", "own": "features", "pool": pool} for name, pool in
                          (("of_a1", ["a1"]), ("of_a2", ["a2"]), ("of_both", ["a1", "a2"])))  # fmt: skip
    alike, apart = (scenario(f"refinements={json.dumps(stated)}", "expect=null") for stated in
                    ([one, other], [one, other, longer]))  # fmt: skip
    top1 = {"of_a1": 0.6, "of_a2": 0.45, "of_both": 0.5}
    assert (
        "Pools of a3 of the same size: of_a1 +10.0 ±1.4 and of_a2 -5.0 ±1.4 points of top-1."
        in summarize(alike, rows(alike, top1), SENT, {}, ()).gained
    )
    assert "same size" not in summarize(apart, rows(apart, top1), SENT, {}, ()).gained


def test_without_a_reference_or_a_pool_nothing_is_claimed() -> None:
    bare = [each for each in rows(SCENARIO) if not each.row.startswith("c_")]
    answer = summarize(SCENARIO, bare, SENT, {}, ())
    assert not answer.gains
    assert "was not measured" in answer.gained
    alone = scenario("refinements=[{row: 1, entity: a1, own: images}]")
    assert "No row of this scenario reads a pool" in summarize(alone, rows(alone), SENT, {}, ()).gained


def test_who_does_better_alone_is_told_so() -> None:
    assert "a2 does better without any of this" in told(r2=0.9, r8=0.6).cautions[0]
    assert not any("without any" in each for each in told(r2=0.6, r8=0.6).cautions)


def test_the_nearest_images_of_an_attack_are_told_by_their_mean_and_beside_a_guess() -> None:
    """A share or a worst case of `ssim_max` is larger than any mean, and no SSIM of an attack."""
    about = {"above_half": 1.0, "worst": 0.97, "p95": 0.9, "open": 0.8, "prior_mean": 0.1, "prior_class_mean": 0.15}
    made = rows(SCENARIO, attacked=0.4)
    made += [row("by a1", "a2", f"ssim_max[7]_{what}", value, attack="own_module") for what, value in about.items()]
    answer = summarize(SCENARIO, made, SENT, {}, ())
    told = "reach SSIM 0.400 on the average (own_module on a2); the best guess about them has 0.150."
    assert told in answer.disclosed
    shown = {each.entity: each.attack.value if each.attack else None for each in answer.disclosures}
    assert shown == {"a1": None, "a2": 0.4, "a3": 0.4, "a4": 0.4}


def test_where_nobody_attacked_that_is_said() -> None:
    assert "ttack" not in told().disclosed
    assert any("No attack was played" in each for each in told().cautions)
    assert not any("No attack was played" in each for each in told(0.15).cautions)


def test_the_worst_single_image_is_named() -> None:
    answer = summarize(SCENARIO, rows(SCENARIO), SENT, {"a3": pictures(worst=0.375), "a1": pictures(worst=0.25)}, ())
    assert "The worst single image reaches 0.375 (a3)." in answer.disclosed
    assert "0.020 at the most" in answer.disclosed
    assert "less than the 0.150 of a guess" in answer.disclosed


def test_bytes_are_those_of_the_ledger_and_shards_are_counted_once() -> None:
    first, *_, last = SENT
    assert (first.rows, first.published, first.per_image, first.raw, first.released) == (100, 10**6, 1e4, 768, 1000)
    assert (first.read, last.read) == (0, 3 * 10**6)
    assert told().cost == (
        "4 entities published 4.0 MB of poisoned features for 400 images: 10.0 kB for each, 13.0 times its raw pixels."
    )


@given(*[st.floats(0, 1), st.floats(0.001, 0.2)] * 2)
def test_a_difference_of_symmetric_intervals_has_a_closed_form(a: float, p: float, b: float, q: float) -> None:
    found = subtract(row("1", "a1", "top1", a, p), row("2", "a1", "top1", b, q))
    assert found is not None
    assert found.low is not None
    assert found.value - found.low == pytest.approx(math.hypot(p, q))
    back = subtract(row("2", "a1", "top1", b, q), row("1", "a1", "top1", a, p))
    assert back is not None
    assert back.low == pytest.approx(-found.high)
    assert found.direction == (abs(a - b) > math.hypot(p, q)) * (1 if a > b else -1)


def test_numbers_in_words() -> None:
    assert [format_size(count) for count in (0, 999, 1000, 9_836_570, 123_456_789_012)] == [
        "0 bytes", "999 bytes", "1.0 kB", "9.8 MB", "123 GB",
    ]  # fmt: skip
    assert [format_duration(seconds) for seconds in (0.44, 9.96, 119.4, 224.4, 7500)] == [
        "0.4 s", "10 s", "119 s", "3 min 44 s", "2 h 5 min",
    ]  # fmt: skip
    assert join_names(["a"]) == "a"
    assert join_names(list("abcdefgh")) == "a, b, c, d, e and 3 others"
    assert format_signed(None) == "—"


def test_what_figures_rest_on_and_a_stage_of_several_rows_is_paid_once() -> None:
    same = [row("1", "a1", metric, 0.5, seconds=30.25) for metric in ("top1", "top5")]
    other = row("2", "a2", "top1", 0.5, n=50, seconds=1.0)
    assert state_basis([*same, other]) == (
        "n = 50 to 100 images; seed 0; ± is half of the 95 % interval over images. "
        "Cost: 31 s in the stages that measured it."
    )
    assert state_basis([]) == ""


def test_a_network_that_was_stopped_before_it_knew_its_own_images_is_told() -> None:
    trained = [row("1", "a1", "top1_training", 0.98), row("2", "a2", "top1_training", 0.946)]
    made = [*rows(SCENARIO), *trained, row("5", None, "top1_training", 0.95)]
    (caution,) = (each for each in summarize(SCENARIO, made, SENT, {}, ()).cautions if "Frozen" in each)
    assert caution.startswith("Frozen before it had learned: on its own training images a network from scratch is")
    assert "in 94.6 % (row 2), less than 95 %" in caution
    assert not any("Frozen" in each for each in told().cautions)
