"""`--set path.to.key=value`: one value of a scenario changed from the command line."""

from collections.abc import Iterator
from typing import Any

from collab.meant import did_you_mean
from collab.scenario.base import long_form
from collab.scenario.document import Trail, read_value

_MAY_BE_LEFT_OUT = frozenset(
    ("reconstructor", "refine", "scratch", "store", "resources", "entity", "expect", "options", "partition", "overlap")
)
"""Parts that a file need not have; an override may reach into them all the same."""


def apply_override(content: dict[str, Any], override: str) -> list[Trail]:
    """Changes `content` in place and says where: parts made on the way first, then what was set.

    An item of a list goes by its `name` or `row`, one of several defenses by its `kind`; all but rows by their index
    too, and `*` is all of them. The last key may be new, as a default may stand there; everything before it must exist.
    Raises ValueError with a sentence for an override that reaches nothing.
    """
    where, equals, value = override.partition("=")
    keys = where.strip().split(".")
    if not equals or not all(keys):
        raise ValueError("write path.to.key=value")
    changed: list[Trail] = []
    for parent, trail in list(_reached(content, keys[:-1], (), changed)):
        if not isinstance(parent, dict | list):
            raise ValueError(f"{_dotted(trail)} is {parent!r} and has no keys")
        positions: list[Any] = [keys[-1]] if isinstance(parent, dict) else _positions(parent, keys[-1], trail)
        for at in positions:
            parent[at] = read_value(value)
            changed.append((*trail, at))
    return changed


def _reached(here: Any, keys: list[str], trail: Trail, made: list[Trail]) -> Iterator[tuple[Any, Trail]]:
    """What `keys` lead to from `here`; where it may be left out it is made, and noted in `made`."""
    if not keys:
        yield here, trail
        return
    for at in _positions(here, keys[0], trail):
        if isinstance(here, dict) and here.get(at) is None:
            here[at] = {}
            made.append((*trail, at))
        elif isinstance(here[at], str) and ({at, *trail[-1:]} & {"defense", "partition"}):  # a name for a mapping
            here[at] = long_form(here[at])
        yield from _reached(here[at], keys[1:], (*trail, at), made)


def _positions(here: Any, key: str, trail: Trail) -> list[Any]:
    if isinstance(here, dict):
        if key in here or key in _MAY_BE_LEFT_OUT:
            return [key]
        raise ValueError(_missing(trail, key, list(map(str, here)), "no keys"))
    if not isinstance(here, list):
        raise ValueError(f"{_dotted(trail)} is {here!r} and has no keys")
    labels = [_label(item, index, is_defense=trail[-1:] == ("defense",)) for index, item in enumerate(here)]
    positions = [index for index, label in enumerate(labels) if key in ("*", label)]
    if not positions and key.isdecimal() and int(key) < len(here) and not any(label.isdecimal() for label in labels):
        positions = [int(key)]  # rows are numbers themselves, so an index would be taken for one
    if not positions:
        raise ValueError(_missing(trail, key, labels, "no items"))
    return positions


def _missing(trail: Trail, key: str, names: list[str], none: str) -> str:
    return f"{_dotted(trail)} has no {key!r}; there are {', '.join(names) or none}{did_you_mean(key, names)}"


def _label(item: Any, index: int, *, is_defense: bool) -> str:
    if is_defense:
        return str(item.get("kind") if isinstance(item, dict) else item)
    return str(item.get("name", item.get("row", index)) if isinstance(item, dict) else index)


def _dotted(trail: Trail) -> str:
    return ".".join(map(str, trail)) or "the scenario"
