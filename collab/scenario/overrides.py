"""`--set path.to.key=value`: one value of a scenario changed from the command line."""

from collections.abc import Callable, Iterator
from typing import Any

from collab.errors import ScenarioError

Trail = tuple[str | int, ...]


def apply_override(content: dict[str, Any], override: str, parse: Callable[[str], Any]) -> list[Trail]:
    """Changes `content` in place and says where.

    Items of a list are named by `name` or `row` (by index where they have neither), or all of them by `*`. The last key may be new, as a default
    may stand there; everything before it must exist. Raises ScenarioError for an override that reaches nothing.
    """
    where, equals, value = override.partition("=")
    keys = where.strip().split(".")
    if not equals or not all(keys):
        raise ScenarioError(f"--set {override}: write path.to.key=value")
    parents = list(_reached(content, keys[:-1], (), override))
    changed = []
    for parent, trail in parents:
        for at in [at for _, at in _children(parent, keys[-1])] if isinstance(parent, list) else [keys[-1]]:
            parent[at] = parse(value)
            changed.append((*trail, at))
    if not changed:
        raise ScenarioError(f"--set {override}: nothing is called {keys[-1]!r} there")
    return changed


def _reached(here: Any, keys: list[str], trail: Trail, override: str) -> Iterator[tuple[Any, Trail]]:
    if not keys:
        if not isinstance(here, dict | list):
            raise ScenarioError(f"--set {override}: {'.'.join(map(str, trail))} is the value {here!r} and has no keys")
        yield here, trail
        return
    found = list(_children(here, keys[0]))
    if not found:
        known = list(here) if isinstance(here, dict) else [_named(item, index) for index, item in enumerate(here or ())]
        raise ScenarioError(
            f"--set {override}: {'.'.join(map(str, trail)) or 'the scenario'} has no {keys[0]!r}; "
            f"there are {', '.join(map(str, known)) or 'no keys'}"
        )
    for child, at in found:
        if isinstance(child, str) and at == "defense":  # the short form: a name instead of a mapping
            child = here[at] = {"kind": child}
        yield from _reached(child, keys[1:], (*trail, at), override)


def _children(here: Any, key: str) -> list[tuple[Any, Any]]:
    if isinstance(here, dict):
        if key not in here and key in _OPTIONAL:
            here[key] = {}
        return [(here[key], key)] if key in here else []
    if not isinstance(here, list):
        return []
    return [(item, index) for index, item in enumerate(here) if key in ("*", str(_named(item, index)))]


_OPTIONAL = {"reconstructor", "refine", "scratch", "store", "resources", "entity", "expect"}
"""Parts that a file may leave out because they have defaults."""


def _named(item: Any, index: int) -> Any:
    return item.get("name", item.get("row", index)) if isinstance(item, dict) else index
