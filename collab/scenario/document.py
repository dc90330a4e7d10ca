"""The text of a scenario: YAML 1.2's core schema without aliases and tags, and where each value stands.

PyYAML's parser in C reads it; what that refuses the one in Python reads again, whose places and sentences are exact.
ruamel.yaml, which has YAML 1.2, places and double keys, was tried instead. It takes six times as long as this, reads
dates, 0x1f, 1_000 and `.inf` as values, ends at the first double key, and leaves aliases, tags and places to us.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import yaml

from collab.errors import PluginError

Trail = tuple[str | int, ...]
"""The keys and indices that lead to a value."""

DEEPEST = 20
"""Levels of nesting; a scenario has six, and a deeper file only keeps the parser busy."""


_INDICATORS = tuple("[]{},\"'&*!|>%@`")
"""What begins a value that is more than a plain word: quotes, lists, mappings, and what YAML keeps for itself."""

_COMMENT = "; ` #` begins a comment, unless it stands in quotes"


@dataclass(frozen=True)
class Place:
    """Where a value stands: line and column from 1, or the option that set it and, as line, its number.

    Line 0 is nowhere: what it is part of was never a text.
    """

    line: int = 1
    column: int = 1
    option: str = ""


@dataclass(frozen=True)
class Mistake:
    """What is wrong, and what is allowed, of the value that `trail` leads to."""

    place: Place
    trail: Trail
    text: str


@dataclass(frozen=True)
class Document:
    """A mapping as read; `content` is None where it could not be read at all."""

    content: dict[str, Any] | None
    places: dict[Trail, Place]
    mistakes: list[Mistake]

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "Document":
        """A mapping that was made in Python: tuples are lists, paths are texts, and nothing in it has a line."""
        return cls({str(key): _plain(value) for key, value in content.items()}, {(): Place(0, 0)}, [])


def _plain(value: Any) -> Any:
    """A value as YAML would have read it."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return list(map(_plain, value))
    return str(value) if isinstance(value, PurePath) else value


class _Loader(yaml.SafeLoader):
    """No dates, no sexagesimal numbers; `no` is a text, `1e-4` is a number, 010 is ten."""


class _FastLoader(yaml.CSafeLoader):  # every wheel of PyYAML for Linux has it
    """The same in C."""


