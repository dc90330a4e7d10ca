"""The table of every key for docs/scenario.md, made from the parts; run as a module it writes page and schema."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from collab.scenario.offers import find_our_options
from collab.scenario.schema import json_schema

MARK = "<!-- from here on written by `python -m collab.scenario.reference` -->\n"
SCENARIOS = Path(__file__).parents[2] / "scenarios"
_BOUNDS = (
    ("minimum", "from {}"),
    ("exclusiveMinimum", "above {}"),
    ("maximum", "to {}"),
    ("exclusiveMaximum", "below {}"),
)


def reference() -> str:
    """All keys in Markdown: a section for each part with what is allowed, the default, and what it does and costs."""
    schema = json_schema(find_our_options())
    parts = {"Scenario": schema} | {name: schema["$defs"][name] for name in _referenced(schema, schema["$defs"], {})}
    return "\n".join(_section(name, part) for name, part in parts.items())


def fields(part: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """Key, what is allowed, default and description of each field in the schema of a part."""
    required = part.get("required", ())
    for key, about in part["properties"].items():
        yield key, " or ".join(_allowed(about)), _default(about, key in required), about.get("description", "")


def json_text() -> str:
    """The schema as it lies in `scenarios/scenario.schema.json`: it knows the plugins beside it."""
    return json.dumps(json_schema(find_our_options(SCENARIOS)), indent=2, ensure_ascii=False) + "\n"


def _referenced(value: Any, parts: dict[str, Any], seen: dict[str, None]) -> dict[str, None]:
    """Names of the parts that `value` holds, in the order in which a reader meets them."""
    if isinstance(value, dict):
        name = str(value.get("$ref", "")).rpartition("/")[2]
        if name and name not in seen:
            seen[name] = None
            _referenced(parts[name], parts, seen)
        for key, inside in value.items():
            if key != "$defs":
                _referenced(inside, parts, seen)
    elif isinstance(value, list):
        for inside in value:
            _referenced(inside, parts, seen)
    return seen


def _section(name: str, part: dict[str, Any]) -> str:
    rows = [f"| `{key}` | {allowed} | {default} | {about} |" for key, allowed, default, about in fields(part)]
    head = ["| key | allowed | default | what it does |", "|---|---|---|---|"] if rows else []
    return "\n".join([f"### {name}\n", f"{part['description']}\n", *head, *rows, ""])


def _allowed(about: dict[str, Any]) -> Iterator[str]:
    for several in ("anyOf", "oneOf"):
        members = about.get(several, ())
        for one in members:
            if one.get("items", {}).get("anyOf") == [other for other in members if other is not one]:
                yield "a list of these"
            else:
                yield from _allowed(one)
    if "$ref" in about:
        name = about["$ref"].rpartition("/")[2]
        yield f"[{name}](#{name.lower()})"
    elif "enum" in about or "const" in about:
        yield ", ".join(f"`{word}`" for word in about.get("enum", [about.get("const")]))
    elif "pattern" in about:
        yield "text `" + about["pattern"].replace("|", "\\|") + "`"
    elif (kind := about.get("type")) == "array":
        members = about.get("prefixItems", ())  # of a list of so many, all alike
        inside = " or ".join(_allowed(members[0] if members else about["items"]))
        yield f"list of {len(members)}, each a {inside}" if members else f"list of {inside}"
    elif kind == "object":
        yield "mapping"
    elif kind == "null":
        yield "`null`"
    elif kind in ("integer", "number"):
        bounds = [text.format(about[key]) for key, text in _BOUNDS if key in about]
        yield " ".join(["whole number" if kind == "integer" else "number", *bounds])
    elif kind in ("string", "boolean"):
        yield {"string": "text", "boolean": "`true`, `false`"}[kind]


def _default(about: dict[str, Any], is_required: bool) -> str:
    if is_required:
        return "required"
    default = about.get("default")
    if isinstance(default, dict):
        return "all defaults"
    return "" if default in ("", []) else f"`{json.dumps(default)}`"


if __name__ == "__main__":
    page = Path("docs/scenario.md")
    page.write_text(page.read_text(encoding="utf-8").partition(MARK)[0] + MARK + "\n" + reference(), encoding="utf-8")
    Path("scenarios/scenario.schema.json").write_text(json_text(), encoding="utf-8")
