"""A source that is a plugin, wherever a source may stand: an entity's own, the public and the held-out one."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from collab.data.joined import Joined
from collab.errors import ScenarioError
from collab.participants.assignment import assign
from collab.participants.sources import Sources, open_origin
from collab.runtime.prepared import Prepared, Where
from collab.scenario.document import read_document
from collab.scenario.offers import find_our_options
from collab.scenario.reader import read_scenario, to_yaml
from collab.scenario.schema import json_schema

SHADES = '''
"""Plain squares, class by class: no file is read."""

from collections.abc import Iterator

import numpy as np
from pydantic import model_validator

from collab.data.source import Source, Split
from collab.scenario.sources import Data


class Shades(Source):
    """Squares of one shade."""

    kind = "shades"

    class Options(Data):
        """How many, how bright."""

        shade: int = 100
        kinds: tuple[str, ...] = ("cat", "dog")
        tests: int = 0

        @model_validator(mode="after")
        def check(self) -> "Shades.Options":
            if self.shade > 200:
                raise ValueError("is too bright")
            return self

    def __init__(self, *, image_size: int, seed: int, shade: int, kinds: tuple[str, ...], tests: int) -> None:
        self._side, self._shade, self.classes, self._tests = image_size, shade, kinds, tests

    def labels(self, split: Split) -> np.ndarray:
        return np.arange(20 if split == "train" else self._tests) % len(self.classes)

    def images(self, split: Split, rows: np.ndarray) -> Iterator[np.ndarray]:
        values = (self._shade + rows + (50 if split == "test" else 0)).astype(np.uint8)
        yield np.broadcast_to(values[:, None, None, None], (len(rows), 3, self._side, self._side)).copy()

    def digest(self) -> str:
        return f"shades {self._shade} {self.classes} {self._tests}"
'''
SCENARIO = """
name: shades
data:
  source: own
  image_size: 16
  public: {source: shades, shade: 0, kinds: [ship, car], tests: 6}
  heldout: {source: shades, shade: 60, tests: 10}
model: {backbone: resnet8, width: 4, hook: conv3_1, pretrain: {by: a, epochs: 1}}
entities:
  - {name: a, data: {source: shades, shade: 120}, defense: {kind: dpm, blocks: 1, epochs: 1}}
  - {name: b, data: {source: shades, shade: 160, kinds: [Cat, dog], class_names: {Cat: cat}}, defense: none}
refinements:
  - {row: 1, entity: b, own: images}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources/shades.py").write_text(SHADES)
    (tmp_path / "shades.yaml").write_text(SCENARIO)
    return tmp_path


def test_a_plugin_is_read_wherever_a_source_stands(project: Path) -> None:
    scenario = read_scenario(project / "shades.yaml").scenario
    sources = Sources.open(scenario)
    given = assign(scenario, sources)
    assert given.classes == ("cat", "dog")

    def first(reader: str, split: str, rows: np.ndarray) -> list[int]:
        pictures = Joined(given.origins, lambda name: open_origin(scenario, name), reader)
        return [int(block[at, 0, 0, 0]) for block in pictures.images(split, rows) for at in range(len(block))]  # type: ignore[arg-type]

    assert first("b", "train", given.entities["b"].rows) == [*range(160, 180)]
    assert first("oracle", "test", given.heldout.rows) == [*range(110, 120)]  # its test split
    assert first("a", "train", given.public.rows) == [*range(20), *range(50, 56)]  # both splits


def test_options_of_a_plugin_are_checked_where_it_stands_beside_another(project: Path) -> None:
    with pytest.raises(ScenarioError, match=r"entities\.1\.data\.shde: unknown key; did you mean `shade`"):
        read_scenario(project / "shades.yaml", ["entities.b.data={source: shades, shde: 3}"])
    with pytest.raises(
        ScenarioError, match=r"data\.public\.image_size: unknown key; allowed: class_names, group, hold"
    ):
        read_scenario(project / "shades.yaml", ["data.public.image_size=8"])
    with pytest.raises(ScenarioError, match=r"data\.heldout: is too bright"):
        read_scenario(project / "shades.yaml", ["data.heldout.shade=201"])
    with pytest.raises(ScenarioError, match=r"data\.public\.source: must be one of .*, shades .*did you mean `shades`"):
        read_scenario(project / "shades.yaml", ["data.public.source=shade"])


def test_a_scenario_with_such_sources_is_sent_to_another_process_and_read_back_without_the_plugin(
    project: Path,
) -> None:
    loaded = read_scenario(project / "shades.yaml")
    scenario = pickle.loads(pickle.dumps((loaded.plugins, loaded.scenario)))[1]
    assert scenario == loaded.scenario
    assert open_origin(scenario, "b").digest() == open_origin(loaded.scenario, "b").digest()
    (project / "away").mkdir()
    (project / "away/scenario.yaml").write_text(to_yaml(scenario))
    again = read_scenario(project / "away/scenario.yaml", check_plugins=False).scenario
    assert to_yaml(again) == to_yaml(scenario)
    assert ("sources", "shades") in again.kinds


def test_the_schema_offers_a_plugin_at_each_place(project: Path) -> None:
    schema = Draft202012Validator(json_schema(find_our_options(project)))
    assert schema.is_valid(read_document(SCENARIO).content)
    for right, wrong in (("shade: 160", "shde: 160"), ("shade: 0", "shade: x"), ("shade: 60", "image_size: 60")):
        assert not schema.is_valid(read_document(SCENARIO.replace(right, wrong)).content)
    assert not Draft202012Validator(json_schema(find_our_options())).is_valid(read_document(SCENARIO).content)


def test_the_code_of_a_plugin_is_part_of_what_is_kept_of_it_and_of_nothing_else(project: Path) -> None:
    mixed = ["entities.a.data={source: creatures, classes: 4, train: 80, test: 8}", "data.heldout=null"]
    mixed += ["data.hold_out=0.2", "entities.b.data.class_names={}", "entities.b.data.kinds=[species_00, species_01]"]

    def keys() -> dict[str, str]:
        loaded = read_scenario(project / "shades.yaml", mixed)
        return Prepared.of(loaded.scenario, Where("inprocess", out=project / "runs", plugins=loaded.plugins)).keys

    before = keys()
    (project / "sources/shades.py").write_text(SHADES.replace("no file is read", "no file"))
    after = keys()
    changed = {job for job in before if job.startswith("decode") and before[job] != after[job]}
    assert {"decode b", "decode public"} <= changed
    assert "decode a" not in changed
