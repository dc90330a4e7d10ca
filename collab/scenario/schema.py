"""The JSON Schema of scenario files, with the options of the kinds that may stand in them."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from collab.plugins.discovery import GROUPS
from collab.scenario.any_source import find_own_options
from collab.scenario.base import DefenseOptions, Part
from collab.scenario.model import EntityPart, Scenario
from collab.scenario.sources import SOURCES, Data

_ANY_ATTACK = '{"anyOf": [{"type": "string"}, {"additionalProperties": true, "type": "object"}]}'
"""What stands in the schema of an entity's options for `AnyAttack`, which may be any of them."""


def json_schema(options: Mapping[str, Mapping[str, type[Part]]]) -> dict[str, Any]:
    """The JSON Schema, for kinds and their `options` by group; a defense may be a name alone, and one of several.

    Attacks stand where the options of an entity take them.
    """
    models: dict[type[BaseModel], None] = dict.fromkeys(
        [Scenario, EntityPart, *(model for kinds in options.values() for model in kinds.values())]
    )
    keys, schema = models_json_schema([(model, "validation") for model in models], by_alias=True)
    refs, parts = _with_short_names({model: keys[model, "validation"] for model in models}, schema["$defs"], options)
    properties = parts[_name(refs[EntityPart])]["properties"]
    properties["kind"] |= {"enum": sorted(options["entities"])}
    properties["kind"].pop("pattern")
    of_kinds = {_name(refs[model]): refs[model] for model in options["entities"].values()}  # some share their options
    properties["options"] |= {"anyOf": list(of_kinds.values())}
    parts[_name(refs[EntityPart])]["allOf"] = [
        _options_of(kind, model, refs[model], properties["kind"]["default"])
        for kind, model in sorted(options["entities"].items())
    ]
    if attacks := options.get("attacks"):
        for kind in options["entities"].values():
            part = parts[_name(refs[kind])]
            text = json.dumps(part).replace(_ANY_ATTACK, json.dumps({"anyOf": _named(attacks, refs)}))
            parts[_name(refs[kind])] = json.loads(text)
    alone = _named(options["defenses"], refs)
    properties["defense"] |= {"anyOf": [*alone, {"type": "array", "minItems": 1, "items": {"anyOf": alone}}]}
    if DefenseOptions not in options["defenses"].values():
        parts.pop(DefenseOptions.__name__, None)  # what pydantic says a defense is, in the place of the above
    scenario = parts.pop(_name(refs[Scenario]))
    plugins = {kind: model for kind, model in sorted(options.get("sources", {}).items()) if kind not in SOURCES}
    scenario["properties"]["data"]["oneOf"] += [
        {**refs[model], "properties": {"source": {"const": kind}}} for kind, model in plugins.items()
    ]
    _offer_own_sources(parts, plugins)
    if backbones := options.get("backbones"):
        about = scenario["properties"]["model"]
        offered = [
            {**refs[model], "properties": {"backbone": {"const": kind}}} for kind, model in sorted(backbones.items())
        ]
        scenario["properties"]["model"] = {
            "description": about["description"], "anyOf": [{"$ref": about["$ref"]}, *offered],
        }  # fmt: skip
    for group in ("trackers", "metrics"):
        if kinds := options.get(group):
            scenario["properties"][group]["items"] = {"anyOf": _named(kinds, refs)}
    scenario["properties"]["partition"] = _short(scenario["properties"]["partition"], parts)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": parts, **scenario}


def _offer_own_sources(parts: dict[str, Any], plugins: Mapping[str, type[Part]]) -> None:
    """Adds sources that are `plugins` wherever one of ours may stand beside the source that is dealt."""
    own = {kind: find_own_options(model) for kind, model in plugins.items() if issubclass(model, Data)}
    named = {kind: f"own_{kind}_source" for kind in own}
    ours = [
        part["properties"][key]
        for part in parts.values()
        for key in ("data", "public", "heldout")
        if key in part.get("properties", {})
    ]
    for place in ours:
        union = next(member for member in place["anyOf"] if "oneOf" in member)
        union["oneOf"] += [
            {"$ref": f"#/$defs/{named[kind]}", "properties": {"source": {"const": kind}}} for kind in own
        ]
    for kind, model in own.items():
        schema = model.model_json_schema()
        parts |= schema.pop("$defs", {}) | {named[kind]: schema}


def _with_short_names(
    refs: Mapping[type[BaseModel], Any], parts: Any, options: Mapping[str, Mapping[str, type[Part]]]
) -> tuple[dict[type[BaseModel], Any], dict[str, Any]]:
    """Calls options by their kinds that share a class name, which pydantic calls by their modules, or are `Options`."""
    text = json.dumps([list(refs.values()), parts])
    for group, kinds in options.items():
        for kind, model in kinds.items():
            if "__" in (name := _name(refs.get(model, {"$ref": ""}))) or name == "Options":
                text = text.replace(f'"#/$defs/{name}"', f'"#/$defs/{kind}_{GROUPS[group]}"')
                text = text.replace(f'"{name}": ', f'"{kind}_{GROUPS[group]}": ')
    renamed, parts = json.loads(text)
    return dict(zip(refs, renamed, strict=True)), parts


def _options_of(kind: str, model: type[Part], ref: Any, default: str) -> dict[str, Any]:
    """An entity of `kind`, or of none if that is the default, has the options of `model`."""
    must_say = {} if kind == default else {"required": ["kind"]}
    must_have = {"required": ["options"]} if _required(model) else {}
    return {
        "if": {"properties": {"kind": {"const": kind}}, **must_say},
        "then": {"properties": {"options": ref}, **must_have},
    }


def _named(options: Mapping[str, type[Part]], refs: Mapping[type[BaseModel], Any]) -> list[dict[str, Any]]:
    short = sorted(kind for kind, model in options.items() if _required(model) <= {"kind"})
    long_forms = [{**refs[model], "properties": {"kind": {"const": kind}}} for kind, model in sorted(options.items())]
    return [{"type": "string", "enum": short}, {"oneOf": long_forms}]


def _short(union: dict[str, Any], parts: Mapping[str, Any]) -> dict[str, Any]:
    """A union of kinds of which those that ask for nothing else may be given by their names alone."""
    long_forms = {key: union.pop(key) for key in ("discriminator", "oneOf")}
    kinds = long_forms["discriminator"]["mapping"].items()
    alone = sorted(kind for kind, ref in kinds if parts[_name({"$ref": ref})]["required"] == ["kind"])
    return {**union, "default": union["default"]["kind"], "anyOf": [{"type": "string", "enum": alone}, long_forms]}


def _required(model: type[Part]) -> set[str]:
    return {name for name, field in model.model_fields.items() if field.is_required()}


def _name(ref: Any) -> str:
    return str(ref["$ref"]).rpartition("/")[2]
