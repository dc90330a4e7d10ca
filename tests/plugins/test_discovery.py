"""Kinds are found where they may lie, each once; only the named one is imported, and a broken one says why."""

import importlib
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from collab.defenses.base import AnsweringDefense, EncodingDefense, ImageDefense
from collab.defenses.dpm import DpmDefense
from collab.errors import PluginError
from collab.participants.entity import Entity
from collab.plugins import discovery
from collab.plugins.discovery import GROUPS, INSTALLED, Plugins
from collab.runtime.host import RunSpec
from collab.scenario.base import FEATURES_TO_ANSWERS, IMAGES_TO_FEATURES, IMAGES_TO_IMAGES
from collab.scenario.kinds import OURS, Kinds, kind_of
from collab.scenario.offers import offers
from tests.places import ROOT

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a plugin file without torch; `more` stands before its class."""

    def written(file: str, group: str = "entities", more: str = "", kind: str | None = None) -> Path:
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        kind = kind or path.stem
        path.write_text(f"{more}\nclass It:\n    group = {group!r}\n    kind = {kind!r}\n    where = {file!r}\n")
        return path

    return written


@pytest.fixture
def points(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[EntryPoint]]:
    """Entry points of every group, instead of the installed ones."""
    planted: list[EntryPoint] = []
    monkeypatch.setattr(discovery, "entry_points", lambda group: [point for point in planted if point.group == group])
    discovery._points.cache_clear()
    yield planted
    discovery._points.cache_clear()


def test_built_in_kinds_are_found_and_are_what_they_say() -> None:
    assert INSTALLED.load("defenses", "dpm") is DpmDefense
    contributor = INSTALLED.load("entities", "contributor")
    assert issubclass(contributor, Entity)
    assert contributor.kind == "contributor"


FREE_OF_TORCH = ("options", "answer_options", "candidate_options", "reading_options")
"""Files in which options stand, so that a scenario is read without any network."""


def test_options_are_found_without_the_plugin_and_are_those_of_its_class() -> None:
    for group in GROUPS:
        kinds = [kind for kind, (origin,) in INSTALLED.installed(group).items() if origin.is_ours]
        assert bool(kinds) == (group not in (*OURS, "metrics"))  # ours of these are no plugins
        for kind in kinds:
            options, plugin = Kinds(INSTALLED).options(group, kind), INSTALLED.load(group, kind)
            assert plugin.Options is options
            assert kind_of(options) == kind
            assert options.__module__.endswith("options")  # files that are free of torch


def test_a_defense_has_the_form_that_its_options_say() -> None:
    plugins = {kind: INSTALLED.load("defenses", kind) for kind in INSTALLED.installed("defenses")}
    images = {kind for kind, plugin in plugins.items() if issubclass(plugin, ImageDefense)}
    encoders = {kind for kind, plugin in plugins.items() if issubclass(plugin, EncodingDefense)}
    assert images == {kind for kind, plugin in plugins.items() if plugin.Options.form == IMAGES_TO_IMAGES}
    assert encoders == {kind for kind, plugin in plugins.items() if plugin.Options.form == IMAGES_TO_FEATURES}
    answering = {kind for kind, plugin in plugins.items() if issubclass(plugin, AnsweringDefense)}
    assert answering == {kind for kind, plugin in plugins.items() if plugin.Options.form == FEATURES_TO_ANSWERS}
    for kind in images | encoders:
        defense = plugins[kind].from_options(plugins[kind].Options(kind=kind))
        assert defense.form == (IMAGES_TO_IMAGES if kind in images else IMAGES_TO_FEATURES)


PACKAGE = {
    "__init__": "",
    "late": "raise SystemExit('late was imported')",
    "options": """
from typing import ClassVar, Literal
from collab.scenario.base import AttackOptions, DefenseOptions, EntityOptions

class Shared(EntityOptions):
    keep: float = 1.0

class Late(Shared):
    kind: ClassVar[str] = "late"

class LateDefense(DefenseOptions):
    kind: Literal["late"]
