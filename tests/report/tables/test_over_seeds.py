"""What a sweep's page says of seeds, gains and points; no table of it is a column off."""

from pathlib import Path

import pytest

from collab.errors import CollabError
from collab.report.cells import Table
from collab.report.pages.page import write_sweep_page
from collab.report.pages.sweep_answer import answer_sweep
from collab.report.tables.over_seeds import CELL, name_points, pick_headline_gains, tabulate_gains
from collab.results.aggregate import Mean, average_seeds
from collab.results.figure import Figure
from collab.results.gains import list_gains
from collab.results.table import Result
from collab.scenario.sweep import Axis, Sweep
from tests.html_tables import ragged_tables
from tests.report.made_up import rows, scenario

Cells = list[tuple[dict[str, bool | int | float | str], list[Result]]]


def cells(axis: str | None, *gains: float) -> Cells:
    """A cell for each gain of a1 by its row 7, over c_own and c_public of .5."""
    stated, made = scenario(), Cells()
    for place, gain in enumerate(gains):
        found = rows(stated, {"7": 0.5 + gain})
        made.append(({axis: place} if axis else {}, [*found, *list_gains(stated, found)]))
    return made


def page(folder: Path, axes: tuple[str, ...], made: Cells) -> str:
    spec = Sweep(name="s", scenario="tiny.yaml", axes=tuple(Axis(vary=axis, values=(0, 1)) for axis in axes))
    failures = [("cell <1>", "it diverged")]
    return write_sweep_page(folder, spec, average_seeds(made), scenario().refinements, failures, []).read_text()


@pytest.mark.parametrize("axes", [(), ("refine.epochs",)])
def test_no_table_is_ragged_with_axes_or_over_seeds_alone(axes: tuple[str, ...], tmp_path: Path) -> None:
    made = page(tmp_path, axes, cells(axes[0] if axes else None, 0.1, 0.2))
    assert made.count("<table") == 4
    assert not ragged_tables(made)
    assert "all cells" not in made
    assert "cell &lt;1&gt;" in made


def test_a_table_that_is_a_column_off_is_found_and_cannot_be_made() -> None:
    heads = "".join(f"<th>{head}</th>" for head in "abc")
    assert ragged_tables(f"<table><tr>{heads}</tr><tr><td>1</td><td>2</td></tr></table>") == [
        "table 1 of 1 has lines of 3, 2 cells"
    ]
    assert not ragged_tables(f"<table><tr>{heads}</tr><tr><td colspan='2'>1</td><td>2</td></tr></table>")
    with pytest.raises(CollabError, match=r"'T' has 2 columns \(a, b\) and a line of 1 cells \(x\)"):
        Table("T", ("a", "b"), (("x",),))


def test_the_gain_over_seeds_has_students_interval_and_a_word() -> None:
    found = average_seeds(cells(None, 0.10, 0.12, 0.14))
    line = next(line for line in tabulate_gains(found, [], scenario().refinements).lines if line[0] == "a1")
    # Student's 97.5 % point with eight degrees of freedom: two of each of four entities, none of which differs more.
    reach = 100 * 2.306004135204166 * 0.02 / 3**0.5
    assert line[:6] == ("a1", "7", "+12.0", f"{12 - reach:+.1f} to {12 + reach:+.1f}", "3", "helps")
    assert line[6].startswith("+0.0, ")  # the same pool unpoisoned


def test_points_of_a_star_are_named_by_what_differs_from_the_base_cell() -> None:
    axes = (Axis(vary="entities.*.lambda", values=(1, 2)), Axis(vary="refine.epochs", values=(8, 4)))
    star = Sweep(name="s", scenario="x.yaml", axes=axes, combine="star")
    points = [(("entities.*.lambda", first), ("refine.epochs", second)) for first, second in ((1, 8), (2, 8), (1, 4))]
    means = [Mean(point, "7", "a1", "gain[top1]", Figure(0.1, 0.05, 0.15, 3)) for point in points]
    named = name_points(star, means)
    assert [dict(mean.values)[CELL] for mean in named] == ["base cell", "lambda = 2", "epochs = 4"]
    told = answer_sweep(named, scenario().refinements, ["a1"])
    assert told[1].startswith("At lambda = 2 sharing helped a1 (+10.0, ")
    assert name_points(star.model_copy(update={"combine": "grid"}), means) == means


def test_the_row_with_the_largest_pool_stands_for_an_entity() -> None:
    """a3 has rows 9 (a pool of two) and 10 (of three)."""
    chosen = pick_headline_gains(average_seeds(cells("x", 0.1)), scenario().refinements)
    assert {each.entity: each.row for each in chosen} == {"a1": "7", "a2": "8", "a3": "10", "a4": "12"}


def test_means_are_not_taken_over_attacks() -> None:
    row = Result("s", "by a1", "a2", None, "first", "l1", 0.1, seed=0)
    other = Result("s", "by a1", "a2", None, "second", "l1", 0.3, seed=0)
    assert [(each.attack, each.figure.value, each.figure.n) for each in average_seeds([({}, [row, other])])] == [
        ("first", 0.1, 1),
        ("second", 0.3, 1),
    ]