class _Dumper(yaml.SafeDumper):
    """Quotes what `_Loader` would otherwise read as something else."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


for _side in (_Loader, _FastLoader, _Dumper):
    _side.yaml_implicit_resolvers = {}
    for _tag, _pattern, _first in (
        ("bool", r"true|false|True|False|TRUE|FALSE", "tTfF"),
        ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
        ("int", r"[-+]?[0-9]{1,30}", "-+0123456789"),  # Python refuses to read thousands of digits
        ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", "-+.0123456789"),
    ):
        _side.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})\Z"), list(_first))
for _loader in (_Loader, _FastLoader):
    _loader.add_constructor("tag:yaml.org,2002:int", lambda _, node: int(node.value))
    _loader.add_constructor("tag:yaml.org,2002:float", lambda _, node: float(node.value))


def read_document(text: str) -> Document:
    """The mapping that `text` holds, the place of each of its values, and what the YAML itself has wrong.

    A key that stands twice is a mistake and the last one counts; aliases, anchors, tags, keys that are no texts and
    deep nesting are mistakes that leave no content.
    """
    with suppress(yaml.YAMLError):  # of what is YAML it refuses one thing: `{epochs:}`, without a space
        return _read(text, _FastLoader)
    try:
        return _read(text, _Loader)
    except yaml.YAMLError as cause:
        return Document(None, {}, [_syntax(cause, text)])


def _read(text: str, loader_type: type[_Loader | _FastLoader]) -> Document:
    if refused := list(_refused(text, loader_type)):
        return Document(None, {}, refused)
    loader = loader_type(text)
    node = loader.get_single_node()
    if not isinstance(node, yaml.MappingNode):
        return Document(None, {}, [Mistake(Place(), (), "a scenario is a mapping of keys to values")])
    places: dict[Trail, Place] = {}
    mistakes = list(_walk(node, (), places))
    if any(not mistake.trail for mistake in mistakes):
        return Document(None, places, mistakes)
    return Document(loader.construct_document(node), places, mistakes)


def read_value(text: str) -> Any:
    """A value as it is given on the command line. Raises ValueError with a sentence where it is none.

    A text in quotes, `[a, b]` and `{key: a}` are YAML. Anything else is one number, truth value, null or text to its
    end: `/data/run #2` and `a: b` are texts, as nobody writes comments there.
    """
    text = text.strip()
    try:
        if text[:1] not in _INDICATORS:
            loader = _Loader(text)
            tag = loader.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
            return loader.construct_document(yaml.ScalarNode(tag, text))
        document = read_document(f"value: {text}")
        if document.mistakes or document.content is None or len(document.content) > 1:
            why = document.mistakes[0].text if document.mistakes else "it is more than one value"
            raise ValueError(f"the value {text!r} cannot be read: {why}{_COMMENT if ' #' in text else ''}")
        mapping: Any = _Loader(f"value: {text}").get_single_node()
    except yaml.YAMLError as cause:
        raise ValueError(f"the value {text!r} cannot be read: {_syntax(cause, text).text}") from cause
    _, node = mapping.value[0]
    if lost := text[node.end_mark.index - len("value: ") :].strip():
        raise ValueError(f"the value {text!r} cannot be read: {lost!r} would be lost{_COMMENT}")
    return document.content["value"]


def read_settings(settings: Sequence[str]) -> dict[str, Any]:
    """The options in `KEY=VALUE` of the command line. Raises PluginError where a value cannot be read."""
    try:
        return {key: read_value(value) for key, _, value in (each.partition("=") for each in settings)}
    except ValueError as cause:
        raise PluginError(str(cause)) from cause


def write_document(content: dict[str, Any]) -> str:
    """YAML that `read_document` reads back to the same values."""
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def _place(mark: Any) -> Place:
    return Place(mark.line + 1, mark.column + 1)


def _refused(text: str, loader_type: type[_Loader | _FastLoader]) -> Iterator[Mistake]:
    """What plain YAML may hold and a scenario may not; looks at events alone, before anything is built."""
    depth = 0
    for event in yaml.parse(text, Loader=loader_type):
        place = _place(event.start_mark)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            yield Mistake(place, (), "aliases and anchors are refused; write the value out")
        if tag := getattr(event, "tag", None):
            yield Mistake(place, (), f"tags are refused; leave out {tag!r}")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            yield Mistake(place, (), f"nested more than {DEEPEST} levels deep")
            return


def _walk(node: Any, trail: Trail, places: dict[Trail, Place]) -> Iterator[Mistake]:
    """Notes the place of every value, of keyed ones that of the key; finds keys that a loader would drop silently."""
    places.setdefault(trail, _place(node.start_mark))
    if isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _walk(value, (*trail, index), places)
    elif isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            here = _place(key.start_mark)
            if key.tag != "tag:yaml.org,2002:str":
                yield Mistake(here, (), "a key is a word; this one is none")
                continue
            if key.value in seen:
                yield Mistake(here, (*trail, key.value), "key stands twice")
            seen.add(key.value)
            places[*trail, key.value] = here
            yield from _walk(value, (*trail, key.value), places)


def _syntax(cause: yaml.YAMLError, text: str) -> Mistake:
    if isinstance(cause, yaml.reader.ReaderError):
        before = text[: cause.position]
        place = Place(before.count("\n") + 1, len(before) - before.rfind("\n"))
        return Mistake(place, (), f"the character {cause.character:#x} is not allowed")
    if isinstance(cause, yaml.MarkedYAMLError) and (mark := cause.problem_mark or cause.context_mark):
        context = f" {cause.context}" if cause.context else ""
        return Mistake(_place(mark), (), f"this is not YAML: {cause.problem or 'unreadable'}{context}")
    return Mistake(Place(), (), f"this is not YAML: {cause}")
