"""Figure 10 of DPF: a DPM that fulfils it is told apart from one that does not."""

import pytest

from collab.report.tables.tables import make_tables
from collab.results.table import Result
from collab.scenario.model import Scenario
from collab.scenario.reader import read_scenario
from collab.verdicts.verdicts import judge
from tests.places import SCENARIOS


@pytest.fixture(scope="module")
def faces() -> Scenario:
    stated = read_scenario(SCENARIOS / "dpf_face_identification.yaml", ["expect={paper: dpf_fig10}"])
    return stated.scenario


def rows(**changed: float) -> list[Result]:
    values = {"plain": 0.40, "fixed": 0.02, "fresh": 0.20, "chance": 0.01, "original": 5.0, "poisoned": 5.2} | changed
    made = []
    for name, value in values.items():
        is_error = name in ("original", "poisoned")
        row, metric = ("tables_1_2", f"degrees_{name}") if is_error else ("inference", f"identity_top1_{name}")
        half = 0.1 if is_error else 0.005
        bounds = (None, None) if name == "chance" else (value - half, value + half)
        made.append(Result("s", row, "a1", "dpm", None, metric, value, *bounds, 300, 0))
    return made


def verdict(faces: Scenario, claim: str, **changed: float) -> str:
    (found,) = (
        each for each in judge(faces, rows(**changed)) if each.claim == claim and each.expected.startswith("a1:")
    )
    return found.verdict.partition(" ")[0]


@pytest.mark.parametrize(("claim", "changed", "told"), [
    ("features name people", {}, "holds"),
    ("features name people", {"plain": 0.03}, "off"),
    ("features name people", {"plain": 0.052}, "undecided"),
    ("poisoned features name nobody", {}, "holds"),
    ("poisoned features name nobody", {"fixed": 0.3}, "off"),
    ("poisoned features name nobody", {"fixed": 0.053}, "undecided"),
    ("the pose stays readable", {}, "holds"),
    ("the pose stays readable", {"poisoned": 6.5}, "off"),
    ("the pose stays readable", {"poisoned": 4.0}, "holds"),
])  # fmt: skip
def test_a_claim_holds_or_is_off(faces: Scenario, claim: str, changed: dict[str, float], told: str) -> None:
    assert verdict(faces, claim, **changed) == told


def test_what_was_not_measured_is_told(faces: Scenario) -> None:
    assert {each.verdict.partition(":")[0] for each in judge(faces, [])} == {"not measured"}


def test_the_freshly_trained_network_stands_beside_the_fixed_one(faces: Scenario) -> None:
    (table,) = (each for each in make_tables(faces, rows()) if each.title.startswith("Private facts"))
    (line,) = table.lines
    assert line[:3] == ("a1", "dpm", "who it is, top-1 %")
    assert line[3:] == ("40.0 ±0.5", "2.0 ±0.5", "20.0 ±0.5", "1.0")
