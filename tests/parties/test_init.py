"""`collab init` looks at folders as people have them and writes a scenario that plays at once; docs/parties.md."""

import re
import shlex
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from collab.cli import app
from collab.errors import CollabError, DataError, ScenarioError
from collab.participants.assignment import assign
from collab.participants.sources import Sources
from collab.report.pages.page import write_page
from collab.results.opened import open_run
from collab.runtime.draft import write_draft
from collab.runtime.party_folders import look, unify_names
from collab.scenario.reader import read_scenario
from tests.parties.hospitals import HOSPITALS, break_some, draw
from tests.places import ROOT
from tests.playing import play_here

PAGE = (ROOT / "docs" / "parties.md").read_text(encoding="utf-8")
COMMANDS = [line for block in re.findall(r"```bash\n(.*?)```", PAGE, re.S) for line in block.splitlines()]
QUICK = (
    "model.width=4", "model.pretrain.epochs=1", "reconstructor.epochs=1", "entities.*.defense.epochs=1",
    "entities.*.defense.blocks=1", "refine.epochs=1", "refinements.1.epochs=1", "data.image_size=16",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    draw(0.15, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_steps_of_the_page_lead_from_folders_to_the_report(folder: Path, tmp_path: Path) -> None:
    """The page's commands as they are, but for the run, which is played with one pass over small images."""
    assert [shlex.split(line)[1] for line in COMMANDS] == ["init", "check-data", "run"]
    for line in COMMANDS[:2]:
        done = CliRunner().invoke(app, shlex.split(line)[1:])
        assert done.exit_code == 0, done.output
    assert ", 0 of them broken" in done.output
    scenario = read_scenario(folder / "parties.yaml", QUICK).scenario
    given = assign(scenario, Sources.open(scenario))
    assert given.classes == ("cat", "deer", "dog", "frog", "horse")  # Cat, cats, Dog and hörse are no classes
    played = play_here(scenario, tmp_path / "runs")
    assert not played.failures
    rows = {row.row for row in open_run(played.run).rows}
    assert rows >= {"1", "2", "c_public", "c_own_hospital_b", "c_unpoisoned_2"}
    page = write_page(played.run).read_text()
    assert "Each on held-out images of its own" in page[page.index("Who gained") : page.index("What was disclosed")]


def test_the_file_says_what_was_seen_and_is_short(folder: Path) -> None:
    broken = break_some(folder)
    told = CliRunner().invoke(app, shlex.split(COMMANDS[0])[1:]).output
    assert "about 4 images of hospital_b will be held out; what is scored on these alone is known to ±50 points" in told
    text = (folder / "parties.yaml").read_text()
    assert "class_names: {Cat: cat, Dog: dog}" in text
    assert 'class_names: {cats: cat, "hörse": horse}' in text
    assert "# Nobody else has deer, frog." in text
    assert "root: C/Study" in text
    assert re.search(r"It takes about .* of one core", text)
    assert len(text.splitlines()) <= 50
    looked = [look(name, folder / name) for name in ("A", "B", "C")]
    assert sum(each.headless for each in looked) == len(broken) - 3  # one of each four is cut off behind its head
    assert [each.images for each in looked] == [
        sum(max(4, round(0.15 * count)) for _, count in HOSPITALS[name].values()) for name in ("A", "B", "C/Study")
    ]


def test_spellings_are_joined_and_different_words_are_not() -> None:
    made = unify_names(
        [{"cat": 10, "bus": 5}, {"Cats": 3, "glass": 2, "CAFÉ bar": 1}, {"cafe_bar": 4, "glas": 1, "buses": 1}]
    )
    assert {name: made[name] for name in ("Cats", "CAFÉ bar")} == {"Cats": "cat", "CAFÉ bar": "cafe_bar"}
    assert all(made[name] == name for name in ("cat", "bus", "buses", "glass", "glas", "cafe_bar"))


def test_odd_names_come_back_from_the_file_as_they_are(tmp_path: Path) -> None:
    names = ("no", "7", "a: b", "x, y", "#1", "ünï", "true", "plain")
    for party in ("A", "B", "Q"):
        for name in names[:3] if party == "Q" else names:
            (tmp_path / party / name).mkdir(parents=True)
            for number in range(6):
                Image.new("L", (20, 20), number).save(tmp_path / party / name / f"{number}.png")
    (tmp_path / "B/no").rename(tmp_path / "B/NO")
    write_draft({"a": tmp_path / "A", "b": tmp_path / "B"}, tmp_path / "Q", tmp_path / "p.yaml")
    scenario = read_scenario(tmp_path / "p.yaml").scenario
    assert assign(scenario, Sources.open(scenario)).classes == tuple(sorted(names))


def test_whose_question_it_is_may_be_said_and_is_the_smallest_partys_else(folder: Path) -> None:
    folders = {name: folder / name.upper() for name in "abc"}
    for asks, name, leader in ((None, "b", "a"), ("a", "a", "c"), ("c", "c", "a")):
        write_draft(folders, folder / "public", folder / f"{name}.yaml", asks)
        scenario = read_scenario(folder / f"{name}.yaml").scenario
        assert {row.entity for row in scenario.refinements} == {name}
        assert scenario.model.pretrain.by == leader


@pytest.mark.parametrize(
    ("arguments", "error", "told"),
    [
        (["a=A"], ScenarioError, "one party alone gains from nobody"),
        (["a=A", "b"], ScenarioError, "--party b is not NAME=FOLDER"),
        (["a=A", "A=B"], ScenarioError, "--party A=B is a second party of that name"),
        (["a=A", "b=nowhere"], DataError, "b: there is no folder nowhere"),
        (["a=A", "b=A/cat"], DataError, "b: .* must hold the folders `train`"),
        (["a=A", "9=B"], ScenarioError, "--party 9=B has a name that must be 1 to 32 of a-z"),
    ],
)
def test_what_cannot_be_is_told_and_nothing_is_written(
    folder: Path, arguments: list[str], error: type[CollabError], told: str
) -> None:
    options = [part for each in arguments for part in ("--party", each)]
    done = CliRunner().invoke(app, ["init", *options, "--public", "public"])
    assert isinstance(done.exception, error)
    assert re.search(told, str(done.exception))
    assert not (folder / "parties.yaml").exists()


def test_a_file_that_is_there_is_left_alone(folder: Path) -> None:
    (folder / "parties.yaml").write_text("mine")
    with pytest.raises(ScenarioError, match="is there already"):
        write_draft({"a": folder / "A", "b": folder / "B"}, folder / "public", folder / "parties.yaml")
    assert (folder / "parties.yaml").read_text() == "mine"
