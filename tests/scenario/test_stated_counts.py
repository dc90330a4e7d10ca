"""Counts of images that a scenario's file states are those that a run of it has."""

import re
from pathlib import Path

from collab.participants.assignment import Assignment, assign
from collab.participants.sources import Sources
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
        return read_sweep(path, check_paths=False)[1][0].scenario
    return read_scenario(path, check_paths=False).scenario


def dealt() -> dict[Path, Assignment]:
    """Who holds what in each scenario that draws its images, and so needs no files."""
    scenarios = {path: scenario_of(path) for path in FILES}
    drawn = {path: scenario for path, scenario in scenarios.items() if scenario.data.source == "creatures"}
    return {path: assign(scenario, Sources.open(scenario)) for path, scenario in drawn.items()}


def stated(path: Path, pattern: re.Pattern[str]) -> set[int]:
    lines = path.read_text(encoding="utf-8").split("\n")
    comments = " ".join(line.partition("# ")[2] for line in lines)
    return {int(count.replace(",", "")) for count in pattern.findall(comments)}


def test_counts_of_images_in_a_file_are_those_of_its_scenario() -> None:
    wrong = {}
    for path, found in (assignments := dealt()).items():
        entities = {len(holding) for holding in found.entities.values()}
        known = {len(found.heldout), len(found.public), len(found.everything), *entities}
        others = stated(path, IMAGES) - known - OF_PAPERS.get(path.stem, set())
        if counts := others | (stated(path, HELD_OUT) - {len(found.heldout)}):
            wrong[path.stem] = counts
    assert wrong == {}
    assert sum(bool(stated(path, HELD_OUT)) for path in assignments) >= 5
