"""YAML to a scenario and back: every mistake at once, each with its line and column."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from collab.architectures import ARCHITECTURES
from collab.errors import PluginError, ScenarioError
from collab.plugins.discovery import GROUPS, Plugins
from collab.scenario.attack_suite import Depth, add_auditors
from collab.scenario.base import long_form
from collab.scenario.checks import find_cross_mistakes
from collab.scenario.document import Document, Mistake, Place, Trail, read_document, write_document
from collab.scenario.explain import explain
from collab.scenario.kinds import Kinds
from collab.scenario.model import Scenario
from collab.scenario.overrides import apply_override
from collab.scenario.plain_values import Finding, entry, items
from collab.scenario.rows import find_part_mistakes
from collab.weights import IMAGENET, find_weights
from collab.weights import PATTERN as WEIGHTS

_FILES = ("rows", "signing_key")
"""Keys of an entity that name a file."""

LARGEST_FILE = 256 << 10
"""Bytes of a scenario file; a long one has a few thousand."""


@dataclass(frozen=True)
class Loaded:
    """A valid scenario, the file it came from, and the line of each value that stands in it (`("entities", 0)`).

    `plugins` find its kinds again in another process; `origins` say where those come from that are not built in.
    """

    scenario: Scenario
    path: Path
    lines: Mapping[Trail, int]
    plugins: Plugins
    origins: tuple[str, ...]


def read_scenario(
    path: Path,
    overrides: Sequence[str] = (),
    seed: int | None = None,
    *,
    plugin_dirs: Sequence[Path] = (),
    bases: Sequence[Path] = (),
    document: Document | None = None,
    entities: int | None = None,
    audit: Depth | None = None,
    check_paths: bool = True,
    check_plugins: bool = True,
) -> Loaded:
    """The scenario in `path`, changed by `overrides` (`path.to.key=value`) and `seed`.

    Raises ScenarioError with all mistakes as `file:line:column: path: what is wrong (got value)`, those of an override
    as `--set path.to.key=value: ...`. `check_paths`: a data root that is no folder and a list of rows that is no file
    are among them. A path in the file is relative to it, one in an override to the working directory, or to the folder
    of `bases` that stands at the place of the override; the scenario holds it absolute, `~` and variables such as
    `$HOME` expanded. `document` is what `path` holds, where it was read before. `entities` keeps the first so many of
    them, and the rows that need no other; `audit` adds adversaries with the suite of attacks, of whom no mistake of the
    file speaks.

    Kinds are those of installed packages, of the folders beside `path` and in the working directory, and of
    `plugin_dirs`. PluginError, with tracebacks as notes, says that one of them cannot be had. Without `check_plugins`
    no plugin is looked for, and options of kinds that are not built in stay as written.
    """
    plugins = Plugins.of(path.parent, Path.cwd(), plugin_dirs=plugin_dirs)
    kinds = Kinds(plugins if check_plugins else None)
    document = document or read_document(read_text(path))
    mistakes, places, content = list(document.mistakes), dict(document.places), deepcopy(document.content)
    scenario = None
    if content is not None:
        if is_sweep(content):
            raise ScenarioError(f"{path} is a sweep, of {content.get('scenario')}: play it with `collab sweep {path}`.")
        _resolve_paths(content, path.parent)
        mistakes += _apply_overrides(content, places, overrides, bases or [Path.cwd()] * len(overrides), seed)
        if entities is not None:
            _keep_first(content, entities)
        scenario, findings = _validate(content, kinds, check_paths=check_paths)
        mistakes += place_findings(places, findings)
        # Only beside no mistake of the file, so that none of those names an auditor.
        if audit is not None and scenario is not None and not mistakes:
            option = Place(len(overrides) + 1, 0, f"--audit {audit}")
            if not any(entity.options.publishes for entity in scenario.entities):
                mistakes.append(Mistake(option, (), "attacks what is published, and no entity here publishes"))
            content = add_auditors(content, audit)
            places |= {("entities", place): option for place in range(len(scenario.entities), len(content["entities"]))}
            scenario, findings = _validate(content, kinds, check_paths=check_paths)
            mistakes += place_findings(places, findings)
    if mistakes or scenario is None:
        raise _refuse(list_mistakes(path, mistakes), kinds)
    lines = {trail: place.line for trail, place in places.items() if not place.option}
    origins = tuple(f"{GROUPS[group]} {kind}: {origin}" for (group, kind), origin in kinds.origins.items())
    return Loaded(scenario, path, lines, plugins, origins)


def is_sweep_file(path: Path) -> bool:
    """Whether `path` is a sweep, as far as it can be read."""
    return is_sweep(read_document(read_text(path)).content or {})


def is_sweep(content: Mapping[str, Any]) -> bool:
    """Whether a file that holds `content` is meant to be a sweep: it names the scenario that it varies."""
    return "entities" not in content and ("scenario" in content or "axes" in content)


def to_yaml(scenario: Scenario) -> str:
    """The resolved scenario, every default written out; reads back to an equal one."""
    return write_document(scenario.model_dump(mode="json", by_alias=True))


def read_text(path: Path) -> str:
    """The text of a scenario or sweep file; ScenarioError for one that is too large, unreadable, or not UTF-8."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
        if len(content) > LARGEST_FILE:
            raise ScenarioError(f"{path}:1:1: larger than {LARGEST_FILE >> 10} KiB; a scenario is a page or two.")
        return content.decode("utf-8-sig")
    except OSError as cause:
        raise ScenarioError(f"{path}: cannot be read: {cause.strerror}") from cause
    except UnicodeDecodeError as cause:
        line = cause.object[: cause.start].count(b"\n") + 1
        raise ScenarioError(f"{path}:{line}:1: is not UTF-8: {cause.reason}") from cause


