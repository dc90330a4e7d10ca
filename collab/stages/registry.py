"""All stages by name, found in this room: a module that holds a stage needs no line elsewhere."""

import pkgutil
from collections.abc import Mapping
from importlib import import_module
from inspect import isabstract
from typing import Any

from collab import stages
from collab.errors import CollabError
from collab.stages.base import Stage


def _find_stages() -> Mapping[str, Stage[Any]]:
    """One object of each stage. Raises CollabError where two have one name: one of them would never be played."""
    stages_by_name: dict[str, Stage[Any]] = {}
    for module in pkgutil.iter_modules(stages.__path__, f"{stages.__name__}."):
        if module.name == __name__:
            continue
        for kind in vars(import_module(module.name)).values():
            is_stage = isinstance(kind, type) and issubclass(kind, Stage) and not isabstract(kind)
            if not is_stage or kind.__module__ != module.name:
                continue  # an import of another module's stage
            if kind.name in stages_by_name:
                raise CollabError(
                    f"two stages are called {kind.name!r}: {stages_by_name[kind.name]} and {kind}. Rename one."
                )
            stages_by_name[kind.name] = kind()
    return dict(sorted(stages_by_name.items()))


STAGES = _find_stages()
"""Every stage by its name."""
