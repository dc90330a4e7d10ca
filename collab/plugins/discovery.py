"""Finds the class of a kind: in entry points of installed packages, and as a file in folders of plugins."""

import filecmp
import re
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, Self

from collab.errors import PluginError
from collab.meant import did_you_mean
from collab.plugins.modules import here, import_file, mount

KIND = r"^[a-z][a-z0-9_]*$"

GROUPS = {
    "entities": "entity",
    "defenses": "defense",
    "attacks": "attack",
    "sources": "source",
    "backbones": "backbone",
    "trackers": "tracker",
    "metrics": "metric",
}
"""The groups, which are also names of folders, and what one of each is called."""

BASES = {
    "entities": "collab.participants.entity.Entity",
    "defenses": "collab.defenses.base.Defense",
    "attacks": "collab.attacks.base.Attack",
    "sources": "collab.data.source.Source",
    "backbones": "collab.architectures.Backbone",
    "trackers": "collab.trackers.base.Tracker",
    "metrics": "collab.results.metric.Metric",
}
"""What a plugin of a group subclasses; of its base it has the `group` that it says it belongs to."""

BUILT_IN = {
    "trackers": {
        "mlflow": "collab.trackers.mlflow:Mlflow",
        "tensorboard": "collab.trackers.tensorboard:TensorBoard",
        "wandb": "collab.trackers.wandb:Wandb",
    }
}
"""Plugins of ours, by group, that are no entry points: they need no installed metadata to be found."""

OPTIONS_MODULE = "options"
"""The module of a package or folder that holds what scenarios may state of the plugins in it."""

OURS = ("collab", "collab_entities")
"""The top-level packages that this project installs. `entities/` of the repository is the second."""


@dataclass(frozen=True)
class Origin:
    """Where a plugin comes from: an entry point of an installed package, or a file.

    `is_sure`: its group is known before it is imported; of a file that lies directly in a plugin folder it is not.
    What is no file is an entry point, of whichever class: the package `importlib_metadata` brings one of its own.
    """

    source: EntryPoint | Path
    is_sure: bool = True

    def __str__(self) -> str:
        if isinstance(self.source, Path):
            return str(self.source)
        package = getattr(self.source.dist, "name", None)
        return self.source.value + (f" of the package {package}" if package else "")

    @property
    def is_ours(self) -> bool:
        """Whether it comes with this package, whose stages have versions and whose kinds are in the documentation."""
        return not isinstance(self.source, Path) and is_ours(self.source.module)

    def is_same(self, other: "Origin") -> bool:
        """Whether both are one plugin: the same entry point, or one file or a copy of it, as after `pip install .`."""
        if not isinstance(self.source, Path) and not isinstance(other.source, Path):
            return self.source.value == other.source.value
        one, two = self._file, other._file
        return one is not None and two is not None and filecmp.cmp(one, two, shallow=False)

    @property
    def _file(self) -> Path | None:
        if isinstance(self.source, Path):
            return here(self.source.parent) / self.source.name
        try:
            spec = find_spec(self.source.module)
        except Exception:  # its parent package runs for this; what is wrong is told where the plugin is loaded
            return None
        return Path(spec.origin) if spec and spec.origin and Path(spec.origin).is_file() else None


