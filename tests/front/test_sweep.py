from pathlib import Path

import pytest

import collab
from collab.errors import ExpectationFailed, ScenarioError
from collab.runtime.play import Played
from tests.playing import lend


@pytest.fixture(scope="module")
def stated_and_out(played: Played, tmp_path_factory: pytest.TempPathFactory) -> tuple[collab.Scenario, Path]:
    """A scenario whose stages all lie in the cache of a folder."""
    out = tmp_path_factory.mktemp("swept")
    lend(played, out)
    return collab.Scenario(played.run / "scenario.yaml", set={"controls": False, "name": "small"}), out


@pytest.fixture(scope="module")
def swept(stated_and_out: tuple[collab.Scenario, Path]) -> collab.Sweep:
    stated, out = stated_and_out
    bound = {"expect": {"metric": "top1", "row": 7, "at_most": 0}}
    return collab.sweep(stated, vary={"about": ["one", "two"]}, set=bound, out=out, backend="inprocess")


def test_each_value_is_a_cell_and_a_point_of_the_means(swept: collab.Sweep) -> None:
    assert (swept.cells, swept.failures, swept.failed_defenses) == (2, (), ())
    assert set(swept.means["about"]) == set(swept.results["about"]) == {"one", "two"}
    assert swept.arrow.num_rows == len(swept.results)
    assert swept.report().is_file()


def test_it_opens_again_as_it_was(swept: collab.Sweep) -> None:
    again = collab.load(swept.folder)
    assert isinstance(again, collab.Sweep)
    assert again.to_dict() == swept.to_dict()
    assert again.answer
    assert str(again) == "\n".join(again.answer)
    assert all(sentence in again._repr_html_().replace("&#39;", "'") for sentence in again.answer)


def test_what_is_expected_is_judged(swept: collab.Sweep) -> None:
    with pytest.raises(ExpectationFailed, match="top1 of row 7"):
        swept.check()


def test_a_forecast_plays_nothing(stated_and_out: tuple[collab.Scenario, Path]) -> None:
    stated, out = stated_and_out
    before = set(out.rglob("*"))
    found = collab.forecast(stated, vary={"refine.epochs": [1, 2]}, zip=True, out=out, backend="inprocess")
    assert [cell.label for cell in found.cells] == ["refine.epochs=1 seed=0", "refine.epochs=2 seed=0"]
    assert found.cells[0].cached == found.cells[0].jobs > found.cells[1].cached > 0
    assert set(out.rglob("*")) == before


def test_a_sweep_of_an_audit_is_refused(stated_and_out: tuple[collab.Scenario, Path]) -> None:
    with pytest.raises(ScenarioError, match="a sweep has no audit"):
        collab.forecast(collab.Scenario(stated_and_out[0], audit="quick"), seeds=2)
