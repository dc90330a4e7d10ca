"""Counts of images that a scenario's file states are those that a run of it has."""

import re
from pathlib import Path

import pytest

from collab.participants.assignment import Assignment, assign, open_scenario_source
from collab.scenario.model import Scenario
from collab.scenario.reader import read_scenario
from collab.scenario.sweep import read_sweep
from tests.places import SCENARIOS

FILES = sorted(SCENARIOS.glob("*.yaml"))
HELD_OUT = re.compile(r"\b(\d[\d,]*) held-out images")
IMAGES = re.compile(r"\b(\d[\d,]*) images")
OF_PAPERS = {"visualmixer": {50_000}}
"""Counts that a file tells of a paper."""


def scenario_of(path: Path) -> Scenario:
    """The scenario in a file; of a sweep its first cell."""
    if "\naxes:" in path.read_text(encoding="utf-8"):
        return read_sweep(path)[1][0].scenario
    return read_scenario(path, check_paths=False).scenario


DRAWN = [path for path in FILES if scenario_of(path).data.source == "creatures"]


def dealt(path: Path) -> Assignment:
    scenario = scenario_of(path)
    return assign(scenario, open_scenario_source(scenario))


def stated(path: Path, pattern: re.Pattern[str]) -> set[int]:
    lines = path.read_text(encoding="utf-8").split("\n")
    comments = " ".join(line.partition("# ")[2] for line in lines)
    return {int(count.replace(",", "")) for count in pattern.findall(comments)}


def test_some_files_state_counts() -> None:
    assert sum(bool(stated(path, HELD_OUT)) for path in DRAWN) >= 5


@pytest.mark.parametrize("path", DRAWN, ids=lambda path: path.stem)
def test_counts_of_images_in_a_file_are_those_of_its_scenario(path: Path) -> None:
    found = dealt(path)
    assert stated(path, HELD_OUT) <= {len(found.heldout)}
    entities = {len(holding) for holding in found.entities.values()}
    known = {len(found.heldout), len(found.public), len(found.everything), *entities}
    assert stated(path, IMAGES) - OF_PAPERS.get(path.stem, set()) <= known
