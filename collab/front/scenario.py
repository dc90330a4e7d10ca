"""A scenario as Python holds it: from a file, from a dict, or another one changed; always checked as a whole."""

import json
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from collab.errors import ScenarioError
from collab.plugins.discovery import Plugins
from collab.scenario import model
from collab.scenario.document import Document, read_document
from collab.scenario.reader import read_scenario, read_text, to_yaml
from collab.store.files import place_file

Changes = Mapping[str, Any] | Sequence[str]
"""What `set` takes: values by their path, `{"model.width": 8}`, or texts as of the command line, ["model.width=8"]."""

UNNAMED = Path("scenario")
"""What messages call a scenario that came from no file; its paths are relative to the working directory."""


class Scenario:
    """A valid scenario, which never changes; its parts are read by the names that they have in a file.

    >>> import collab
    >>> scenario = collab.Scenario("scenario.yaml")
    >>> scenario.model.backbone, scenario.entities[0].name
    ('resnet8', 'a1')

    Another one is made of it with `changed`, or out of a dict that has the keys of a file:

    >>> scenario.changed({"model.width": 8, "entities.*.defense.epochs": 2}, seed=3).model.width
    8
    >>> collab.Scenario(scenario.to_dict() | {"name": "mine"}).name
    'mine'

    All that is wrong is told at once, in the words of the command line:

    >>> scenario.changed({"model.width": 7.5, "refine.epoch": 1})
    Traceback (most recent call last):
    collab.errors.ScenarioError: --set model.width=7.5: model.width: must be a whole number (got 7.5)
    --set refine.epoch=1: refine.epoch: unknown key; did you mean `epochs`?
    """

    def __init__(
        self,
        source: "str | PathLike[str] | Mapping[str, Any] | Scenario",
        *,
        set: Changes = (),
        seed: int | None = None,
        audit: Literal["quick", "full"] | None = None,
        plugin_dirs: Sequence[str | PathLike[str]] = (),
    ) -> None:
        """`audit` adds adversaries with the suite of attacks. Raises ScenarioError with all mistakes."""
        seeds = [] if seed is None else [f"seed={seed}"]
        self.overrides: tuple[str, ...] = (*list_overrides(set), *seeds)
        self.audit, self.plugin_dirs = audit, tuple(map(Path, plugin_dirs))
        self.path: Path
        self.document: Document
        if isinstance(source, Scenario):
            self.path, self.document = source.path, source.document
            self.overrides = (*source.overrides, *self.overrides)
            self.audit = source.audit if audit is None else audit
            self.plugin_dirs = (*source.plugin_dirs, *self.plugin_dirs)
        elif isinstance(source, Mapping):
            self.path, self.document = UNNAMED, Document.of(source)
        else:
            self.path = Path(source)
            self.document = read_document(read_text(self.path))
        loaded = read_scenario(
            self.path, self.overrides, plugin_dirs=self.plugin_dirs, document=self.document, audit=self.audit
        )
        self.parts: model.Scenario = loaded.scenario
        """All parts, as a model of pydantic."""
        self.plugins: Plugins = loaded.plugins
        """What finds its kinds."""
        self.origins: tuple[str, ...] = loaded.origins
        """Where those of its kinds come from that are not built in."""

    def changed(self, set: Changes = (), *, seed: int | None = None) -> "Scenario":
        """This scenario with other values, checked again; as `--set` and `--seed` do it, `*` is all of a list."""
        return Scenario(self, set=set, seed=seed)

    def to_dict(self) -> dict[str, Any]:
        """Every value, defaults included, as plain texts, numbers, lists and dicts."""
        return self.parts.model_dump(mode="json", by_alias=True)

    def to_yaml(self) -> str:
        """The same as the text of a file, which reads back to an equal scenario."""
        return to_yaml(self.parts)

    def write(self, path: str | PathLike[str]) -> Path:
        """Writes that text to a file. Raises StoreError where it cannot be written."""
        target, text = Path(path), self.to_yaml().encode()
        place_file(target.parent, target.name, lambda file: file.write(text), what="the scenario", mode=0o644)
        return target

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "parts":  # while it is being made or copied
            raise AttributeError(name)
        return getattr(self.parts, name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scenario) and self.parts == other.parts

    def __hash__(self) -> int:
        return hash(self.to_yaml())

    def __repr__(self) -> str:
        entities, rows = len(self.parts.entities), len(self.parts.refinements)
        return f"<Scenario {self.parts.name!r}: {entities} entities, {rows} rows, seed {self.parts.seed}>"

    def _repr_html_(self) -> str:
        from collab.front.notebook import show_scenario

        return show_scenario(self.parts, self.to_yaml())


def list_overrides(changes: Changes) -> list[str]:
    """Changes as `--set` takes them. Raises ScenarioError for what no file could hold."""
    if isinstance(changes, str):
        raise ScenarioError(f"set={changes!r} is one text. Give a dict, {{'model.width': 8}}, or a list of such texts.")
    if not isinstance(changes, Mapping):
        return list(changes)
    try:
        return [f"{path}={_write_value(value)}" for path, value in changes.items()]
    except (TypeError, ValueError) as cause:
        raise ScenarioError(f"set={changes!r} cannot stand in a scenario: {cause}. Give plain values.") from cause


def _write_value(value: Any) -> str:
    """A value as JSON, which YAML reads; a text in quotes, so that "5" is no number."""
    return json.dumps(value, default=_as_plain, allow_nan=False, ensure_ascii=False)


def _as_plain(value: Any) -> Any:
    """A path as a text, a number of numpy as one of Python."""
    if isinstance(value, PathLike):
        return str(Path(value))
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{value!r} is no text, number, list or dict")