def _apply_overrides(
    content: dict[str, Any],
    places: dict[Trail, Place],
    overrides: Sequence[str],
    bases: Sequence[Path],
    seed: int | None,
) -> Iterator[Mistake]:
    """Applies each override and notes it as the place of what it set; what reaches nothing is a mistake.

    A path that one sets is relative to its base.
    """
    options = [(override, f"--set {override}", base) for override, base in zip(overrides, bases, strict=True)]
    if seed is not None:
        options.append((f"seed={seed}", f"--seed {seed}", Path.cwd()))
    for number, (override, option, base) in enumerate(options):
        if number and base != options[number - 1][2]:
            _resolve_paths(content, options[number - 1][2])
        place = Place(number, 0, option)  # a number instead of a line: mistakes are told in the order given
        try:
            changed = apply_override(content, override)
        except ValueError as cause:
            yield Mistake(place, (), str(cause))
            continue
        for trail in changed:
            for inside in [other for other in places if other[: len(trail)] == trail]:
                del places[inside]
            places[trail] = place
    if options:
        _resolve_paths(content, options[-1][2])


def _refuse(text: str, kinds: Kinds) -> ScenarioError:
    """The error that tells `text`, and the traceback of each plugin that failed."""
    if not kinds.broken:
        return ScenarioError(text)
    error = PluginError(text)
    for broken in kinds.broken.values():
        for note in getattr(broken, "__notes__", ()):
            error.add_note(note)
    return error


def _validate(content: dict[str, Any], kinds: Kinds, *, check_paths: bool) -> tuple[Scenario | None, list[Finding]]:
    findings = list(find_cross_mistakes(content))
    if check_paths:
        findings += _find_missing_files(content)
    content = {**content, "entities": _long_forms(content.get("entities"))} if "entities" in content else content
    listed = [key for key in ("metrics", "trackers") if isinstance(content.get(key), list)]
    content = {**content, **{key: list(map(long_form, content[key])) for key in listed}}
    try:
        scenario = Scenario.model_validate(with_tuples(content), context=kinds)
        return scenario, [*findings, *find_part_mistakes(scenario)]
    except ValidationError as error:
        # what has no place is the scenario's own cross-check, which `findings` hold already, with places
        return None, [*explain([each for each in error.errors() if each["loc"]], content, kinds), *findings]


def _long_forms(entities: Any) -> Any:
    """Entities with options, and defenses as mappings, where they are left out, so that each mistake has a trail."""
    if not isinstance(entities, list):
        return entities
    full = [{"options": {}, **entity} if isinstance(entity, dict) else entity for entity in entities]
    for _, entity in items(full):
        if "defense" in entity:
            defense = entity["defense"]
            entity["defense"] = list(map(long_form, defense)) if isinstance(defense, list) else long_form(defense)
    return full


