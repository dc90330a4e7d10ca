"""A valid scenario to plant faults in, and what the reader says of the result."""

from collections.abc import Callable
from pathlib import Path

import pytest

from collab.errors import ScenarioError
from collab.scenario.reader import read_scenario

VALID = """\
name: small
data: {source: creatures, image_size: 16, classes: 6}
model:
  backbone: resnet8
  hook: conv3_1
  pretrain: {by: a1, epochs: 2}
entities:
  - {name: a1, share: 0.5, defense: dpm}
  - {name: a2, share: 0.3, defense: {kind: dpm, blocks: 2, lambda: 0.5}}
  - {name: a3, share: 0.1, defense: none}
refinements:
  - {row: 1, entity: a1, own: images}
  - {row: 5, own: images, share: 1.0}
  - {row: 6, entity: a1, own: features, unpoisoned: [a2]}
  - {row: 7, entity: a1, own: features, pool: [a2, a3]}
  - {row: alone, entity: a2, own: features}
"""


@pytest.fixture
def scenario_file(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a scenario and says where."""

    def write(text: str = VALID) -> Path:
        path = tmp_path / "small.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def complaints(scenario_file: Callable[[str], Path]) -> Callable[..., list[str]]:
    """What the reader says of a text, line by line, `small.yaml:` taken off; nothing if it is valid."""

    def read(text: str = VALID, *overrides: str, seed: int | None = None) -> list[str]:
        path = scenario_file(text)
        try:
            read_scenario(path, overrides, seed)
        except ScenarioError as error:
            return [line.removeprefix(f"{path}:") for line in str(error).split("\n")]
        return []

    return read


@pytest.fixture
def valid() -> str:
    """The text of a valid scenario."""
    return VALID