""",
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, points: list[EntryPoint]) -> Iterator[Callable[..., None]]:
    """Installs a package `afar` with modules `late` and `options`, as it is or with other texts of its modules."""
    monkeypatch.syspath_prepend(tmp_path)

    def installed(**modules: str) -> None:
        for name, text in (PACKAGE | modules).items():
            path = tmp_path / "afar" / f"{name}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        importlib.invalidate_caches()
        points.extend(EntryPoint("late", "afar.late:Late", f"collab.{group}") for group in GROUPS)

    yield installed
    for name in [name for name in sys.modules if name.partition(".")[0] == "afar"]:
        del sys.modules[name]


def test_options_of_an_installed_package_are_found_beside_its_plugin(package: Callable[..., None]) -> None:
    package()
    assert Kinds(INSTALLED).options("entities", "late").__name__ == "Late"
    assert Kinds(INSTALLED).options("defenses", "late").__name__ == "LateDefense"
    with pytest.raises(
        PluginError, match=r"'late' of collab\.attacks .* does not import: SystemExit: late was imported"
    ):
        Kinds(INSTALLED).options("attacks", "late")  # there are none apart, so the plugin is asked


def test_a_package_with_no_options_beside_its_plugin_is_asked_itself(package: Callable[..., None]) -> None:
    plugin = "from collab.scenario.base import EntityOptions\nclass Late:\n    group, kind = 'entities', 'late'\n"
    package(options="kind = 'late'", late=f"{plugin}    class Options(EntityOptions):\n        far: int = 1\n")
    assert "far" in Kinds(INSTALLED).options("entities", "late").model_fields


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (PACKAGE["options"] + "class Other(Late):\n    kind: ClassVar[str] = 'late'", "two .*: Late and Other. Rename"),
        ("import nowhere_at_all", r"does not import: ModuleNotFoundError: No module named 'nowhere_at_all'"),
    ],
)
def test_options_apart_that_cannot_be_had_are_told(package: Callable[..., None], options: str, message: str) -> None:
    package(options=options)
    with pytest.raises(PluginError, match=message):
        Kinds(INSTALLED).options("entities", "late")


def test_a_plugin_that_takes_other_options_than_those_apart_is_told(package: Callable[..., None]) -> None:
    package(late="class Late:\n    group, kind, Options = 'entities', 'late', dict\n")
    (offer,) = (each for each in offers(INSTALLED) if each.group == "entities")
    assert "takes dict as Options, and a scenario is checked by afar.options.Late" in str(offer.problem)


def test_an_entry_point_may_be_of_another_class(points: list[EntryPoint], monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the package `importlib_metadata` is imported, as mlflow does, there are no others."""

    class Other(tuple[str, ...]):
        name, value, module, group, dist = "dpm", "collab.defenses.dpm:DpmDefense", "collab.defenses.dpm", "", None
        load = staticmethod(lambda: DpmDefense)

    monkeypatch.setattr(discovery, "entry_points", lambda group: [Other()])
    assert INSTALLED.load("defenses", "dpm") is DpmDefense
    assert INSTALLED.origin("defenses", "dpm").is_ours
    assert Kinds(INSTALLED).options("defenses", "dpm") is DpmDefense.Options


def test_an_unknown_kind_names_what_there_is_and_the_nearest() -> None:
    with pytest.raises(
        PluginError, match=r"'nome'; there are adversarial, .*; did you mean `none`\? .*defenses/nome\.py.*--plugin-dir"
    ):
        INSTALLED.load("defenses", "nome")


@pytest.mark.parametrize("group", GROUPS)
def test_files_are_found_by_folder_and_name(group: str, write: Write, tmp_path: Path) -> None:
    beside, here, given = (tmp_path / name for name in ("beside", "here", "given"))
    write(f"beside/{group}/one.py", group)
    write(f"here/{group}/two.py", group)
    write(f"given/{group}/three.py", group)
    write(f"given/{group}/_helper.py", group)
    write(f"given/{group}/options.py", group)
    write("given/four.py", group)
    write("here/five.py", group)  # beside a scenario only folders called as groups count
    plugins = Plugins.of(beside, here, plugin_dirs=[given])
    assert set(plugins.installed(group)) - set(INSTALLED.installed(group)) == {"one", "two", "three", "four"}
    assert [plugins.load(group, kind).where for kind in ("one", "two", "three", "four")] == [
        f"beside/{group}/one.py",
        f"here/{group}/two.py",
        f"given/{group}/three.py",
        "given/four.py",
    ]
    for other in GROUPS.keys() - {group}:
        with pytest.raises(PluginError, match=f"there is no {GROUPS[other]} 'four'; there are (?!.*four,)"):
            plugins.load(other, "four")


def test_a_plugin_folder_may_itself_be_called_as_a_group(write: Write, tmp_path: Path) -> None:
    write("entities/late.py")
    assert Plugins.of(plugin_dirs=[tmp_path / "entities"]).load("entities", "late").kind == "late"
    with pytest.raises(PluginError, match=r"--plugin-dir .*nowhere: there is no such folder"):
        Plugins.of(plugin_dirs=[tmp_path / "nowhere"])


