"""Imports plugin files: each folder is a package whose name says where it lies, so that any process can import it."""

import atexit
import importlib
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

_PREFIX = "collab-plugins:"

_COPIES: dict[Path, Path] = {}
"""Folders of another machine that are not here, and where their files were written to."""


def import_file(file: Path) -> ModuleType:
    """The module in `file`, run once in a process; it may import its neighbors (`from ._shared import ...`).

    Raises what the file raises.
    """
    importlib.invalidate_caches()  # the file may be younger than the last look at its folder
    return importlib.import_module(f"{_package(file.parent)}.{file.stem}")


def here(folder: Path) -> Path:
    """Where the files of `folder` lie on this machine: there, unless it is another machine's."""
    return folder if folder.is_dir() else _COPIES.get(folder, folder)


def unpack(folder: Path, files: Mapping[str, bytes]) -> None:
    """Makes the plugin files of another machine's `folder` importable here, under the names that they have there."""
    if folder.is_dir() or folder in _COPIES:
        return
    copy = Path(tempfile.mkdtemp(prefix="collab-plugins-"))
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    for name, content in files.items():
        (copy / name).write_bytes(content)
    _COPIES[folder] = copy


def _package(folder: Path) -> str:
    return _PREFIX + str(folder).replace("%", "%25").replace(".", "%2E")  # a dot would part package and module


class _Folders(MetaPathFinder):
    """Finds the package of a folder; Python's own finder then finds the files in it."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: object = None) -> ModuleSpec | None:
        if path is not None or not name.startswith(_PREFIX):
            return None
        spec = ModuleSpec(name, None, is_package=True)
        folder = Path(name.removeprefix(_PREFIX).replace("%2E", ".").replace("%25", "%"))
        spec.submodule_search_locations = [str(here(folder))]
        return spec


sys.meta_path.append(_Folders())  # on import: unpickling a plugin's options in another process has no other occasion
