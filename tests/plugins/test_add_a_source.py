"""docs/add_a_source.md, command by command; and what is told of a source that is a plugin."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from collab.data.targets import PLAIN
from collab.errors import PluginError, ScenarioError
from collab.plugins.discovery import INSTALLED, Plugins
from collab.scenario.document import read_document
from collab.scenario.offers import find_our_options
from collab.scenario.reader import read_scenario, to_yaml
from collab.scenario.schema import json_schema
from tests.pages import files, play_page
from tests.places import ROOT

PAGE = (ROOT / "docs" / "add_a_source.md").read_text(encoding="utf-8")
SOURCE, SCENARIO = (files(PAGE)[name] for name in ("sources/sqlite.py", "clinic.yaml"))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources/sqlite.py").write_text(SOURCE)
    (tmp_path / "clinic.yaml").write_text(SCENARIO)
    return tmp_path


def test_the_page_works_as_it_is_written(tmp_path: Path) -> None:
    done = play_page(PAGE, tmp_path)[-1]
    assert "source sqlite: " in done.stderr
    assert "FAILED" not in done.stdout
    assert list(tmp_path.glob("runs/clinic/*/report.html"))


def test_options_of_a_source_are_checked_where_they_stand(project: Path) -> None:
    text = SCENARIO.replace("root: .,", "root: ., tabel: x, file: 7,")
    (project / "clinic.yaml").write_text(text)
    with pytest.raises(ScenarioError) as told:
        read_scenario(project / "clinic.yaml")
    assert "clinic.yaml:2:33: data.tabel: unknown key; did you mean `table`?" in str(told.value)
    assert "data.file: must be a text (got 7)" in str(told.value)


def test_a_run_reads_back_without_the_plugin_and_its_schema_holds_the_options(project: Path) -> None:
    scenario = read_scenario(project / "clinic.yaml").scenario
    assert ("sources", "sqlite") in scenario.kinds
    text = to_yaml(scenario)
    (project / "away").mkdir()
    (project / "away/scenario.yaml").write_text(text)
    again = read_scenario(project / "away/scenario.yaml", check_plugins=False).scenario
    assert to_yaml(again) == text
    validator = Draft202012Validator(json_schema(find_our_options(project)))
    assert validator.is_valid(read_document(text).content)
    assert not validator.is_valid(read_document(text.replace("table: images", "tabel: images")).content)
    assert not Draft202012Validator(json_schema(find_our_options())).is_valid(read_document(text).content)


def test_a_source_that_is_misspelled_or_broken_is_told(project: Path) -> None:
    with pytest.raises(
        ScenarioError, match=r"data\.source: must be one of creatures, .*, sqlite .*; did you mean `sqlite`"
    ):
        read_scenario(project / "clinic.yaml", ["data.source=sqlit"])
    (project / "sources/celeba.py").write_text(SOURCE.replace('"sqlite"', '"celeba"'))
    with pytest.raises(
        ScenarioError, match=r"data\.source: the plugin 'celeba' .* is called as a source that comes with"
    ):
        read_scenario(project / "clinic.yaml", ["data.source=celeba"])
    (project / "sources/odd.py").write_text("import no_such_module")
    with pytest.raises(PluginError, match=r"data\.source: the plugin 'odd' .*does not import: ModuleNotFoundError"):
        read_scenario(project / "clinic.yaml", ["data.source=odd"])
    (project / "sources/bare.py").write_text(
        "from collab.data.source import Source\n\nclass Bare(Source):\n    kind = 'bare'\n"
    )
    with pytest.raises(PluginError, match=r"'bare' .*does not say which class its options open\. Nest `class Options"):
        read_scenario(project / "clinic.yaml", ["data.source=bare"])


def test_the_code_of_a_source_is_part_of_what_is_kept(project: Path) -> None:
    """An edit of the plugin decodes anew; ours are told by the versions of stages."""
    from collab.data.joined import Origin
    from collab.participants.holding import Holding
    from collab.stages.keys import Keys

    origin = Origin("", None, {"train": 0, "test": 0}, {"train": 3, "test": 0}, 3, "same")

    def keyed() -> list[object]:
        scenario = read_scenario(project / "clinic.yaml").scenario
        keys = Keys.__new__(Keys)
        keys.scenario, keys._plugins = scenario, Plugins.of(project)  # type: ignore[misc]
        keys.given = SimpleNamespace(asked=PLAIN, divide=lambda held: [(origin, held)])  # type: ignore[assignment]
        return keys.images(Holding.of("train", np.zeros(3, int), (0,)))

    before = keyed()
    assert INSTALLED.installed("sources") == {}
    (project / "sources/sqlite.py").write_text(SOURCE.replace("a few at a time", "some at a time"))
    assert keyed() != before
