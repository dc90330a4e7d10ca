"""What a sweep in which nobody refines still shows."""

from dataclasses import replace

import pytest

from collab.report.figures.curves import draw_accuracy, draw_line, draw_panels, set_across
from collab.report.figures.poisoning import draw_poisoning, tabulate_poisoning
from collab.results.aggregate import Mean
from collab.results.catalog import CATALOG, Entry
from collab.results.figure import Figure


def mean(metric: str, value: float, weight: float = 0.0, entity: str = "a1", row: str = "tables_1_2") -> Mean:
    return Mean((("lambda", weight), ("blocks", 2)), row, entity, metric, Figure(value, n=1))


FOUND = [
    mean("top1_original", 0.8),
    mean("top1_poisoned", 0.7),
    mean("ssim[11]_original", 0.6),
    mean("ssim[11]_poisoned", 0.01),
    mean("ssim_max[11]_poisoned", 0.5),
    mean("top1_poisoned", 0.6, 1.0),
    mean("top1_poisoned", 0.5, 1.0, entity="a2"),
    mean("top1", 0.9, row="7"),
]


def test_a_point_and_entity_are_a_line_with_what_was_measured() -> None:
    table = tabulate_poisoning(FOUND, ["lambda", "blocks"])
    assert [line[:3] for line in table.lines] == [("0", "2", "a1"), ("1", "2", "a1"), ("1", "2", "a2")]
    assert table.columns[:5] == ("lambda", "blocks", "entity", "top-1 % original", "poisoned")
    assert table.columns[5:] == ("L1 original", "poisoned", "SSIM original", "poisoned")
    assert table.lines[0][3:] == ("80.0", "70.0", "—", "—", "0.600", "0.010")


def test_a_metric_that_the_catalog_places_in_table_2_has_a_column(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CATALOG, "sharpness", Entry("sharpness", "sharpness", "", digits=2, place="reconstruction"))
    table = tabulate_poisoning([*FOUND, mean("sharpness[3]_poisoned", 0.314)], ["lambda", "blocks"])
    assert [line[table.columns.index("sharpness poisoned")] for line in table.lines] == ["0.31", "—", "—"]


def test_points_of_seeds_alone_have_no_column_of_an_axis() -> None:
    (line,) = tabulate_poisoning([replace(FOUND[2], values=())], []).lines
    assert line == ("a1", "—", "—", "—", "—", "0.600", "—")


def test_the_figure_has_a_line_for_each_entity_and_other_point() -> None:
    drawn = draw_poisoning(FOUND, ["lambda", "blocks"])
    assert drawn.count("a1, blocks = 2") == drawn.count("a2, blocks = 2") == 1  # one legend for both panels
    assert "SSIM of R" in drawn


@pytest.mark.parametrize("found", [[], FOUND[-1:]])
def test_nothing_measured_is_nothing_drawn(found: list[Mean]) -> None:
    assert draw_poisoning(found, ["lambda"]) == ""
    assert tabulate_poisoning(found, ["lambda", "blocks"]).lines == ()


def test_rows_of_nobody_draw_no_accuracy() -> None:
    assert draw_accuracy(FOUND, ["lambda"], {}) == ""


@pytest.mark.parametrize(
    ("values", "scale"),
    [((0.3, 1, 100), "log"), ((0.02, 0.1, 0.2), "linear"), ((0, 1, 100), "linear"), (("conv3_1", "conv4_1"), "linear")],
)
def test_an_axis_of_wide_range_is_logarithmic(values: tuple[float | str, ...], scale: str) -> None:
    _, (panel,) = draw_panels(1)
    found = [Mean((("x", value),), "7", "a1", "top1", Figure(0.5, n=1)) for value in values]
    draw_line(panel, found, "line", "-", 0)
    set_across(panel, "x", found)
    assert panel.get_xscale() == scale
