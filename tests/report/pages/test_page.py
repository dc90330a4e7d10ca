"""Bars, curves, strips and runs side by side hold what the files of a run hold."""

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from collab.errors import StoreError
from collab.report.figures.bars import MOST_GROUPS, make_bars
from collab.report.figures.losses import MOST_POINTS, make_curves
from collab.report.figures.strips import LARGEST, MOST_BYTES, encode_image, make_strips
from collab.report.pages.compare import UTILITY, compare_results, compare_scenarios, describe_differences
from collab.report.pages.page import write_page
from collab.results.opened import open_run
from tests.report.made_up import CLASSES, pictures, row, rows, scenario, write_run

SCENARIO = scenario()


def test_bars_of_an_entity_go_from_alone_over_the_pool_to_its_upper_bound() -> None:
    drawn = make_bars(SCENARIO, rows(SCENARIO, {"7": 0.6, "c_public": 0.3}))
    assert drawn is not None
    groups = dict(drawn.groups)
    assert list(groups) == ["Entity a1", "Entity a2", "Entity a3", "Entity a4", "All entities together"]
    assert [(bar.row, bar.kind) for bar in groups["Entity a1"]] == [
        ("row 1", "images"), ("c_own_a1", "own"), ("row 6", "bound"), ("row 7", "pool"), ("c_unpoisoned_7", "bound"),
    ]  # fmt: skip
    pool = groups["Entity a1"][3]
    assert drawn.ticks[-1] == (pytest.approx(100 * 60 / 70), "60")  # the scale ends at 70 %: the highest is 61
    assert (pool.length, pool.low, pool.high) == pytest.approx((100 * 60 / 70, 100 * 59 / 70, 100 * 61 / 70))
    assert drawn.reference == pytest.approx(100 * 30 / 70)
    assert pool.told == "60.0 ±1.0"
    assert not any(bar.row.startswith("c_all") for bars in groups.values() for bar in bars)


def test_of_many_entities_some_are_drawn_and_the_rest_counted() -> None:
    entities = [{"name": f"e{at}", "share": 0.04, "defense": "none"} for at in range(20)]
    own = [{"row": at + 1, "entity": f"e{at}", "own": "features", "pool": ["e0" if at else "e1"]} for at in range(20)]
    many = scenario(f"entities={json.dumps(entities)}", f"refinements={json.dumps(own)}", "model.pretrain.by=e0")
    drawn = make_bars(many, rows(many))
    assert drawn is not None
    assert (len(drawn.groups), drawn.left_out) == (MOST_GROUPS, 20 - MOST_GROUPS)
    assert make_bars(many, []) is None


def test_curves_are_drawn_from_the_record_and_missing_ones_are_named() -> None:
    losses = {"poison a1": ((3.0, 1.0, 2.0),), "refine a1 row 7": None, "decode a1": (), "pretrain a1": ((1.0,),)}
    found = make_curves(losses, {"poison a1": {"cached": True}})
    assert [stage for stage, *_ in found.stages] == ["pretrain", "poison"]
    assert (found.missing, found.cached) == (("refine a1 row 7",), 1)
    panel = found.stages[1][1][0]
    assert panel.lines == ("0.0,3.0 50.0,37.0 100.0,20.0",)  # high losses are at the top, where y is small
    assert panel.told == "poison a1: loss from 3 to 2 over 3 epochs"
    assert found.stages[0][1][0].lines == ("0.0,20.0 100.0,20.0",)


def test_long_curves_are_thinned_and_keep_both_ends() -> None:
    losses = {"refine a1 row 7": (tuple(float(at) for at in range(10_000, 0, -1)),)}
    (line,) = make_curves(losses, {}).stages[0][1][0].lines
    points = line.split()
    assert len(points) == MOST_POINTS
    assert (points[0], points[-1]) == ("0.0,3.0", "100.0,37.0")


def test_losses_of_a_job_from_an_old_cache_are_none(tmp_path: Path) -> None:
    run = open_run(write_run(tmp_path, SCENARIO, []))
    assert run.losses["poison a1"] == ((3.0, -0.5), (2.0, -0.25))
    assert (run.losses["decode a1"], run.losses["refine a1 row 7"]) == ((), None)


