import pytest

from collab.papers import paper_figure
from collab.report.cells import format_cell
from collab.report.tables.tables import describe, make_tables
from collab.results.table import Result
from collab.scenario.model import Scenario
from collab.scenario.parts import Refinement
from collab.scenario.reader import read_scenario
from tests.places import TINY


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return read_scenario(TINY).scenario


def row(name: str, entity: str | None, value: float, metric: str = "top1") -> Result:
    return Result("tiny", name, entity, "dpm", None, metric, value, value - 0.01, value + 0.03, 100, 0)


def test_gain_is_counted_from_the_better_of_public_decider_and_own_features(scenario: Scenario) -> None:
    rows = [row("c_public", None, 0.50), row("c_own_a1", "a1", 0.53), row("7", "a1", 0.60), row("c_own_a4", "a4", 0.40)]
    rows += [row("12", "a4", 0.58)]
    (table_5,) = [table for table in make_tables(scenario, rows) if table.title.startswith("Table 5")]
    gain = {line[0]: line[table_5.columns.index("gain")] for line in table_5.lines}
    assert gain["7"] == "+7.0 ±3.2"
    assert gain["12"] == "+8.0 ±3.2"
    assert gain["1"] == ""


def test_every_row_of_the_scenario_and_every_control_stands_in_table_5(scenario: Scenario) -> None:
    names = [line[0] for line in make_tables(scenario, [row("c_public", None, 0.5)])[0].lines]
    assert names[:12] == [str(number) for number in range(1, 13)]
    assert {"c_public", "c_own_a3", "c_unpoisoned_9", "c_all_poisoned_12"} <= set(names)


def test_what_was_not_measured_is_a_dash_and_intervals_are_half_widths() -> None:
    assert format_cell(None) == format_cell(None, 100) == "—"
    assert format_cell(row("1", "a1", 0.5)) == "50.0 ±2.0"  # as the catalog says of top1
    assert format_cell(row("1", "a1", 0.5), 1, 3) == "0.500 ±0.020"


def test_rows_are_described_in_the_letters_of_the_paper() -> None:
    assert describe(Refinement(row=7, entity="a1", own="features", pool=("a2",))) == "F(a1) ∪ P(F(a2))"
    assert describe(Refinement(row=6, entity="a1", own="features", unpoisoned=("a2",))) == "F(a1) ∪ F(a2)"
    assert describe(Refinement(row="x", entity="a1", own="poisoned", pool=("a2",))) == "P(F(a1)) ∪ P(F(a2))"


@pytest.mark.parametrize(
    ("name", "metric", "figure"), [("12", "top1", 0.616), ("5", "top5", 0.95), ("4", "top1", 0.135)]
)
def test_figures_of_the_paper(name: str, metric: str, figure: float) -> None:
    assert paper_figure("dp_table5", name, metric) == pytest.approx(figure)  # Guo et al., Table 5


def test_the_paper_has_no_control_rows() -> None:
    assert paper_figure("dp_table5", "c_own_a1", "top1") is None
