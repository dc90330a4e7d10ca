"""Digests of the code that each stage runs, without comments, docstrings and annotations.

python tests/stages/stage_code.py                 records them; refuses where code changed and its version did not
python tests/stages/stage_code.py --same-results  records all the same: somebody has made sure that no bit changes
"""

import ast
import hashlib
import inspect
import json
import sys
import textwrap
from collections.abc import Iterator
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, NamedTuple, get_args

from collab.architectures import ARCHITECTURES
from collab.defenses.chain import Chain
from collab.models.backbones import family
from collab.participants.entity import Entity
from collab.participants.oracle import Oracle
from collab.participants.sources import open_scenario_source
from collab.plugins.discovery import INSTALLED, is_ours
from collab.scenario.sources import SOURCES
from collab.stages.base import EntityStage, OracleStage, Stage
from collab.stages.registry import STAGES

SOURCE_MODULES = sorted({part.opens[source].partition(":")[0] for source, part in SOURCES.items()})
RECORD = Path(__file__).with_name("stage_code.json")


class Member(NamedTuple):
    """A class and an attribute of it, by name."""

    owner: type
    name: str


def roots(stage: Stage[Any]) -> list[Any]:
    """What a stage runs: how it is played, and the plugins and sources that it finds by name."""
    found: list[Any] = [Member(type(stage), "play")]
    if isinstance(stage, OracleStage):
        found.append(import_module(f"collab.stages.work.{stage.name}").play)
    if isinstance(stage, EntityStage):  # played by the entity's method of its name, which no code spells
        found += [Member(kind, stage.name) for kind in [Entity, *_entity_kinds()]]
    for group, _, method in (wanted.partition(".") for wanted in stage.runs):
        if group == "sources":
            found += [open_scenario_source, *map(import_module, SOURCE_MODULES)]
            continue
        kinds = [INSTALLED.load(group, kind) for kind in INSTALLED.installed(group)]
        kinds += [Chain] if group == "defenses" else []
        found += [Member(kind, method) if method else kind for kind in kinds]
    return found


BY_METHOD = {"Participant", "Defended", "Entity", "Oracle", "Layout"}
"""Classes of which only the methods that a stage calls count; of all others the whole class does."""

NOT_CODE = (
    "collab.scenario",
    "collab.attacks.answer_options",
    "collab.attacks.candidate_options",
    "collab.attacks.options",
    "collab.attacks.reading_options",
    "collab.defenses.image_options",
    "collab.defenses.options",
    "collab_entities.options",
    "collab.errors",
    "collab.runtime.cache",
    "collab.training.progress",
)
"""What a stage is told, how it fails, and where it leaves things: no result follows from these."""


def digests() -> dict[str, str]:
    """The digest of each stage's code."""
    return {
        name: hashlib.sha256("\n".join(sorted(set(_traced(roots(stage))))).encode()).hexdigest()
        for name, stage in STAGES.items()
    }


def _traced(roots: list[Any]) -> Iterator[str]:
    todo, seen = list(roots), set[Any]()
    while todo:
        each = todo.pop()
        owner, function = None, each
        if isinstance(each, Member):
            owner, function = each.owner, _plain(inspect.getattr_static(each.owner, each.name, None))
        name = (
            getattr(owner, "__name__", ""),
            getattr(function, "__module__", ""),
            getattr(function, "__qualname__", repr(function)),
        )
        if function is None or isinstance(function, int | float | str | tuple) or name in seen:
            continue
        seen.add(name)
        if isinstance(function, ModuleType):
            todo += [
                value for value in vars(function).values() if getattr(value, "__module__", "") == function.__name__
            ]
        elif isinstance(function, type):
            if _is_ours(function) and function.__name__ not in BY_METHOD:
                todo += [Member(function, attribute) for attribute in vars(function)]
                yield f"{function.__qualname__} {_class_values(function)}"
        elif isinstance(function, FunctionType) and _is_ours(function) and _is_written(function):
            tree, dumped = _parsed(function)
            yield f"{function.__module__}.{function.__qualname__} {dumped}"
            yield from _constants(tree, function)
            todo += _used(tree, function, owner)


