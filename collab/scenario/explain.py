"""Pydantic's errors as places in a scenario and sentences that say what is allowed."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, get_args

from pydantic import BaseModel

from collab.meant import did_you_mean
from collab.scenario.any_source import find_own_options
from collab.scenario.base import PATTERNS, DefenseOptions, MetricOptions, TrackerOptions
from collab.scenario.document import Trail
from collab.scenario.kinds import Kinds
from collab.scenario.model import EntityPart, Scenario
from collab.scenario.sources import SOURCES, Data

_SENTENCES = {
    "missing": "is missing",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "string_type": "must be a text",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list",
    "model_type": "must be a mapping of keys to values",
    "model_attributes_type": "must be a mapping of keys to values",
    "finite_number": "must be a finite number",
}
_SAY_ALL = ("unknown", "the plugin", "two plugins")
"""How sentences begin beside which the value that stands there says nothing."""


def explain(
    errors: Sequence[Any], content: Any, kinds: Kinds, root: type[BaseModel] = Scenario
) -> Iterator[tuple[Trail, str]]:
    """One place and one sentence for each mistake in a `root`, with the value that stands there.

    The members of a union each complain; their sentences become one. `kinds` know which options may stand where.
    """
    sentences_at: dict[Trail, list[str]] = {}
    unquoted = set[Trail]()
    for error in errors:
        sentences_at.setdefault(trail := _trail(error, content), []).append(_sentence(error, content, kinds, root))
        if error["type"] == "string_type" and isinstance(error["input"], bool | int | float):
            unquoted.add(trail)
    for trail, sentences in sentences_at.items():
        is_part_right = any(trail == other[: len(trail)] for other in sentences_at if len(other) > len(trail))
        if is_part_right and not any(sentence.startswith(("is", "unknown")) for sentence in sentences):
            continue  # a list with one wrong item also complains that it is not the word it could have been
        got = "" if sentences[0].startswith(_SAY_ALL) else _got(content, trail)
        sentence, mark, meant = ", or ".join(dict.fromkeys(sentences)).partition("; did you mean")
        advice = "; write it in quotes" if trail in unquoted and len(sentences) == 1 else f"{mark}{meant}"
        yield trail, f"{sentence}{got}{advice}"


def _trail(error: Any, content: Any) -> Trail:
    """Where the error lies in the file; the tags of unions, which pydantic names too, are no places."""
    trail: list[str | int] = []
    steps, here = list(error["loc"]), content
    if error["type"].startswith("union_tag"):
        steps.append(error["ctx"]["discriminator"].strip("'"))
    for index, step in enumerate(steps):
        if isinstance(step, str) and step.startswith("tuple["):  # how pydantic calls the list in `a part or a list`
            continue
        if isinstance(here, dict) and (step in here or index == len(steps) - 1):
            trail.append(step)
            here = here.get(step)
        elif isinstance(here, list | tuple) and isinstance(step, int) and step < len(here):
            trail.append(step)
            here = here[step]
        elif isinstance(here, str) and step == here:  # the short form: a word for `{kind: word}`
            here = {"kind": here}
    return tuple(trail)


def _sentence(error: Any, content: Any, kinds: Kinds, root: type[BaseModel]) -> str:
    kind, about = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        models = _models_at(error["loc"][:-1], content, kinds, root)
        allowed = sorted({field.alias or name for model in models for name, field in model.model_fields.items()})
        meant = did_you_mean(error["loc"][-1], allowed)
        return f"unknown key{meant or '; allowed: ' + (', '.join(allowed) or 'none')}"
    if kind == "union_tag_not_found":
        models = _models_at(error["loc"], content, kinds, root)
        plugins = _list_plugins(error, kinds)
        return f"is missing; one of {', '.join([*(tag for model in models for tag in tags(model)), *plugins])}"
    if kind == "union_tag_invalid":
        return _choice("".join([about["expected_tags"], *map(repr, _list_plugins(error, kinds))]), about["tag"])
    if kind == "literal_error":
        plugins = kinds.names("backbones") if error["loc"] == ("model", "backbone") else ()
        return _choice("".join([about["expected"], *map(repr, plugins)]), error["input"])
    if kind == "string_pattern_mismatch" and about["pattern"] in PATTERNS:
        return PATTERNS[about["pattern"]]
    return _SENTENCES.get(kind) or error["msg"].replace("Input should be", "must be").removeprefix("Value error, ")


def _list_plugins(error: Any, kinds: Kinds) -> tuple[str, ...]:
    """The plugins that may stand where a union of ours does: sources."""
    return kinds.names("sources") if error["ctx"]["discriminator"] == "'source'" else ()


def _choice(expected: str, written: object) -> str:
    words = re.findall(r"'([^']*)'", expected)
    allowed = f"must be {words[0]}" if len(words) == 1 else f"must be one of {', '.join(words)}"
    return allowed + (did_you_mean(written, words) if isinstance(written, str) else "")


def _got(content: Any, trail: Trail) -> str:
    here = content
    for step in trail:
        if isinstance(here, str) or (isinstance(here, dict) and step not in here):
            return ""
        here = here[step]
    if isinstance(here, dict | list | tuple):
        return "" if isinstance(here, dict) else " (got a list)"
    if "://" in str(here):  # people put credentials there, and messages into logs
        return ""
    text = repr(here).replace("True", "true").replace("False", "false").replace("None", "null")
    return f" (got {text if len(text) <= 60 else text[:57] + '...'})"


def _models_at(steps: Sequence[str | int], content: Any, kinds: Kinds, root: type[BaseModel]) -> list[type[BaseModel]]:
    """The parts that may stand where `steps`, tags of unions among them, lead."""
    models: list[type[BaseModel]] = [root]
    here = content
    for step in steps:
        around, here = here, _inside(here, step)
        fields = [
            field for model in models for name, field in model.model_fields.items() if step in (field.alias, name)
        ]
        plugin = _find_source(here, kinds) if step in ("data", "public", "heldout") else None
        if models == [Scenario] and plugin is not None:
            models = [plugin]
        elif plugin is not None:
            models = [find_own_options(plugin)]
        elif models == [Scenario] and step == "model" and kinds.knows("backbones", str(here.get("backbone"))):
            models = [kinds.options("backbones", here["backbone"])]
        elif models in ([TrackerOptions], [MetricOptions]):
            models = [kinds.options("trackers" if models == [TrackerOptions] else "metrics", here["kind"])]
        elif models == [EntityPart] and step == "options":
            models = [kinds.options("entities", around.get("kind", EntityPart.model_fields["kind"].default))]
        elif models == [DefenseOptions] or (isinstance(here, dict) and (models, step) == ([EntityPart], "defense")):
            models = [kinds.options("defenses", here["kind"])]  # alone, or one of several in a list
        elif fields:
            models = list(dict.fromkeys(model for field in fields for model in _models(field.annotation)))
        elif isinstance(step, str):
            # a union in a union is a step too, which leads to no model of its own
            models = [model for model in models if step in (*tags(model), model.__name__)] or models
    return models


def _find_source(here: Any, kinds: Kinds) -> type[Data] | None:
    """The options of a source that stands here, where it is a plugin."""
    source = here.get("source") if isinstance(here, dict) else None
    if not isinstance(source, str) or source in SOURCES or not kinds.knows("sources", source):
        return None
    options = kinds.options("sources", source)
    return options if issubclass(options, Data) else None


def _inside(here: Any, step: str | int) -> Any:
    """What `step` leads to; the tag of a union leads nowhere."""
    if isinstance(here, dict):
        return here.get(step, here)
    return here[step] if isinstance(here, list | tuple) and isinstance(step, int) else here


def tags(model: type[BaseModel]) -> tuple[str, ...]:
    """The values of `kind` or `source` that tell this model from others at the same place."""
    return tuple(
        tag
        for name in ("kind", "source")
        if name in model.model_fields
        for tag in get_args(model.model_fields[name].annotation)
    )


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)