def test_other_files_in_a_plugin_folder_are_not_even_imported(tmp_path: Path, write: Write) -> None:
    (tmp_path / "setup.py").write_text("raise SystemExit('ran')")
    write("other_name.py", kind="late")
    assert Plugins.of(plugin_dirs=[tmp_path]).installed("entities").keys() == INSTALLED.installed("entities").keys()


def test_only_the_named_kind_is_imported(write: Write, tmp_path: Path) -> None:
    note = f"import pathlib; pathlib.Path({str(tmp_path)!r}, 'ran_' + __name__.rpartition('.')[2]).mkdir()"
    for name in ("entities/late.py", "entities/later.py", "direct.py"):
        write(name, more=note)
    plugins = Plugins.of(plugin_dirs=[tmp_path])
    plugins.installed("entities")
    assert not list(tmp_path.glob("ran_*"))
    assert plugins.load("entities", "late") is plugins.load("entities", "late")
    assert [path.name for path in tmp_path.glob("ran_*")] == ["ran_late"]


@pytest.mark.parametrize("files", [("a/entities/late.py", "b/entities/late.py"), ("a/entities/late.py", "b/late.py")])
def test_two_files_of_one_kind_are_an_error_that_names_both(
    files: tuple[str, str], write: Write, tmp_path: Path
) -> None:
    paths = [write(file) for file in files]
    write("b/entities/early.py")
    plugins = Plugins.of(plugin_dirs=[tmp_path / "a", tmp_path / "b"])
    with pytest.raises(PluginError, match=r"two plugins of collab.entities call themselves 'late'") as told:
        plugins.load("entities", "late")
    assert all(str(path) in str(told.value) for path in paths)
    assert plugins.load("entities", "early").kind == "early"  # the clash is nobody else's business


def test_one_kind_in_two_groups_is_no_clash(write: Write, tmp_path: Path) -> None:
    write("entities/late.py")
    write("late.py", "defenses")
    plugins = Plugins.of(plugin_dirs=[tmp_path])
    assert [plugins.load(group, "late").group for group in ("entities", "defenses")] == ["entities", "defenses"]


def test_two_packages_or_a_package_and_a_file_of_one_kind_clash(
    points: list[EntryPoint], write: Write, tmp_path: Path
) -> None:
    points += [EntryPoint("dpm", value, "collab.defenses") for value in ("first:A", "second:B")]
    with pytest.raises(PluginError, match=r"first:A and second:B"):
        INSTALLED.load("defenses", "dpm")
    points[:] = [EntryPoint("contributor", "collab_entities.contributor:Contributor", "collab.entities")]
    file = write("entities/contributor.py")
    with pytest.raises(PluginError, match=rf"collab_entities.contributor:Contributor and {file}"):
        Plugins.of(tmp_path).load("entities", "contributor")


def test_a_file_reached_twice_or_copied_is_one_plugin(write: Write, tmp_path: Path) -> None:
    assert Plugins.of(ROOT, ROOT, plugin_dirs=[ROOT]).load("entities", "contributor").__module__ == (
        "collab_entities.contributor"  # an entry point and, from the working directory, a file
    )
    copied = tmp_path / "entities" / "contributor.py"  # what a checkout has after `pip install .`
    copied.parent.mkdir()
    copied.write_bytes((ROOT / "entities" / "contributor.py").read_bytes())
    assert Plugins.of(tmp_path).load("entities", "contributor") is INSTALLED.load("entities", "contributor")
    copied.write_text(copied.read_text() + "# changed\n")
    with pytest.raises(PluginError, match="two plugins"):
        Plugins.of(tmp_path).load("entities", "contributor")


BROKEN = {
    "import": ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'", "import no_such_mod"),
    "syntax": ("def broken(:", "SyntaxError", "def broken(:"),
    "exit": ("raise SystemExit('bye')", "SystemExit: bye", "raise SystemExit"),
}


@pytest.mark.parametrize("fault", BROKEN)
@pytest.mark.parametrize("folder", ["entities/", ""])
def test_a_plugin_that_does_not_import_says_why_and_hides_no_other(
    fault: str, folder: str, write: Write, tmp_path: Path
) -> None:
    code, why, line = BROKEN[fault]
    file = write(f"{folder}late.py", more=code)
    write("entities/early.py")
    plugins = Plugins.of(plugin_dirs=[tmp_path])
    with pytest.raises(PluginError) as told:
        plugins.load("entities", "late")
    assert str(file) in str(told.value)
    assert why in str(told.value)
    assert told.value.__cause__ is not None
    (trace,) = told.value.__notes__
    assert line in trace
    assert "importlib" not in trace  # its own traceback, not that of our machinery
    assert plugins.load("entities", "early").kind == "early"


