"""Reads values of a scenario as it stands in a file, where any of them may be of a wrong type or missing."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from collab.meant import did_you_mean

Finding = tuple[tuple[str | int, ...], str]
"""Where in the scenario, and what is wrong and allowed."""

Kind = TypeVar("Kind")


def items(value: Any) -> list[tuple[int, dict[str, Any]]]:
    """The mappings in a list that may hold anything, with their places."""
    if not isinstance(value, list | tuple):
        return []
    return [(index, item) for index, item in enumerate(value) if isinstance(item, dict)]


def names_in(row: Mapping[str, Any], key: str) -> list[str]:
    """The names in a list that may hold anything, as texts; none if there is no list."""
    value = row.get(key)
    return [str(name) for name in value] if isinstance(value, list | tuple) else []


def entry(value: Any, key: str, kind: type[Kind]) -> Kind | None:
    """The value under a key, if there is a mapping and the value is of this kind."""
    item = value.get(key) if isinstance(value, dict) else None
    return item if isinstance(item, kind) and not isinstance(item, bool) else None


def number_in(value: Any, key: str) -> float | None:
    """The number under a key, if there is one."""
    whole = entry(value, key, int)
    return entry(value, key, float) if whole is None else whole


def no_such_entity(name: str, names: Sequence[str]) -> str:
    """What is wrong with the name of an entity that there is not."""
    return f"there is no entity {name!r}; there are {', '.join(names)}{did_you_mean(name, names)}"
