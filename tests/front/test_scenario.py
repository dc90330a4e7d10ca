from pathlib import Path

import numpy as np
import pytest

import collab
from collab.errors import PluginError, ScenarioError
from collab.scenario.reader import read_scenario
from tests.places import TINY


def mistakes(make: object) -> str:
    with pytest.raises(ScenarioError) as raised:
        make()  # type: ignore[operator]
    return str(raised.value)


def test_a_file_its_dict_and_its_text_are_one_scenario(tmp_path: Path) -> None:
    stated = collab.Scenario(TINY)
    assert stated == collab.Scenario(stated.to_dict()) == collab.Scenario(stated.write(tmp_path / "again.yaml"))
    assert stated.parts == read_scenario(TINY).scenario
    assert stated != stated.changed(seed=1)


def test_changes_are_those_of_the_command_line() -> None:
    texts = ["model.width=12", "entities.*.defense.epochs=3", "entities.a2.defense=none", 'about="5"', "seed=4"]
    values = {
        "model.width": np.int64(12),
        "entities.*.defense.epochs": 3,
        "entities.a2.defense": {"kind": "none"},
        "about": "5",
    }
    changed = collab.Scenario(TINY, set=values, seed=4)
    assert changed.parts == read_scenario(TINY, texts).scenario
    assert collab.Scenario(TINY).changed(values).changed(seed=4) == changed == collab.Scenario(TINY, set=texts)


def test_what_is_changed_stays_as_it_was() -> None:
    before = collab.Scenario(TINY)
    text = before.to_yaml()
    before.changed({"model.width": 12}, seed=3)
    assert before.to_yaml() == text


def test_mistakes_of_a_file_have_lines_those_of_a_dict_have_none_and_the_words_are_the_same(tmp_path: Path) -> None:
    wrong = {"entities.0.share": 2, "model.hook": "conv9_1"}
    content = collab.Scenario(TINY).to_dict()
    content["entities"][0]["share"], content["model"]["hook"], content["sede"] = 2, "conv9_1", 3
    of_dict = mistakes(lambda: collab.Scenario(content)).splitlines()
    file = tmp_path / "wrong.yaml"
    file.write_text(TINY.read_text() + "sede: 3\n")
    of_file = mistakes(lambda: collab.Scenario(file, set=wrong)).splitlines()
    assert len(of_dict) == len(of_file) == 3
    assert all(line.startswith("scenario: ") for line in of_dict)
    assert {line.split(": ", 1)[1] for line in of_dict} == {line.split(": ", 1)[1] for line in of_file}
    assert any(line.startswith(f"{file}:") for line in of_file)


def test_paths_of_a_dict_are_relative_to_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.txt").write_text("0\n")
    content = collab.Scenario(TINY).to_dict()
    content["entities"][0] |= {"rows": Path("rows.txt"), "share": None}
    assert collab.Scenario(content).entities[0].rows == str(tmp_path / "rows.txt")


def test_plugins_beside_the_working_directory_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    asked = {"entities.a1.defense": {"kind": "nought"}}
    with pytest.raises(PluginError, match="nought"):
        collab.Scenario(TINY, set=asked)


@pytest.mark.parametrize("wrong", ["model.width=8", {"model.width": {1, 2}}, {"refine.learning_rate": float("nan")}])
def test_what_no_file_could_hold_is_told(wrong: object) -> None:
    assert "set=" in mistakes(lambda: collab.Scenario(TINY, set=wrong))  # type: ignore[arg-type]


def test_a_notebook_shows_what_it_asks_and_escapes_it() -> None:
    shown = collab.Scenario(TINY, set={"about": "<b>?"})._repr_html_()
    assert "&lt;b&gt;?" in shown
    assert "4 entities, 12 rows, seed 0" in shown
