"""What is known of a metric is said once, and whoever adds one adds it in one place."""

import re
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from collab.report.pages.compare import ATTACKS, POISONING, compare_results
from collab.report.tables.tables import make_tables
from collab.results.catalog import BEGIN, CATALOG, END, Entry, dictionary, entry_of, is_points, is_share
from collab.results.opened import Opened
from collab.results.table import Result
from collab.scenario.reader import read_scenario

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = {
    "w": ["7", "2,7"], "k": ["1", "5"], "name": ["a1", "pixels"], "main": ["top1", "degrees"], "number": ["3"],
    "reader": ["plain", "fixed"], "what": ["original", "poisoned"], "guess": ["class_mean"],
}  # fmt: skip
SHARPNESS = Entry("sharpness", "sharpness", "how sharp images are", "per pixel", "down", scale=10.0, digits=2)


def examples(name: str) -> list[str]:
    """Names of results that a name with words in braces stands for."""
    parts = re.split(r"\{(\w+)\}", name)
    choices = [EXAMPLES[part] if at % 2 else [part] for at, part in enumerate(parts)]
    return ["".join(chosen) for chosen in product(*choices)]


def row(name: str, entity: str | None, metric: str, value: float, attack: str | None = None) -> Result:
    return Result("tiny", name, entity, "dpm", attack, metric, value, value - 0.01, value + 0.01, 50, 0)


def run_with(metric: str, value: float) -> tuple[Opened, list[Result]]:
    scenario = read_scenario(ROOT / "scenarios" / "tiny.yaml").scenario
    rows = [
        row("tables_1_2", "a1", "ssim[7]_original", 0.9), row("tables_1_2", "a1", "ssim[7]_poisoned", 0.1),
        row("tables_1_2", "a1", f"{metric}_poisoned", value), row("disclosure", "a1", "ms_ssim[2,7]_poisoned", 0.1),
        row("disclosure", "a1", f"{metric}_poisoned", value), row("by a4", "a1", "l1", 0.2, "straw_man"),
        row("by a4", "a1", metric, value, "straw_man"),
    ]  # fmt: skip
    run = Opened(
        folder=Path("r"), scenario=scenario, source="", rows=tuple(rows), crossings=(), record={"seconds": 1},
        pictures={}, losses={}, sheets={}, exhibits={},
    )  # fmt: skip
    return run, rows


def test_the_dictionary_of_the_docs_is_that_of_the_catalog() -> None:
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    written = page.partition(BEGIN)[2].partition(END)[0].strip()
    assert written == dictionary(), "run `python -m collab.results.catalog`"


@pytest.mark.parametrize("entry", CATALOG.values(), ids=lambda entry: entry.quantity)
def test_every_name_of_a_metric_leads_to_it(entry: Entry) -> None:
    names = [name for each in entry.names for name in examples(each)]
    assert names
    assert {entry_of(name).quantity for name in names} == {entry.quantity}


def test_a_metric_of_a_plugin_is_shown_as_it_is() -> None:
    unknown = entry_of("glow[3]_poisoned")
    assert (unknown.title, unknown.scale, unknown.place) == ("glow", 1.0, "")


@pytest.mark.parametrize(
    ("metric", "told_in_points"),
    [
        ("top1", True), ("top5_poisoned", True), ("top1_round[3]", True), ("map_chance", True), ("mcc[male]", True),
        ("agreement", True), ("harm[a2]", True), ("gain[top1]", True), ("gain[degrees]", False), ("degrees", False),
        ("recognized", False), ("match_top1", False), ("ssim[7]", False), ("privacy_map_plain", False),
    ],
)  # fmt: skip
def test_which_figures_are_told_in_points(metric: str, told_in_points: bool) -> None:
    assert is_points(metric) == told_in_points


def test_shares_are_those_that_cannot_leave_0_to_1() -> None:
    assert [is_share(name) for name in ("knn[male]", "ssim_max[7]_above_half", "rank1[pixels]")] == [True] * 3
    assert [is_share(name) for name in ("map", "mcc", "match_rank_median", "lda")] == [False] * 4


@pytest.mark.parametrize(
    ("place", "title"),
    [("reconstruction", "Table 2"), ("likeness", "Disclosure: how near"), ("recognition", "Disclosure: whether"),
     ("attacks", "Attacks by")],
)  # fmt: skip
def test_a_metric_in_the_catalog_and_the_results_stands_in_its_table(
    place: str, title: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CATALOG, "sharpness", replace(SHARPNESS, place=place))  # type: ignore[arg-type]
    run, rows = run_with("sharpness", 0.314)
    table = next(table for table in make_tables(run.scenario, rows) if table.title.startswith(title))
    head = "sharpness" if place == "attacks" else "sharpness poisoned"
    assert table.lines[0][table.columns.index(head)] == "3.14 ±0.10"
    others = [each for each in make_tables(run.scenario, rows) if each.title != table.title]
    assert not any(head in each.columns for each in others)


def test_a_metric_in_the_catalog_and_the_results_stands_in_its_part_of_a_comparison(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(CATALOG, "sharpness", replace(SHARPNESS, part="images"))
    runs = [run_with("sharpness", value)[0] for value in (0.314, 0.414)]
    made = {table.title: table for table in compare_results(runs)}
    for part in (POISONING, ATTACKS):
        (line,) = [line for line in made[part].lines if any("sharpness" in cell for cell in line)]
        assert line[-2:] == ("+0.100 ±0.014", "B")
    monkeypatch.delitem(CATALOG, "sharpness")
    rest = {table.title: table for table in compare_results(runs)}["Everything else"]
    assert sum("sharpness" in cell for line in rest.lines for cell in line) == 3