def test_the_page_lists_every_job_of_the_record_and_marks_those_of_the_cache(tmp_path: Path) -> None:
    page = write_page(write_run(tmp_path, SCENARIO, rows(SCENARIO))).read_text(encoding="utf-8")
    assert 'refine a1 row 7</th><td>2.0 s</td><td class="number">1.0 GB</td><td>yes</td>' in page
    assert "4 stages, 8.0 s of work in all; 2 of them came from the cache" in page
    assert '<figcaption>poison a1 <span class="tag">cache</span>' in page


def test_small_pictures_are_kept_to_the_bit_and_large_ones_are_reduced() -> None:
    image = np.random.default_rng(0).integers(0, 256, (3, 32, 32), dtype=np.uint8)
    head, data = encode_image(image).split(",")
    assert head == "data:image/png;base64"
    drawn = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    np.testing.assert_array_equal(drawn.transpose(2, 0, 1), image)
    head, data = encode_image(np.zeros((3, 224, 224), np.uint8)).split(",")
    assert head == "data:image/jpeg;base64"
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (LARGEST, LARGEST)


@pytest.mark.parametrize(("entities", "side"), [(1, 16), (4, 32), (4, 224), (60, 32), (30, 224)])
def test_strips_never_make_the_page_heavy_and_the_worst_entity_is_never_left_out(entities: int, side: int) -> None:
    shown = pictures(4, side)
    found, left_out = make_strips(
        {f"e{at}": shown for at in range(entities)} | {"worst": pictures(4, side, worst=0.9)}, CLASSES
    )
    sizes = sum(len(source) for each in found for strip in (*each.worst, *each.median) for source in strip.sources)
    assert 0 < sizes <= MOST_BYTES
    assert len(found) + left_out == entities + 1
    assert "worst" in {each.entity for each in found}
    assert found[0].worst[0].label in CLASSES


def test_runs_side_by_side_show_what_was_changed_and_what_it_did(tmp_path: Path) -> None:
    other = scenario("seed=3", "entities.a2.defense.lambda=0.25", "refinements.7.pool=[a2, a3]")
    one = open_run(write_run(tmp_path / "one", SCENARIO, rows(SCENARIO)))
    two = open_run(
        write_run(tmp_path / "two", other, [*rows(other, {"7": 0.6, "8": 0.4}), row("13", "a1", "top1", 0.7)])
    )
    differing = compare_scenarios([one, two])
    assert {key: tuple(values) for key, *values in differing.lines} == {
        "seed": ("0", "3"), "entities.a2.defense.lambda": ("1.0", "0.25"), "refinements.7.pool": ("a2", "a2, a3"),
    }  # fmt: skip
    first, said = describe_differences([one, two], differing)
    assert first == "The scenarios differ in seed, entities.a2.defense.lambda and refinements.7.pool."
    assert "B is clearly better than A in 1 and clearly worse in 1" in said
    accuracy = next(table for table in compare_results([one, two]) if table.title.startswith(UTILITY))
    lines = {line[0]: line for line in accuracy.lines}
    assert lines["7"] == ("7", "a1", "50.0 ±1.0", "60.0 ±1.0", "+10.0 ±1.4", "B")
    assert lines["9"] == ("9", "a3", "50.0 ±1.0", "50.0 ±1.0", "+0.0 ±1.4", "")
    assert lines["13"] == ("13", "a1", "—", "70.0 ±1.0", "—", "")
    assert [line[0] for line in accuracy.lines][:12] == [str(at) for at in range(1, 13)]


def test_equal_scenarios_are_said_to_be_equal(tmp_path: Path) -> None:
    runs = [open_run(write_run(tmp_path / name, SCENARIO, rows(SCENARIO))) for name in "ab"]
    assert "The scenarios are the same" in describe_differences(runs, compare_scenarios(runs))[0]


def test_what_is_no_run_is_refused_with_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"no run that ended: there is no scenario\.yaml, results\.parquet"):
        open_run(tmp_path)
    run = write_run(tmp_path, SCENARIO, [])
    (run / "record.json").write_text("{")
    with pytest.raises(StoreError, match="is no JSON"):
        open_run(run)