@dataclass(frozen=True)
class Plugins:
    """Entry points, and the files in `folders`.

    A pickle of it holds the files: on another machine it finds the same, and so do pickles of their classes after it.

    A folder called as a group (`entities`, `sources`) holds one file for each kind, `<kind>.py`; in a folder of
    another name the class in the file says what it is. Files that start with `_` are no plugins, nor is `options.py`,
    which holds what scenarios may state of its neighbors.
    """

    folders: tuple[Path, ...] = ()

    @classmethod
    def of(cls, *projects: Path, plugin_dirs: Iterable[Path] = ()) -> Self:
        """Those in the folders of each place that are called as groups are, and all of each plugin folder.

        Raises PluginError for a plugin folder that is none.
        """
        folders = [project / group for project in projects for group in GROUPS]
        for plugin_dir in plugin_dirs:
            if not plugin_dir.is_dir():
                raise PluginError(
                    f"--plugin-dir {plugin_dir}: there is no such folder. Name one that holds plugin files."
                )
            folders += [plugin_dir, *(plugin_dir / group for group in GROUPS)]
        return cls(tuple(dict.fromkeys(folder.resolve() for folder in folders if folder.is_dir())))

    def __reduce__(self) -> tuple[Any, ...]:
        files = {
            folder: {file.name: file.read_bytes() for file in here(folder).glob("*.py")} for folder in self.folders
        }
        return _arrived, (self.folders, files)

    def installed(self, group: str) -> dict[str, tuple[Origin, ...]]:
        """Every kind that may be one of `group`, and its origin, or several, if they clash; imports nothing."""
        origins: dict[str, list[Origin]] = {}
        for kind, origin in self._origins(group):
            others = origins.setdefault(kind, [])
            if not any(origin.is_same(other) for other in others):
                others.append(origin)
        return {kind: tuple(origins[kind]) for kind in sorted(origins)}

    def origins(self, group: str, kind: str) -> tuple[Origin, ...]:
        """Where `kind` of `group` comes from: more than one place is a mistake, none if there is no such kind.

        Imports those whose class must say its group; raises PluginError for one that does not import.
        """
        candidates = self.installed(group).get(kind, ())
        return tuple(origin for origin in candidates if origin.is_sure or _classes(origin, group, kind))

    def origin(self, group: str, kind: str) -> Origin:
        """The one origin of `kind`. Raises PluginError where there is none, or two."""
        origins = self.origins(group, kind)
        if not origins:
            kinds = sorted(self.installed(group).keys() - {kind})
            raise PluginError(
                f"there is no {GROUPS[group]} {kind!r}; there are {', '.join(kinds) or 'none'}"
                f"{did_you_mean(kind, kinds) or '.'} Put it into {group}/{kind}.py beside the scenario, or name its "
                "folder with --plugin-dir."
            )
        if len(origins) > 1:
            raise PluginError(
                f"two plugins of collab.{group} call themselves {kind!r}: {origins[0]} and {origins[1]}. "
                "Take one of them away, or rename its kind."
            )
        return origins[0]

    def load(self, group: str, kind: str) -> Any:
        """The class of `kind`.

        Raises PluginError where it is unknown or comes from two places, where its module fails to import (with the
        traceback), and where the module has no such class.
        """
        origin = self.origin(group, kind)
        classes = _classes(origin, group, kind)
        if not classes:
            base = f"Subclass {BASES[group]}" if group in BASES else f"Write a class with `group = {group!r}`"
            raise PluginError(
                f"the plugin {kind!r} ({origin}) has no class of this kind in collab.{group}. "
                f"{base}, with `kind: ClassVar[str] = {kind!r}`."
            )
        if len(classes) > 1:
            names = " and ".join(each.__name__ for each in classes)
            raise PluginError(f"the plugin {kind!r} ({origin}) has two classes of this kind: {names}. Rename one.")
        return classes[0]

    def options_module(self, group: str, kind: str) -> ModuleType | None:
        """The module `options` beside that of an installed `kind`, for who asks what may be stated and needs no more.

        So the plugin itself is not imported, nor what it needs. None where its package has no such module, and of a
        plugin that is a file. Raises PluginError as `load` does.
        """
        origin = self.origin(group, kind)
        package = "" if isinstance(origin.source, Path) else origin.source.module.rpartition(".")[0]
        name = f"{package}.{OPTIONS_MODULE}"
        with _imports(origin, group, kind):
            return import_module(name) if package and find_spec(name) else None

    def folders_of(self, kinds: Iterable[tuple[str, str]]) -> tuple[Path, ...]:
        """The folders that `kinds`, each with its group before it, come from; none for what is installed."""
        sources = [origin.source for group, kind in kinds for origin in self.origins(group, kind)]
        return tuple(dict.fromkeys(source.parent for source in sources if isinstance(source, Path)))

    def _origins(self, group: str) -> Iterator[tuple[str, Origin]]:
        for point in _points(group):
            yield point.name, Origin(point)
        for folder in self.folders:
            if folder.name not in (group, *GROUPS):
                yield from ((file.stem, Origin(file, is_sure=False)) for file in _files(folder) if _says_kind(file))
            elif folder.name == group:
                yield from ((file.stem, Origin(file)) for file in _files(folder))


INSTALLED = Plugins()
"""What packages bring, and no folder."""


def _arrived(folders: tuple[Path, ...], files: Mapping[Path, Mapping[str, bytes]]) -> Plugins:
    for folder in folders:
        mount(folder, files[folder])
    return Plugins(folders)


def is_ours(module: str) -> bool:
    """Whether a module of this dotted name comes with this package."""
    return module.partition(".")[0] in OURS


@cache  # what is installed stays so while a process lives, and reading it for each of a hundred entities is slow
def _points(group: str) -> Sequence[EntryPoint]:
    ours = BUILT_IN.get(group, {}).items()
    return (
        *entry_points(group=f"collab.{group}"),
        *(EntryPoint(kind, value, f"collab.{group}") for kind, value in ours),
    )


def _files(folder: Path) -> list[Path]:
    names = [file.name for file in here(folder).glob("*.py") if file.stem != OPTIONS_MODULE]
    return sorted(folder / name for name in names if not name.startswith("_"))


def _says_kind(file: Path) -> bool:
    """Whether `file` says `kind` and quotes its own name; others (conftest.py, setup.py) are never imported."""
    try:
        text = (here(file.parent) / file.name).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True  # so that loading it tells why
    return bool(re.search(r"\bkind\b", text) and re.search(rf"""["']{re.escape(file.stem)}["']""", text))


def _classes(origin: Origin, group: str, kind: str) -> list[type]:
    """The classes of `kind` and `group` in the module of `origin`. Raises PluginError if it does not import."""
    if not re.fullmatch(KIND, kind):
        raise PluginError(
            f"the plugin {kind!r} ({origin}) cannot be named in a scenario. "
            "Call it by lower-case letters, digits and _, a letter first."
        )
    source = origin.source
    with _imports(origin, group, kind):
        values = list(vars(import_file(source)).values()) if isinstance(source, Path) else [source.load()]
    classes = dict.fromkeys(each for each in values if isinstance(each, type))  # each once, whatever its names
    return [each for each in classes if vars(each).get("kind") == kind and getattr(each, "group", None) == group]


@contextmanager
def _imports(origin: Origin, group: str, kind: str) -> Iterator[None]:
    """Raises PluginError, with the traceback as a note, for whatever an import of a plugin's module raises."""
    try:
        yield
    except (Exception, SystemExit) as cause:
        error = PluginError(
            f"the plugin {kind!r} of collab.{group} ({origin}) does not import: {type(cause).__name__}: {cause}"
        )
        error.add_note(_trace(cause))
        raise error from cause


def _trace(cause: BaseException) -> str:
    """The traceback from where the plugin's own code begins."""
    step, machinery = cause.__traceback__, ("importlib", str(Path(__file__).parent))
    while step is not None and any(part in step.tb_frame.f_code.co_filename for part in machinery):
        step = step.tb_next
    return "".join(traceback.format_exception(type(cause), cause, step))
