"""All stages by name, found in this room: a module that holds a stage needs no line elsewhere."""

import pkgutil
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from collab import stages
from collab.stages.base import Stage


def _found() -> Mapping[str, Stage[Any]]:
    modules = [import_module(f"{stages.__name__}.{module.name}") for module in pkgutil.iter_modules(stages.__path__)
               if module.name not in ("base", "keys", "registry")]  # fmt: skip
    kinds = [kind for module in modules for kind in vars(module).values()
             if isinstance(kind, type) and issubclass(kind, Stage) and kind.__module__ == module.__name__]  # fmt: skip
    return {kind.name: kind() for kind in sorted(kinds, key=lambda kind: kind.name)}


STAGES = _found()
"""Every stage by its name."""
