"""What `collab` and `collab.api` hold, and what it costs to ask for it."""

import ast
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import collab
from collab import api
from tests.places import ROOT

TEMPLATES = sorted((ROOT / "collab" / "plugins" / "templates").glob("*.py"))


def for_type_checkers(file: Path) -> dict[str, str]:
    """Where names come from that stand under `if TYPE_CHECKING:`."""
    (block,) = [node for node in ast.parse(file.read_text()).body if isinstance(node, ast.If)]
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom | ast.Import)]
    return {
        alias.asname or alias.name: alias.name if isinstance(node, ast.Import) else str(node.module)
        for node in imports
        for alias in node.names
    }


def imported_by(code: str) -> list[str]:
    """The names that a text takes from modules of collab, as `module:name`."""
    found = re.findall(r"^\s*from (collab[\w.]*) import (.+)$", code, flags=re.MULTILINE)
    return [f"{module}:{name.strip()}" for module, names in found for name in names.split(",")]


@pytest.mark.parametrize("module", [collab, api], ids=["collab", "collab.api"])
def test_each_name_is_there_and_is_what_type_checkers_take_it_for(module: object) -> None:
    homes = for_type_checkers(Path(str(module.__file__)))  # type: ignore[attr-defined]
    assert {*homes} == {*module.__all__} - {"__version__"}  # type: ignore[attr-defined]
    for name, home in homes.items():
        found = import_module(home)
        assert getattr(module, name) is (found if home == f"collab.{name}" else getattr(found, name)), name


@pytest.mark.parametrize("module", [collab, api], ids=["collab", "collab.api"])
def test_a_name_that_is_not_there_is_told(module: object) -> None:
    with pytest.raises(AttributeError, match=r"nought.*Scenario"):
        _ = module.nought  # type: ignore[attr-defined]


def test_plugins_that_we_write_import_nothing_else() -> None:
    found = [each for path in TEMPLATES for each in imported_by(path.read_text())]
    assert {each.partition(":")[0] for each in found} == {"collab.api", "collab.testing", "collab.testing.scenario"}
    assert {each.partition(":")[2] for each in found if each.startswith("collab.api")} <= {*api.__all__}


def test_importing_collab_imports_nothing_else() -> None:
    """In well under a second: neither torch nor any other package, and none of our own modules."""
    code = "import sys; before = {*sys.modules}; import collab, collab.api; print(*sorted({*sys.modules} - before))"
    ended = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    ours = {"collab", "collab.api"}
    assert not {name for name in ended.stdout.split() if "." not in name} - {*sys.stdlib_module_names, "collab"}
    assert {name for name in ended.stdout.split() if name.startswith("collab")} == ours


def test_a_scenario_is_made_without_torch() -> None:
    code = (
        "import sys, collab; from collab.api import Backbone, Data, Source, TrackerOptions; "
        "collab.Scenario('scenarios/tiny.yaml'); print({'torch', 'ray', 'pandas', 'matplotlib'} & {*sys.modules})"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert ended.stdout.strip() == "set()"
