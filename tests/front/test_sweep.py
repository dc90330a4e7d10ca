import re
from pathlib import Path

import pytest

import collab
from collab.errors import ExpectationFailed
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


@pytest.mark.parametrize("says", ["scenario", "sweep"])
def test_each_cell_of_an_audit_is_attacked_and_what_serves_all_is_played_once(
    stated_and_out: tuple[collab.Scenario, Path], says: str
) -> None:
    stated, out = stated_and_out
    audited = collab.Scenario(stated, audit="quick") if says == "scenario" else stated
    vary = {"entities.a2.defense": ["none", "gaussian_noise"]}
    asked = {"vary": vary, "audit": None if says == "scenario" else "quick", "out": out, "backend": "inprocess"}
    one, other = collab.forecast(audited, **asked).cells  # type: ignore[arg-type]
    alone = collab.forecast(stated, vary=vary, out=out, backend="inprocess").cells[0]
    assert one.jobs > alone.jobs + 15
    assert other.shared + other.cached > alone.jobs


def test_a_sweep_page_says_what_attacks_got_at_each_point(
    stated_and_out: tuple[collab.Scenario, Path], tmp_path: Path
) -> None:
    stated, _ = stated_and_out
    spy = {
        "entities.a4.kind": "curious",
        "entities.a4.options": {"attacks": ["straw_man", {"kind": "matching", "candidates": 16}], "victims": ["a2"]},
    }
    swept = collab.sweep(
        stated, vary={"entities.a2.defense": ["none", "gaussian_noise"]}, set=spy, out=tmp_path, backend="inprocess"
    )
    page = swept.report().read_text()
    assert "Gain and what attacks got" in page
    assert len(re.findall(r"<td[^>]*>\d+ % of (?:rows|images), [a-z_]+", page)) >= 2
    again = collab.sweep(
        stated, vary={"entities.a2.defense": ["none", "gaussian_noise"]}, set=spy, out=tmp_path, backend="inprocess"
    )
    assert again.report().read_text() == page
