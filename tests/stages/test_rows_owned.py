"""The rows that stages write are those that a scenario may bound, and nobody else's names."""

from pathlib import Path

import pytest

from collab.errors import ScenarioError
from collab.runtime.plan import plan
from collab.scenario import stage_rows
from collab.scenario.model import Scenario
from collab.scenario.reader import read_scenario
from collab.scenario.rows import find_owners
from collab.verdicts.evidence import Evidence
from tests.places import SCENARIOS

FILES = [
    path for path in sorted(SCENARIOS.glob("*.yaml")) if "\naxes:" not in path.read_text(encoding="utf-8")
]  # a sweep's are these
TINY = SCENARIOS / "tiny.yaml"
STATED = [*((path, ()) for path in FILES), (TINY, ("data.broken=skip",))]


def written(scenario: Scenario) -> set[tuple[str, str]]:
    """Row and entity of all results, without those of attacks."""
    jobs = plan(scenario, dict.fromkeys((entity.name for entity in scenario.entities), 10))
    labels = {label for job in jobs for label in job.labels}
    return {(row, who) for row, who in labels if not row.startswith(stage_rows.OF_ATTACKS)}


@pytest.mark.parametrize(("path", "overrides"), STATED, ids=lambda part: getattr(part, "stem", ""))
def test_stages_write_the_rows_that_have_owners_and_no_others(path: Path, overrides: tuple[str, ...]) -> None:
    scenario = read_scenario(path, overrides, check_paths=False).scenario
    owned = {(row, who) for row, names in find_owners(scenario).items() for who in names or ("",)}
    assert written(scenario) == owned
    stated = {str(row.name) for row in (*scenario.refinements, *scenario.federated)}
    ours = {row for row, _ in owned if row not in stated}
    assert all(row in stage_rows.RESERVED or row.startswith(stage_rows.OF_CONTROLS) for row in ours)
    evidence = Evidence(scenario, ())
    assert all(evidence.find_owners(row) == (list(names) or [None]) for row, names in find_owners(scenario).items())


def test_all_rows_of_ours_are_in_some_scenario() -> None:
    """So that the test above has seen each of them."""
    read = (read_scenario(path, overrides, check_paths=False).scenario for path, overrides in STATED)
    seen = {row for scenario in read for row in find_owners(scenario)}
    assert stage_rows.RESERVED - seen == {stage_rows.VERDICT}  # which no stage writes


def test_a_bound_on_the_pretraining_is_taken_where_results_have_that_row() -> None:
    bound = "expect={metric: top1, row: pretrain, at_least: 0}"
    apart = ["scratch={epochs: 1, batch_size: 32}", bound]  # row 1 is then no longer the pre-training itself
    (found,) = read_scenario(TINY, apart).scenario.expectations
    assert str(getattr(found, "row", None)) == "pretrain"
    with pytest.raises(ScenarioError, match="there is no row pretrain"):
        read_scenario(TINY, [bound])


@pytest.mark.parametrize("name", ["withdraw", "pretrain", "verdict", "c_mine"])
def test_a_stated_row_takes_no_name_of_ours(name: str) -> None:
    with pytest.raises(ScenarioError, match=f"'{name}' is reserved"):
        read_scenario(TINY, [f"refinements.7.row={name}"])