def test_an_entry_point_that_does_not_import_says_why(points: list[EntryPoint]) -> None:
    points += [EntryPoint("broken", "collab.no_such_module:A", "collab.defenses")]
    with pytest.raises(PluginError, match=r"ModuleNotFoundError.*no_such_module"):
        INSTALLED.load("defenses", "broken")


@pytest.mark.parametrize(
    ("group", "kind", "words"),
    [
        ("entities", "other", "no class of this kind in collab.entities. Subclass collab.participants.entity.Entity"),
        ("defenses", "late", "no class of this kind in collab.entities"),  # a defense in the folder `entities`
    ],
)
def test_a_file_without_a_class_of_its_kind_says_so(
    group: str, kind: str, words: str, write: Write, tmp_path: Path
) -> None:
    write("entities/late.py", group, kind=kind)
    with pytest.raises(PluginError, match=words):
        Plugins.of(tmp_path).load("entities", "late")


def test_two_classes_of_one_kind_in_a_file_are_an_error(write: Write, tmp_path: Path) -> None:
    write("entities/late.py", more="class Twin:\n    group, kind = 'entities', 'late'\nSame = Twin")
    with pytest.raises(PluginError, match="two classes of this kind: Twin and It"):
        Plugins.of(tmp_path).load("entities", "late")


def test_a_file_that_no_scenario_could_name_says_so(write: Write, tmp_path: Path) -> None:
    write("entities/Late-2.py")
    with pytest.raises(PluginError, match=r"'Late-2' .* cannot be named in a scenario"):
        Plugins.of(tmp_path).load("entities", "Late-2")


def test_neighbors_are_imported_and_equal_names_in_two_folders_are_apart(write: Write, tmp_path: Path) -> None:
    for folder in ("a.b%2E", "a_b"):
        write(f"{folder}/entities/late_{folder[-1].lower()}.py", more="from ._shared import WHERE")
        (tmp_path / folder / "entities" / "_shared.py").write_text(f"WHERE = {folder!r}")
    plugins = Plugins.of(tmp_path / "a.b%2E", tmp_path / "a_b")
    found = [sys.modules[plugins.load("entities", kind).__module__].WHERE for kind in ("late_e", "late_b")]
    assert found == ["a.b%2E", "a_b"]


def test_plugins_and_their_options_reach_another_process(write: Write, tmp_path: Path) -> None:
    options = "from collab.scenario.base import EntityOptions\nclass Options(EntityOptions):\n    keep: float = 1.0"
    write("entities/late.py", more=options)
    plugins = Plugins.of(tmp_path)
    module = sys.modules[plugins.load("entities", "late").__module__]
    sent = tmp_path / "sent"
    sent.write_bytes(pickle.dumps((plugins, module.Options(keep=0.5))))
    code = (
        "import pickle, sys\n"
        "plugins, options = pickle.load(open(sys.argv[1], 'rb'))\n"
        "print(options.keep, plugins.load('entities', 'late').where, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(sent)], capture_output=True, text=True, check=False, cwd="/")
    assert done.stdout.split() == ["0.5", "entities/late.py", "False"], done.stderr


def test_plugins_travel_to_a_machine_that_lacks_their_folder(tmp_path: Path) -> None:
    folder = tmp_path / "mine" / "entities"
    folder.mkdir(parents=True)
    (folder / "_shared.py").write_text("WHY = 'rain'\n")
    (folder / "far.py").write_text(
        "from collab.scenario.base import EntityOptions\nfrom ._shared import WHY\n"
        "class Far:\n    group, kind = 'entities', 'far'\n    class Options(EntityOptions):\n        why: str = WHY\n"
    )
    plugins = Plugins.of(plugin_dirs=[tmp_path / "mine"])
    options = plugins.load("entities", "far").Options()
    content = pickle.dumps({"plugins": plugins, "options": options})
    folder.parent.rename(tmp_path / "elsewhere")
    code = (
        "import pickle, sys; found = pickle.load(sys.stdin.buffer); far = found['plugins'].load('entities', 'far');"
        "assert type(found['options']) is far.Options;"
        "print(found['plugins'].origin('entities', 'far'), far.Options().why)"
    )
    done = subprocess.run([sys.executable, "-c", code], input=content, capture_output=True, check=False)
    assert done.stdout.decode() == f"{folder / 'far.py'} rain\n", done.stderr.decode()


def test_a_job_reads_its_plugins_before_the_options_of_their_classes() -> None:
    assert next(iter(RunSpec.__dataclass_fields__)) == "plugins"
