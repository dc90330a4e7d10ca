"""Finds the class of a kind, in the entry-point groups `collab.entities` and `collab.defenses`."""

from importlib.metadata import EntryPoint, entry_points
from typing import Any

from collab.errors import PluginError


def installed(group: str) -> dict[str, EntryPoint]:
    """The plugins of a group (`entities`, `defenses`) by kind. Raises PluginError where two share one kind."""
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=f"collab.{group}"):
        other = found.setdefault(point.name, point)
        if other.value != point.value:
            raise PluginError(
                f"two plugins call themselves {point.name!r} in collab.{group}: {other.value} and {point.value}. "
                "Uninstall one of them, or rename its kind."
            )
    return found


def load(group: str, kind: str) -> Any:
    """The class behind `kind`. Raises PluginError where it is unknown or its module fails to import."""
    found = installed(group)
    if kind not in found:
        raise PluginError(f"no plugin of collab.{group} is called {kind!r}. Installed: {', '.join(sorted(found))}.")
    try:
        return found[kind].load()
    except Exception as cause:
        raise PluginError(
            f"the plugin {kind!r} of collab.{group} ({found[kind].value}) does not import: "
            f"{type(cause).__name__}: {cause}"
        ) from cause