@cache
def _parsed(function: FunctionType) -> tuple[ast.stmt, str]:
    """The tree of a function, and that as text; several stages run the same one."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    return tree, _dump(tree)


def _constants(tree: ast.AST, function: FunctionType) -> Iterator[str]:
    """Numbers and words of the module that `function` reads; where its file lies is none of them."""
    for node in ast.walk(tree):
        is_stated = isinstance(node, ast.Name) and not node.id.startswith("__")
        value = function.__globals__.get(node.id) if is_stated else None
        if isinstance(value, int | float | str | tuple) and "<" not in repr(value):
            yield f"{function.__module__} {node.id} = {_told(value)}"


def _told(value: Any) -> str:
    """`repr`, with sets in order: theirs is another in each process."""
    if isinstance(value, frozenset | set):
        return f"{{{', '.join(sorted(map(_told, value)))}}}"
    return f"({', '.join(map(_told, value))})" if isinstance(value, tuple) else repr(value)


def _used(tree: ast.AST, function: FunctionType, owner: type | None) -> Iterator[Any]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and is_ours(str(node.module)):  # inside the function: it needs torch
            module = import_module(str(node.module))
            yield from (getattr(module, alias.name) for alias in node.names)
        if isinstance(node, ast.Name) and node.id in function.__globals__:
            used = function.__globals__[node.id]
            yield from map(family, ARCHITECTURES.values()) if used is ARCHITECTURES else [used]
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            for kind in [owner] if node.value.id == "self" and owner else _players(function, node.value.id):
                yield Member(kind, node.attr)


def _players(function: FunctionType, parameter: str) -> list[type]:
    """The participants that a parameter is annotated with, and installed kinds of entities where it is one."""
    stated = function.__annotations__.get(parameter)
    if isinstance(stated, str):  # a module that imports no torch quotes them
        kinds = [kind for kind in (Entity, Oracle) if kind.__name__ in stated.split(" | ")]
    else:
        some = get_args(stated) or (stated,)
        kinds = [kind for kind in some if isinstance(kind, type) and kind.__name__ in BY_METHOD]
    return [*kinds, *(_entity_kinds() if Entity in kinds else ())]


def _entity_kinds() -> list[type]:
    return [INSTALLED.load("entities", kind) for kind in INSTALLED.installed("entities")]


def _is_ours(code: Any) -> bool:
    return is_ours(code.__module__) and not code.__module__.startswith(NOT_CODE)


def _is_written(function: FunctionType) -> bool:
    """Whether somebody wrote it; a dataclass makes some of its methods from its fields."""
    return not function.__code__.co_filename.startswith("<")


def _plain(member: Any) -> Any:
    for kind, inner in (
        (property, "fget"),
        (cached_property, "func"),
        (staticmethod, "__func__"),
        (classmethod, "__func__"),
    ):
        if isinstance(member, kind):
            return getattr(member, inner)
    return inspect.unwrap(member) if isinstance(member, FunctionType) else None


def _class_values(kind: type) -> str:
    return repr(
        {
            name: value
            for name, value in sorted(vars(kind).items())
            if isinstance(value, int | float | str | tuple) and name[0] != "_"
        }
    )


def _dump(node: Any) -> Any:
    """The tree as text, alike on all versions of Python."""
    if isinstance(node, list):
        return [_dump(each) for each in node]
    if not isinstance(node, ast.AST):
        return repr(node)
    skipped = {"returns", "annotation", "type_comment", "type_params", "decorator_list", "kind", "ctx"}
    fields = {name: value for name, value in ast.iter_fields(node) if name not in skipped and value not in (None, [])}
    if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node, clean=False) is not None:
        fields["body"] = node.body[1:]
    return f"{type(node).__name__}({', '.join(f'{name}={_dump(value)}' for name, value in sorted(fields.items()))})"


def main() -> None:
    known = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    found = digests()
    stale = [
        stage
        for stage, digest in found.items()
        if stage in known and known[stage]["code"] != digest and known[stage]["version"] == STAGES[stage].version
    ]
    if stale and "--same-results" not in sys.argv:
        sys.exit(f"the code of {', '.join(stale)} changed and `version` of these stages in collab/stages did not.")
    record = {stage: {"version": STAGES[stage].version, "code": digest} for stage, digest in found.items()}
    RECORD.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
