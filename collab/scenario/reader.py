"""YAML to a scenario and back: every mistake at once, each with its line and column."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from collab.errors import ScenarioError
from collab.scenario.model import Scenario, mistakes
from collab.scenario.overrides import apply_override

LARGEST_FILE = 256 << 10
Trail = tuple[str | int, ...]


@dataclass(frozen=True)
class Loaded:
    """A valid scenario and the file it came from."""

    scenario: Scenario
    path: Path


@dataclass(frozen=True)
class Place:
    """Where a value stands: line and column from 1, or the override that set it."""

    line: int
    column: int
    override: str = ""


class _Loader(yaml.SafeLoader):
    """YAML 1.2's core schema: no dates, no sexagesimal numbers, `no` is a text, `1e-4` is a number, 010 is ten."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"true|false|True|False|TRUE|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", "-+.0123456789"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first))
_Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(loader.construct_scalar(node)))
_Loader.add_constructor("tag:yaml.org,2002:float", lambda loader, node: float(loader.construct_scalar(node)))


def read_scenario(
    path: Path, overrides: Sequence[str] = (), seed: int | None = None, *, check_paths: bool = True
) -> Loaded:
    """The scenario in `path`, changed by `overrides` (`path.to.key=value`) and `seed`.

    Raises ScenarioError with all mistakes as `file:line:column: path: what is wrong`. `check_paths`: a data root that
    is no folder is one of them. Roots in the file are relative to it, roots in overrides to the working directory.
    """
    places: dict[Trail, Place] = {}
    content, problems = _parsed(path, places)
    if problems:
        raise ScenarioError("\n".join(problems))
    _resolve_root(content, path.parent)
    for override in [*overrides, *([] if seed is None else [f"seed={seed}"])]:
        for trail in apply_override(content, override, parse_value):
            places[trail] = Place(0, 0, override)
    _resolve_root(content, Path.cwd())
    found: list[tuple[Trail, str]] = []
    scenario = None
    try:
        scenario = Scenario.model_validate(content)
        found = list(mistakes(scenario))
    except ValidationError as error:
        found = [_told(each, content) for each in error.errors()]
    root = content.get("data", {}).get("root") if isinstance(content.get("data"), dict) else None
    if check_paths and isinstance(root, str) and not Path(root).is_dir():
        found.append((("data", "root"), f"there is no folder {root}; set it with --set data.root=FOLDER"))
    if found:
        lines = sorted((_located(path, places, trail), _dotted(trail), text) for trail, text in found)
        raise ScenarioError("\n".join(f"{where[2]}: {dotted}: {text}" for where, dotted, text in lines))
    assert scenario is not None
    return Loaded(scenario, path)


def parse_value(text: str) -> Any:
    """A value as it could stand in a scenario file."""
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506: a safe loader with other resolvers
    except yaml.YAMLError as cause:
        raise ScenarioError(f"the value {text!r} is no YAML: {cause}") from cause


def to_yaml(scenario: Scenario) -> str:
    """The resolved scenario, every default written out; reads back to an equal one."""
    return yaml.safe_dump(
        scenario.model_dump(mode="json", by_alias=True), sort_keys=False, allow_unicode=True, width=120
    )


def json_schema() -> dict[str, Any]:
    """The JSON Schema of scenario files; a defense may be given by its name alone."""
    schema = Scenario.model_json_schema(by_alias=True)
    defense = schema["$defs"]["Entity"]["properties"]["defense"]
    long_forms = {key: defense.pop(key) for key in ("discriminator", "oneOf") if key in defense}
    defense["anyOf"] = [{"type": "string", "enum": ["dpm", "none"]}, long_forms]
    return schema


