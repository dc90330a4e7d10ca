"""A sweep: one scenario over the values of axes and over seeds, as a list of cells, each a scenario of its own."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from collab.errors import ScenarioError
from collab.plugins.discovery import Plugins
from collab.scenario.base import Kind, Part
from collab.scenario.document import read_document, read_value
from collab.scenario.explain import explained
from collab.scenario.kinds import Kinds
from collab.scenario.model import Scenario
from collab.scenario.reader import Loaded, placed_mistakes, read_scenario, read_text, told, with_tuples

AXES = {
    "subset_size": "entities.*.share",
    "lambda": "entities.*.defense.lambda",
    "hook": "model.hook",
    "defense": "entities.*.defense",
    "equivalence": "entities.*.defense.equivalence",
}
"""Ready-made axes; `subset_size.a4` is one entity's, and `entities` keeps the first so many of them."""

MOST_CELLS = 10_000

Value = bool | int | float | str


class Axis(Part):
    """One thing that varies."""

    vary: str = Field(description="A path of the scenario, as in --set, or one of the ready-made axes.")
    values: Annotated[tuple[Value, ...], Field(min_length=1)] = Field(description="What it is set to, in turn.")


class Sweep(Part):
    """One scenario over axes and seeds."""

    name: Kind = Field(description="Names the folder of the sweep.")
    about: str = Field("", description="What it asks, in a sentence.")
    scenario: str = Field(description="The scenario that varies; relative to this file.")
    axes: tuple[Axis, ...] = Field(description="What varies.")
    combine: Literal["grid", "zip"] = Field("grid", description="Every combination, or the first values together, ...")
    seeds: Annotated[int, Field(ge=1, le=1000)] = Field(1, description="How many, from the scenario's own upward.")
    overrides: tuple[str, ...] = Field((), alias="set", description="path=value, for every cell.")


@dataclass(frozen=True)
class Cell:
    """One point of a sweep: its values by axis, its seed, the scenario that they make, and its plugins."""

    values: dict[str, Value]
    seed: int
    scenario: Scenario
    plugins: Plugins

    @property
    def label(self) -> str:
        """Values and seed in a line."""
        return " ".join([*(f"{axis}={value}" for axis, value in self.values.items()), f"seed={self.seed}"])


def read_sweep(
    path: Path,
    varied: Sequence[str] = (),
    *,
    seeds: int | None = None,
    combine: Literal["grid", "zip"] | None = None,
    overrides: Sequence[str] = (),
    plugin_dirs: Sequence[Path] = (),
) -> tuple[Sweep, tuple[Cell, ...]]:
    """The sweep in `path`, which may also be a scenario, with axes of the command line (`path=v1,v2`) added.

    Raises ScenarioError with the mistakes of the file, of the command line, or of the first cells that are no scenario.
    """
    document = read_document(read_text(path))
    content = document.content or {}
    if document.content is not None and "axes" not in content and "refinements" in content:
        sweep = Sweep(name=f"{content.get('name', 'sweep')}_sweep", scenario=path.name, axes=())
    else:
        sweep = _validated(path)
    changes: dict[str, Any] = {"axes": (*sweep.axes, *(_axis(text) for text in varied))}
    changes |= {"seeds": seeds} if seeds else {}
    changes |= {"combine": combine} if combine else {}
    sweep = sweep.model_copy(update=changes | {"overrides": (*sweep.overrides, *overrides)})
    return sweep, _cells(path, sweep, plugin_dirs)


def _cells(path: Path, sweep: Sweep, plugin_dirs: Sequence[Path]) -> tuple[Cell, ...]:
    names = [axis.vary for axis in sweep.axes]
    if len(set(names)) < len(names):
        raise ScenarioError(f"{path}: one axis is named twice: {', '.join(names)}.")
    lengths = {len(axis.values) for axis in sweep.axes}
    if sweep.combine == "zip" and len(lengths) > 1:
        raise ScenarioError(f"{path}: zipped axes have the same number of values; these have {sorted(lengths)}.")
    all_values = [axis.values for axis in sweep.axes]
    points = list(zip(*all_values, strict=True) if sweep.combine == "zip" and names else itertools.product(*all_values))
    if len(points) * sweep.seeds > MOST_CELLS:
        raise ScenarioError(f"{path}: {len(points) * sweep.seeds} cells; a sweep has at most {MOST_CELLS}.")
    cells, wrong = [], []
    base = path.parent / sweep.scenario
    first = read_scenario(base, sweep.overrides, plugin_dirs=plugin_dirs).scenario.seed
    for point in points:
        values = dict(zip(names, point, strict=True))
        for seed in range(first, first + sweep.seeds):
            try:
                loaded = _loaded(base, sweep.overrides, values, seed, plugin_dirs)
                cells.append(Cell(values, seed, loaded.scenario, loaded.plugins))
            except ScenarioError as error:
                wrong.append(f"cell {' '.join(f'{axis}={value}' for axis, value in values.items())}:\n{error}")
                break
    if wrong:
        raise ScenarioError("\n".join([*wrong[:5], *([f"... and {len(wrong) - 5} more cells"] if wrong[5:] else [])]))
    return tuple(cells)


def _loaded(
    base: Path, overrides: Sequence[str], values: dict[str, Value], seed: int, plugin_dirs: Sequence[Path]
) -> Loaded:
    count = values.get("entities")
    sets = [f"{_path(axis)}={_text(value)}" for axis, value in values.items() if axis != "entities"]
    kept = None if count is None else int(count)
    return read_scenario(base, [*overrides, *sets], seed, plugin_dirs=plugin_dirs, entities=kept)


def _path(axis: str) -> str:
    head, _, entity = axis.partition(".")
    if entity and head in AXES and AXES[head].startswith("entities.*"):
        return AXES[head].replace("*", entity, 1)
    return AXES.get(axis, axis)


def _text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _axis(text: str) -> Axis:
    where, equals, values = text.partition("=")
    found = read_value(f"[{values}]") if equals else None
    try:
        return Axis.model_validate({"vary": where.strip(), "values": tuple(found or ())})
    except ValidationError as error:
        raise ScenarioError(f"--vary {text}: write path.to.key=value,value,... with plain values.") from error


def _validated(path: Path) -> Sweep:
    document = read_document(read_text(path))
    found = list(document.mistakes)
    sweep = None
    if document.content is not None:
        try:
            sweep = Sweep.model_validate(with_tuples(document.content))
        except ValidationError as error:
            found += placed_mistakes(document.places, explained(error.errors(), document.content, Kinds(None), Sweep))
    if found or sweep is None:
        raise ScenarioError(told(path, found))
    return sweep


def sweep_schema() -> dict[str, Any]:
    """The JSON Schema of sweep files."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Sweep.model_json_schema(by_alias=True)}
