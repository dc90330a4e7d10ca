"""What is wrong with sources beside the one that is dealt: those of entities, of the public and the held-out set."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from collab.scenario.holding_checks import NEEDS_NO_IMAGES
from collab.scenario.plain_values import Finding, entry, names_in, number_in
from collab.tasks import TASKS


def check_own_sources(
    content: Mapping[str, Any], entities: Sequence[tuple[int, Mapping[str, Any]]]
) -> Iterator[Finding]:
    """Sources that are missing, that are there in vain, and what no several sources can be asked for."""
    data = entry(content, "data", dict) or {}
    beside: dict[tuple[str | int, ...], dict[str, Any]] = {
        **{("data", key): part for key in ("public", "heldout") if (part := entry(data, key, dict)) is not None},
        **{("entities", index, "data"): part for index, each in entities if (part := entry(each, "data", dict))},
    }
    if data.get("source") == "own":
        if data.get("public") is None:
            yield ("data", "public"), "is missing: with `source: own` nobody's images are public but those of a source"
        for index, entity in entities:
            if entity.get("data") is None and entity.get("kind") not in NEEDS_NO_IMAGES:
                yield ("entities", index, "data"), "is missing: with `source: own` every entity has a source of its own"
    yield from _check_hold_out(data, beside)
    if beside and (why := _find_more_than_classes(content, data)):
        yield next(iter(beside)), f"tells classes alone, as all sources beside `data` do; {why} asks for more"


def _check_hold_out(
    data: Mapping[str, Any], beside: Mapping[tuple[str | int, ...], Mapping[str, Any]]
) -> Iterator[Finding]:
    """Shares to be held out, and groups that are never split, where nothing is held out of a source."""
    for at, part in {("data",): data, **beside}.items():
        for key in ("hold_out", "group"):
            if part.get(key) is None:
                continue
            if at in (("data", "public"), ("data", "heldout")):
                yield (*at, key), "has no effect: these images are nobody's, and none of them is held out"
            elif data.get("heldout") is not None:
                yield (*at, key), "has no effect beside `data.heldout`, which is held out for all"
            elif key == "group" and part.get("hold_out") is None and number_in(data, "hold_out") is None:
                yield (*at, key), "has no effect without `hold_out`"


def _find_more_than_classes(content: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    """The key that asks of images what only one source can be asked for; empty if none does."""
    task = data.get("task", "classification")
    if isinstance(task, str) and task in TASKS and TASKS[task].needs:
        return "`data.task`"
    if names_in(data, "private_attributes"):
        return "`data.private_attributes`"
    if content.get("inference") is not None:
        return "`inference`"
    return "`exposure.embedding`" if entry(entry(content, "exposure", dict), "embedding", dict) is not None else ""