def _parsed(path: Path, places: dict[Trail, Place]) -> tuple[dict[str, Any], list[str]]:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ScenarioError(f"{path}: larger than {LARGEST_FILE >> 10} KiB; a scenario is a page or two.")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as cause:
        raise ScenarioError(f"{path}: cannot be read: {cause}") from cause
    problems: list[str] = []
    try:
        for event in yaml.parse(text, Loader=_Loader):
            mark = event.start_mark
            where = f"{path}:{mark.line + 1}:{mark.column + 1}"
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                problems.append(f"{where}: aliases and anchors are refused; write the value out")
            elif getattr(event, "tag", None):
                problems.append(f"{where}: tags are refused; leave out {event.tag!r}")
        if problems:
            return {}, problems
        node = yaml.compose(text, Loader=_Loader)
        if not isinstance(node, yaml.MappingNode):
            return {}, [f"{path}:1:1: a scenario is a mapping of keys to values"]
        _walk(node, (), path, places, problems)
        content: dict[str, Any] = yaml.load(text, Loader=_Loader)  # noqa: S506: as above
    except (yaml.YAMLError, RecursionError) as cause:
        mark = getattr(cause, "problem_mark", None)
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        return {}, [f"{where}: no YAML: {getattr(cause, 'problem', None) or cause}"]
    return content, problems


def _walk(node: Any, trail: Trail, path: Path, places: dict[Trail, Place], problems: list[str]) -> None:
    """Notes the place of every value, and keys that stand twice, which a YAML loader would silently drop."""
    places[trail] = Place(node.start_mark.line + 1, node.start_mark.column + 1)
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in seen:
                mark = key.start_mark
                problems.append(
                    f"{path}:{mark.line + 1}:{mark.column + 1}: {_dotted((*trail, name))}: key stands twice"
                )
            seen.add(name)
            _walk(value, (*trail, name), path, places, problems)
            places[*trail, name] = Place(key.start_mark.line + 1, key.start_mark.column + 1)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _walk(value, (*trail, index), path, places, problems)


def _resolve_root(content: dict[str, Any], base: Path) -> None:
    data = content.get("data")
    if isinstance(data, dict) and isinstance(data.get("root"), str):
        data["root"] = str((base / Path(data["root"]).expanduser()).resolve())


def _told(error: Any, content: Any) -> tuple[Trail, str]:
    """Pydantic's error as a place in the file and a sentence; tags of unions are no places."""
    trail: list[str | int] = []
    here = content
    for index, step in enumerate(error["loc"]):
        if isinstance(here, dict) and (step in here or index == len(error["loc"]) - 1):
            trail.append(step)
            here = here.get(step)
        elif isinstance(here, list | tuple) and isinstance(step, int) and step < len(here):
            trail.append(step)
            here = here[step]
    text = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        allowed = _keys_at(error["loc"][:-1])
        close = difflib.get_close_matches(str(error["loc"][-1]), allowed, 1)
        text = "unknown key" + (f"; did you mean `{close[0]}`?" if close else f"; allowed: {', '.join(allowed)}")
    elif error["type"] == "missing":
        text = "is missing"
    elif here is not None and not isinstance(here, dict | list):
        text += f" (got {here!r})"
    return tuple(trail), text


def _keys_at(trail: Trail) -> list[str]:
    """The keys that are allowed where `trail` of pydantic's leads."""
    kinds: list[Any] = [Scenario]
    for step in trail:
        nested = [kind for model in kinds for kind in _models_under(model, step)]
        kinds = nested or kinds
    fields = [(name, field) for model in kinds for name, field in model.model_fields.items()]
    return sorted({field.alias or name for name, field in fields})


def _models_under(model: Any, step: str | int) -> list[Any]:
    if isinstance(step, int):
        return [model]
    field = next((field for name, field in model.model_fields.items() if step in (name, field.alias)), None)
    if field is None:
        kinds = [
            kind for kind in [model] if step in str(kind.model_fields.get("kind", kind.model_fields.get("source", "")))
        ]
        return kinds
    found: list[Any] = []
    waiting = [field.annotation]
    while waiting:
        kind = waiting.pop()
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found.append(kind)
        waiting += getattr(kind, "__args__", ())
    return found


def _located(path: Path, places: dict[Trail, Place], trail: Trail) -> tuple[int, int, str]:
    """The place of the nearest part of `trail` that stands in the file or in an override."""
    for length in range(len(trail), -1, -1):
        if (place := places.get(trail[:length])) is not None:
            if place.override:
                return 0, 0, f"--set {place.override}"
            return place.line, place.column, f"{path}:{place.line}:{place.column}"
    return 0, 0, str(path)


def _dotted(trail: Trail) -> str:
    return ".".join(map(str, trail)) or "scenario"
