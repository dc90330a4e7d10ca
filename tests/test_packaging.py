"""What is installed has names of ours alone: a project may have a package `entities` of its own."""

import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from collab.scenario.document import read_document
from tests.places import ROOT

OURS = {point.name for point in entry_points(group="collab.entities") if point.module.startswith("collab_entities.")}

SCENARIO = """
name: mine
data: {source: creatures, image_size: 16, classes: 4, train: 160, test: 40, public_images: 32}
model: {backbone: resnet8, width: 4, hook: conv3_1, pretrain: {by: a1, epochs: 1}}
reconstructor: {epochs: 1}
entities:
  - {name: a1, share: 0.4, defense: none}
  - {name: a2, kind: night_shift, share: 0.3, defense: none}
  - {name: a3, kind: free_rider, share: 0.3, defense: none}
refine: {epochs: 1}
refinements:
  - {row: 7, entity: a3, own: features, pool: [a1, a2]}
controls: false
resources: {workers: 1}
"""
NIGHT_SHIFT = """
from typing import ClassVar
from collab.participants.entity import Entity
class NightShift(Entity):
    kind: ClassVar[str] = "night_shift"
"""
PLAY = """
import sys
from pathlib import Path
import entities
from collab.runtime.play import Where, play
from collab.scenario.reader import read_scenario
loaded = read_scenario(Path("mine.yaml"))
where = Where(sys.argv[1], device="cpu", out=Path("runs"), plugins=loaded.plugins)
print(*sorted({row.row for row in play(loaded.scenario, where, lambda event: None).rows}))
print(entities.WHOSE, *(name for name in sys.modules if name.startswith("entities.")))
"""
LOAD_ALL = """
import sys
from collections import Counter
from pathlib import Path
from collab.plugins.discovery import Plugins
plugins = Plugins.of(Path.cwd(), plugin_dirs=[Path.cwd()])
print(*(plugins.load("entities", kind).__module__ for kind in sys.argv[1:]))
files = Counter(str(file) for module in list(sys.modules.values()) if (file := getattr(module, "__file__", None)))
print(*(file for file, times in files.items() if times > 1 and Path(file).parent.name == "entities"))
"""


def run(code: str, *arguments: str, cwd: Path) -> list[str]:
    """The lines that `code` prints, with `cwd` first on `sys.path`, as in a notebook or `python -m pytest`."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()


def test_every_package_of_the_repository_is_installed_and_entities_under_our_name() -> None:
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    folders = [file.parent.relative_to(ROOT) for file in (ROOT / "collab").rglob("__init__.py")]
    there = sorted([".".join(folder.parts) for folder in folders] + ["collab_entities"])
    assert sorted(stated["packages"]) == there, "state every folder in `packages` of pyproject.toml"
    assert stated["package-dir"] == {"collab_entities": "entities"}


def test_every_file_of_the_repository_that_is_no_module_is_shipped() -> None:
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    shipped = {file for pattern in stated["package-data"]["collab"] for file in (ROOT / "collab").glob(pattern)}
    packages = {ROOT.joinpath(*package.split(".")) for package in stated["packages"]}
    files = {file for file in (ROOT / "collab").rglob("*") if file.is_file() and "__pycache__" not in file.parts}
    data = {file for file in files if file.suffix != ".py" or file.parent not in packages}
    assert {file.name for file in data} >= {"papers.json", "entity.py", "test_attack.py"}
    assert data <= shipped, "state it in `package-data` of pyproject.toml"


def test_entry_points_are_installed_as_they_are_stated() -> None:
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]
    groups = {group: {(name, value) for name, value in kinds.items()} for group, kinds in stated.items()}
    assert len(groups) == 3
    for group, kinds in groups.items():
        installed = {(point.name, point.value) for point in entry_points(group=group)}
        ours = {point for point in installed if point[1].startswith("collab")}
        assert ours == kinds, f"entry points of {group} changed: run `pip install -e .`"


def test_every_file_of_entities_is_an_entry_point() -> None:
    assert {file.stem for file in (ROOT / "entities").glob("*.py")} - {"__init__", "options"} == OURS


@pytest.mark.parametrize("backend", ["inprocess", pytest.param("ray", marks=pytest.mark.ray)])
def test_a_project_with_a_package_entities_of_its_own_plays_built_in_kinds_and_its_plugins(
    backend: str, tmp_path: Path
) -> None:
    (tmp_path / "entities").mkdir()
    (tmp_path / "entities" / "__init__.py").write_text("WHOSE = 'theirs'\n")
    (tmp_path / "entities" / "night_shift.py").write_text(NIGHT_SHIFT)
    (tmp_path / "mine.yaml").write_text(SCENARIO)
    rows, theirs = run(PLAY, backend, cwd=tmp_path)
    assert "7" in rows.split()
    assert theirs == "theirs"  # and none of ours among its modules


def test_in_the_repository_no_built_in_kind_is_loaded_twice() -> None:
    """Its folder `entities/` is searched for plugins, as that of any working directory."""
    assert {"contributor", "free_rider", "selective"} <= OURS
    modules, twice = run(LOAD_ALL, *sorted(OURS), cwd=ROOT)
    assert modules.split() == [f"collab_entities.{kind}" for kind in sorted(OURS)]
    assert twice == ""


def test_a_release_says_one_version_everywhere() -> None:
    """Where somebody cites it, installs it, and reads what is new."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    cited = read_document((ROOT / "CITATION.cff").read_text()).content
    assert cited is not None
    assert cited["version"] == version
    assert f"\n## {version}\n" in (ROOT / "CHANGELOG.md").read_text()


def test_an_image_copies_all_that_is_installed() -> None:
    copied = {
        words[1] for line in (ROOT / "Dockerfile").read_text().splitlines() if (words := line.split())[:1] == ["COPY"]
    }
    assert {"collab", "entities"} <= copied
    assert not {"tests", "benchmarks"} - {*(ROOT / ".dockerignore").read_text().split()}