def with_tuples(value: Any) -> Any:
    """Lists as tuples, which is what a frozen part keeps; strict models do not convert."""
    if isinstance(value, dict):
        return {key: with_tuples(part) for key, part in value.items()}
    return tuple(map(with_tuples, value)) if isinstance(value, list) else value


def _resolve_paths(content: dict[str, Any], base: Path) -> None:
    model = entry(content, "model", dict) or {}
    for part, key in [
        *((part, "root") for _, part in _find_sources(content)),
        *[(model, "weights")] * str(model.get("weights")).endswith(".safetensors"),
        *((entity, key) for _, entity in items(content.get("entities")) for key in _FILES),
    ]:
        if isinstance(part, dict) and isinstance(part.get(key), str):
            # no such user, a loop of links: told as a folder or file that is not there
            with suppress(OSError, RuntimeError, ValueError):
                part[key] = str((base / Path(os.path.expandvars(part[key])).expanduser()).resolve())


def _find_sources(content: Mapping[str, Any]) -> Iterator[tuple[Trail, dict[str, Any]]]:
    """Every source that a scenario reads, and where it stands in the file."""
    data = entry(content, "data", dict)
    parts: dict[Trail, dict[str, Any] | None] = {("data",): data, ("data", "public"): entry(data, "public", dict)}
    parts[("data", "heldout")] = entry(data, "heldout", dict)
    of_entities: dict[Trail, dict[str, Any] | None] = {
        ("entities", index, "data"): entry(entity, "data", dict) for index, entity in items(content.get("entities"))
    }
    yield from ((trail, part) for trail, part in {**parts, **of_entities}.items() if part is not None)


def _find_missing_files(content: dict[str, Any]) -> Iterator[Finding]:
    entities = dict(items(content.get("entities")))
    for trail, part in _find_sources(content):
        root = entry(part, "root", str)
        if root is not None and part.get("download") is not True and not Path(root).is_dir():
            path = ".".join(str(entities[step].get("name", step)) if step in entities else str(step) for step in trail)
            yield (*trail, "root"), f"there is no folder {root}; set it with --set {path}.root=FOLDER"
    model = entry(content, "model", dict)
    weights, kind = entry(model, "weights", str), ARCHITECTURES.get(entry(model, "backbone", str) or "")
    is_published = kind is not None or weights != IMAGENET  # else it is told of the backbone
    if is_published and weights is not None and re.match(WEIGHTS, weights):
        try:
            find_weights(weights, str(model and model.get("backbone")), kind.published if kind else "")
        except ScenarioError as cause:
            yield ("model", "weights"), str(cause)
    for index, entity in items(content.get("entities")):
        for key in _FILES:
            file = entry(entity, key, str)
            if file is not None and not Path(file).is_file():
                yield ("entities", index, key), f"there is no file {file}"


def place_findings(places: Mapping[Trail, Place], findings: Iterable[Finding]) -> list[Mistake]:
    """Each mistake with the place of the nearest part that stands in the file or in an override."""
    mistakes = []
    for trail, text in findings:
        starts = (trail[:length] for length in range(len(trail), -1, -1))
        mistakes.append(Mistake(next((places[start] for start in starts if start in places), Place()), trail, text))
    return mistakes


def list_mistakes(path: Path, mistakes: Iterable[Mistake]) -> str:
    """All mistakes of a file, a line each, in its order."""

    lines = []
    for mistake in mistakes:
        place, trail = mistake.place, ".".join(map(str, mistake.trail))
        where = place.option or (f"{path}:{place.line}:{place.column}" if place.line else str(path))
        line = ": ".join(filter(None, [where, trail, mistake.text]))
        lines.append((bool(place.option), place.line, place.column, mistake.text, line))
    return "\n".join(line for *_, line in sorted(lines))


def _keep_first(content: dict[str, Any], count: int) -> None:
    kept, rows = content.get("entities"), content.get("refinements")
    if not isinstance(kept, list) or not isinstance(rows, list):
        return  # a mistake that is told elsewhere
    content["entities"] = kept[:count]
    gone = {entity.get("name") for entity in kept[count:] if isinstance(entity, dict)}
    content["refinements"] = [
        row
        for row in rows
        if not isinstance(row, dict)
        or not gone & {row.get("entity"), *(row.get("pool") or ()), *(row.get("unpoisoned") or ())}
    ]
