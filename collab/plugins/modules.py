"""Imports plugin files: each folder is a package whose name says where it lies, so that any process can import it.

Neither Python nor Ray does this for us. `spec_from_file_location` makes a module without a package: its file cannot say
`from ._shared import ...`, and no pickle of its classes is read in another process. `py_modules` of Ray's
`runtime_env` puts folders on `sys.path` under their own names, where the folders `entities` of two projects are one.
"""

import atexit
import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from collab.scratch import Scratch


def import_file(file: Path) -> ModuleType:
    """The module in `file`, run once in a process; it may import its neighbors (`from ._shared import ...`).

    Raises what the file raises.
    """
    mount(file.parent)
    importlib.invalidate_caches()  # the file may be younger than the last look at its folder
    return importlib.import_module(f"{_package(file.parent)}.{file.stem}")


def here(folder: Path) -> Path:
    """Where the files of `folder` lie on this machine: there, unless they came from another machine."""
    package = sys.modules.get(_package(folder))
    return Path(package.__path__[0]) if package else folder


def mount(folder: Path, files: Mapping[str, bytes] | None = None) -> None:
    """Makes the plugin files of `folder` importable here; of a folder of another machine, these `files`."""
    if _package(folder) in sys.modules:
        return
    package = sys.modules[_package(folder)] = ModuleType(_package(folder))
    package.__path__ = [str(folder)]
    if files is not None and not folder.is_dir():
        copy = Scratch()
        atexit.register(copy.remove)
        for name, content in files.items():
            (copy.path / name).write_bytes(content)
        package.__path__ = [str(copy.path)]


def _package(folder: Path) -> str:
    # a dot would part package and module; % is written out so that no two folders have one name
    return "collab-plugins:" + str(folder).replace("%", "%25").replace(".", "%2E")
