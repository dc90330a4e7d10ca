"""Tables of disclosure, contact sheets, and what a sweep says of cost and disclosure."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from collab.errors import StoreError
from collab.report.cells import Table
from collab.report.figures.poisoning import draw_costs
from collab.report.figures.sheets import make_contact_sheet
from collab.report.pages.page import write_page
from collab.report.tables.tables import make_tables
from collab.results.aggregate import Mean
from collab.results.figure import Figure
from collab.results.table import Result
from collab.scenario.model import Scenario
from collab.store.pictures import Sheet, read_pictures, write_pictures
from tests.report.made_up import row, rows, scenario, write_run


def sheet(seed: int = 0, *, gallery: int = 1000, count: int = 4) -> Sheet:
    original = np.random.default_rng(99).integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)
    draw = np.random.default_rng(seed)
    plain, hidden = (draw.integers(0, 256, original.shape, dtype=np.uint8) for _ in range(2))
    ranks = np.full(count, np.nan if gallery < 1000 else 7.0)
    score = np.linspace(0, 0.3, count)
    return Sheet(
        "ssim[11]", gallery, np.arange(count), score + 0.5, score, np.ones(count), ranks, original, plain, hidden
    )


def disclosed(stated: Scenario) -> list[Result]:
    made = [row("recognizer", None, "recognized_true", 0.8), row("recognizer", None, "pdist_prior_class_mean", 0.9)]
    for name, value in (("mean", 0.1), ("unrelated", 0.1), ("class_mean", 0.3)):
        made.append(row("recognizer", None, f"recognized_prior_{name}", value))
    for entity in stated.entities:
        for metric, value in (
            ("ms_ssim[2,7]_original", 0.7), ("ms_ssim[2,7]_poisoned", 0.1), ("pdist_original", 0.2),
            ("pdist_poisoned", 1.1), ("ssim_max[7]_poisoned", 0.1), ("ssim_max[7]_poisoned_median", 0.09),
            ("ssim_max[7]_poisoned_p95", 0.2), ("ssim_max[7]_poisoned_p99", 0.25),
            ("ssim_max[7]_poisoned_above_half", 0.0),
            ("recognized_original", 0.75), ("recognized_poisoned", 0.11), ("rank1[pixels]_original", 0.9),
            ("rank1[pixels]_poisoned", 0.001), ("rank5[pixels]_poisoned", 0.005),
            ("rank_median[pixels]_poisoned", 480.0),
        ):  # fmt: skip
            made.append(row("disclosure", entity.name, metric, value))
        made.append(row("disclosure", entity.name, "ssim_max[7]_poisoned_worst", 0.4, None))
        made.append(row("disclosure", entity.name, "gallery", 1200.0, None, n=None))
    return made


def titled(made: tuple[Table, ...], begin: str) -> Table:
    (found,) = [each for each in made if each.title.startswith(begin)]
    return found


def test_both_tables_say_what_was_measured_beside_guesses_and_chance() -> None:
    stated = scenario()
    made = make_tables(stated, rows(stated) + disclosed(stated))
    near = titled(made, "Disclosure: how near")
    line = dict(zip(near.columns, near.lines[0], strict=True))
    assert line["worst"] == "0.400"
    assert line["95 %"] == "0.200 ±0.010"
    assert "pdist 0.900 ±0.010" in " ".join(near.notes)
    told = titled(made, "Disclosure: whether")
    line = dict(zip(told.columns, told.lines[1], strict=True))
    assert line["named: original, %"] == "75.0 ±1.0"
    assert line["median rank"] == "480 ±0"
    notes = " ".join(told.notes)
    assert "80.0 ±1.0 % of true images" in notes
    assert "class mean 30.0 ±1.0 %" in notes
    assert "0.1 % at rank 1, median rank 600" in notes


def test_without_disclosure_there_are_no_such_tables_and_without_a_gallery_no_ranks() -> None:
    stated = scenario()
    assert not any("Disclosure" in each.title for each in make_tables(stated, rows(stated)))
    small = [
        replace(each, value=900.0) if each.metric == "gallery" else each
        for each in disclosed(stated)
        if not each.metric.startswith("rank")
    ]
    told = titled(make_tables(stated, rows(stated) + small), "Disclosure: whether")
    assert not any("rank" in column for column in told.columns)
    assert "needs 1,000 held-out images, and there are 900" in " ".join(told.notes)


def test_a_sheet_shows_everybody_the_same_images_and_where_they_are_found() -> None:
    one, other = sheet(1), replace(sheet(2), from_original=sheet(1).from_original)
    made = make_contact_sheet({"a1: dpm": one, "a2: none": other})
    assert made is not None
    assert [line.name for line in made.lines] == ["original", "from plain features", "a1: dpm", "a2: none"]
    assert made.lines[2].below[1] == "0.10, 7."
    assert len({len(line.images) for line in made.lines}) == 1
    apart = make_contact_sheet({"conv2_1": one, "conv4_1": sheet(3)})
    assert apart is not None
    assert [line.name for line in apart.lines] == ["original", "conv2_1: plain", "conv2_1", "conv4_1: plain", "conv4_1"]
    assert make_contact_sheet({}) is None


def test_ranks_in_a_small_gallery_and_other_images_are_left_out() -> None:
    made = make_contact_sheet(
        {"a1": sheet(gallery=50), "a2": replace(sheet(gallery=50), original=sheet(5).from_original)}
    )
    assert made is not None
    assert made.lines[2].below[1] == "0.10"
    assert made.left_out == 1


def test_a_sheet_is_read_as_it_was_written_and_nothing_else_is(tmp_path: Path) -> None:
    assert read_pictures(tmp_path, Sheet) is None
    write_pictures(tmp_path, sheet())
    found = read_pictures(tmp_path, Sheet)
    assert found is not None
    assert (found.metric, found.gallery) == ("ssim[11]", 1000)
    assert np.array_equal(found.from_poisoned, sheet().from_poisoned)
    write_pictures(tmp_path, replace(sheet(), rank_poisoned=np.ones(3)))
    with pytest.raises(StoreError, match="not 4 of everything"):
        read_pictures(tmp_path, Sheet)


def test_the_page_has_the_sheet_with_a_text_for_each_picture(tmp_path: Path) -> None:
    stated = scenario()
    run = write_run(tmp_path / "run", stated, rows(stated) + disclosed(stated))
    for name in ("a1", "a2"):
        write_pictures(run / "pictures" / name, sheet())
    page = write_page(run).read_text()
    shown = re.findall(r'<table class="sheet">.*?</table>', page, re.DOTALL)
    assert len(shown) == 1
    assert shown[0].count("<img") == shown[0].count('alt="Image') == 4 * 4
    assert "looked up among 1,000 images" in page


def test_the_frontier_needs_two_points_and_draws_each() -> None:
    def point(value: float) -> list[Mean]:
        values = (("lambda", value),)
        found = {"ssim_max[11]_poisoned": 0.1 * value, "top1_original": 0.9, "top1_poisoned": 0.9 - 0.01 * value}
        return [Mean(values, "tables_1_2", "a1", metric, Figure(mean, n=1)) for metric, mean in found.items()]

    assert draw_costs(point(1.0), ["lambda"]) == ""
    drawn = draw_costs(point(1.0) + point(2.5), ["lambda"])
    assert ">1</text>" in drawn
    assert ">2.5</text>" in drawn
