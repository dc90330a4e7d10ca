"""`collab plugins list`, `collab schema` and `collab new`, as somebody types them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from collab import cli
from tests.places import ROOT

PLUGIN = """\
from pydantic import Field
from collab.scenario.base import EntityOptions

class Late:
    \"\"\"Comes late.\"\"\"
    group, kind = "entities", "late"

    class Options(EntityOptions):
        rounds: int = Field(3, ge=1, description="How late.")
        why: str
"""
Collab = Callable[..., tuple[int, str, str]]


@pytest.fixture
def collab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Collab:
    """Plays a command line in an empty folder: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["collab", *arguments])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = int(end.code or 0)
        return code, *capfd.readouterr()

    return command


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A plugin folder with one that works and one that does not."""
    (tmp_path / "mine" / "defenses").mkdir(parents=True)
    (tmp_path / "mine" / "late.py").write_text(PLUGIN)
    (tmp_path / "mine" / "defenses" / "broken.py").write_text("import no_such_module")
    return tmp_path / "mine"


def test_the_list_has_origin_documentation_and_options(collab: Collab, folder: Path) -> None:
    code, out, _ = collab("plugins", "list", "--plugin-dir", "mine")
    assert code == 0
    assert f"entity late: {folder / 'late.py'}\n    Comes late.\n" in out
    assert "    rounds (whole number from 1; default 3): How late.\n    why (text; required): \n" in out
    assert "defense dpm: collab.defenses.dpm:DpmDefense of the package collab\n" in out
    assert "    lambda (number from 0; default 1.0): Lambda of (DP-6)" in out
    assert f"defense broken: {folder / 'defenses' / 'broken.py'}\n    broken: the plugin 'broken'" in out
    assert "ModuleNotFoundError: No module named 'no_such_module'" in out
    assert out.count("late.py") == 1


def test_the_list_of_one_kind_has_it_alone(collab: Collab, folder: Path) -> None:
    code, out, _ = collab("plugins", "list", "late", "--plugin-dir", str(folder))
    assert (code, out.count("entity "), out.count("defense ")) == (0, 1, 0)
    code, out, err = collab("plugins", "list", "broken", "--plugin-dir", str(folder))
    assert code == 2
    assert "import no_such_module" in err  # the line of its traceback
    code, _, err = collab("plugins", "list", "lat", "--plugin-dir", str(folder))
    assert code == 2
    assert "there is no plugin 'lat'; there are adversarial, " in err
    assert "; did you mean `late`? --plugin-dir" in err
    code, _, err = collab("plugins", "list", "--plugin-dir", "nowhere")
    assert (code, "--plugin-dir nowhere: there is no such folder" in err) == (2, True)


def test_twins_are_listed_as_broken(collab: Collab, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "entities").mkdir()
    (tmp_path / "entities" / "late.py").write_text(PLUGIN + "# another\n")
    code, out, _ = collab("plugins", "list", "--plugin-dir", "mine")
    assert code == 0
    assert "broken: two plugins of collab.entities call themselves 'late'" in out
    assert "defense dpm" in out


def test_the_schema_holds_plugins_and_says_what_it_left_out(collab: Collab, folder: Path) -> None:
    code, out, err = collab("schema", "--plugin-dir", "mine")
    assert code == 0
    parts = json.loads(out)["$defs"]
    assert {"contributor", "late"} <= set(parts["EntityPart"]["properties"]["kind"]["enum"])
    assert parts["late_entity"]["properties"]["rounds"]["description"] == "How late."
    assert "left out: the plugin 'broken'" in err


def test_validate_takes_plugin_folders_and_says_where_a_kind_is_from(
    collab: Collab, folder: Path, tmp_path: Path
) -> None:
    text = (ROOT / "scenarios" / "tiny.yaml").read_text()
    named = text.replace("{name: a4,", "{name: a4, kind: late, options: {why: rain},")
    (tmp_path / "tiny.yaml").write_text(named)
    code, out, err = collab("validate", "tiny.yaml", "--plugin-dir", "mine")
    assert (code, out.split("\n")[0]) == (0, "tiny.yaml: valid: 4 entities, 12 refinements"), err
    assert f"entity late: {folder / 'late.py'}" in err
    code, _, err = collab("validate", "tiny.yaml")
    assert (code, "(got 'late')" in err) == (2, True)


@pytest.mark.long
def test_new_plugins_and_their_tests_run_as_they_are(collab: Collab, tmp_path: Path) -> None:
    code, out, err = collab("new", "entity", "round_off", "--in", "project")
    assert code == 0, err
    assert out.split("\n")[:2] == ["project/entities/round_off.py", "project/tests/test_round_off.py"]
    assert collab("new", "defense", "cap", "--in", "project")[0] == 0
    assert collab("new", "attack", "half_trust", "--in", "project")[0] == 0
    assert collab("new", "source", "arrays", "--in", "project")[0] == 0
    assert collab("new", "backbone", "even_blocks", "--in", "project")[0] == 0
    assert collab("new", "tracker", "lines", "--in", "project")[0] == 0
    assert collab("new", "metric", "near", "--in", "project")[0] == 0
    project = tmp_path / "project"
    words = {
        "round_off": "fewer",
        "cap": "less",
        "half_trust": "Share",
        "arrays": "brighter",
        "even_blocks": "after",
        "lines": "epoch",
        "near": "How near",
    }
    for name, word in words.items():
        code, out, err = collab("plugins", "list", name, "--plugin-dir", "project")
        assert (code, "\n    broken: " in out, word in out) == (0, False, True), out + err
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider"],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "22 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("what", "name", "words"),
    [
        ("attack", "straw_man", "the attack 'straw_man' is there already"),
        ("entity", "Late", "'Late' is no name of a kind"),
        ("entity", "../late", "is no name of a kind"),
        ("entity", "_late", "is no name of a kind"),
        ("entity", "class", "is no name of a kind"),
        ("defense", "options", "no Python keyword, and not 'options'"),
        ("defense", "dpm", "the defense 'dpm' is there already: collab.defenses.dpm:DpmDefense of the package collab"),
    ],
)
def test_new_refuses(what: str, name: str, words: str, collab: Collab, tmp_path: Path) -> None:
    code, _, err = collab("new", what, name)
    assert (code, words in err) == (2, True), err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("there", ["entities/late.py", "tests/test_late.py"])
def test_new_overwrites_nothing(there: str, collab: Collab, tmp_path: Path) -> None:
    path = tmp_path / there
    path.parent.mkdir()
    path.write_text("mine")
    code, _, err = collab("new", "entity", "late")
    assert (code, f"{there} would be overwritten" in err) == (2, True), err
    assert [file.read_text() for file in tmp_path.rglob("*.py")] == ["mine"]
