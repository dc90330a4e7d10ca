"""A sweep: one scenario over the values of axes and over seeds, as a list of cells, each a scenario of its own."""

import itertools
import json
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from collab.errors import ScenarioError
from collab.papers import describe_expectable, expectable
from collab.plugins.discovery import Plugins
from collab.scenario.attack_suite import Depth
from collab.scenario.base import Kind, Part
from collab.scenario.document import Document, read_document, read_value
from collab.scenario.explain import explain
from collab.scenario.kinds import Kinds
from collab.scenario.model import Scenario
from collab.scenario.overrides import apply_override
from collab.scenario.plain_values import items
from collab.scenario.reader import list_mistakes, place_findings, read_scenario, read_text, with_tuples

AXES = {
    "subset_size": "entities.*.share",
    "lambda": "entities.*.defense.lambda",
    "hook": "model.hook",
    "defense": "entities.*.defense",
    "equivalence": "entities.*.defense.equivalence",
}
"""Ready-made axes that are one path; `subset_size.a4` is one entity's.

Besides them: `entities` keeps the first so many; `dirichlet` and `quantity` are the alpha of that partition; `overlap`
is how much of its images every entity shares with the one that its `overlap` names, or else with the first; 0 is none.
"""

PARTITIONS = ("dirichlet", "quantity")

MOST_CELLS = 10_000

TableId = Literal[tuple(expectable("sweep"))]  # type: ignore[valid-type]
"""The id of a table that takes a sweep."""

Value = bool | int | float | str

Seed = Annotated[int, Field(strict=True, ge=0, lt=2**63)]

SEED = "seed"
"""No axis: what is given for one is `Sweep.seeds`, over which means are taken."""


class Axis(Part):
    """One thing that varies."""

    vary: str = Field(
        description="A path of the scenario, as in --set, or one of the ready-made axes; with `set` any name."
    )
    values: Annotated[tuple[Value, ...], Field(min_length=1)] = Field(description="What it is set to, in turn.")
    overrides: tuple[tuple[str, ...], ...] | None = Field(
        None,
        alias="set",
        description="For each of `values`, which are then names, a list of path=value; an empty list changes nothing.",
    )

    @model_validator(mode="after")
    def _each_value_is_set(self) -> Self:
        if self.overrides is not None and len(self.overrides) != len(self.values):
            raise ValueError(
                f"`set` has {len(self.overrides)} lists for {len(self.values)} values; give one for each value"
            )
        return self


class Sweep(Part):
    """One scenario over axes and seeds."""

    name: Kind = Field(description="Names the folder of the sweep.")
    about: str = Field("", description="What it asks, in a sentence.")
    scenario: str = Field(description="The scenario that varies; relative to this file.")
    axes: tuple[Axis, ...] = Field(description="What varies.")
    combine: Literal["grid", "zip", "star"] = Field(
        "grid",
        description="Every combination; the first values together, the second ones, ...; or (star) the first values "
        "together, and from there every other value of each axis alone.",
    )
    seeds: Annotated[int, Field(ge=1, le=1000)] | Annotated[tuple[Seed, ...], Field(min_length=1, max_length=1000)] = (
        Field(1, description="How many, from the scenario's own upward; or a list of those that are played.")
    )
    expect: TableId | None = Field(  # type: ignore[valid-type]
        None,
        description="The table of the papers that it replays; its claims get verdicts, for `--check` too. "
        + describe_expectable("sweep"),
    )
    overrides: tuple[str, ...] = Field((), alias="set", description="path=value, for every cell.")


@dataclass(frozen=True)
class Cell:
    """One point of a sweep: its values by axis, its seed, the scenario that they make, and its plugins.

    `name` says its values in a line; in a star that in which it differs from the base cell alone.
    """

    values: dict[str, Value]
    seed: int
    scenario: Scenario
    plugins: Plugins
    name: str

    @property
    def label(self) -> str:
        """Name and seed in a line."""
        return f"{self.name} {SEED}={self.seed}".strip()


def read_sweep(
    path: Path,
    varied: Sequence[str] = (),
    *,
    seeds: int | None = None,
    combine: Literal["grid", "zip"] | None = None,
    overrides: Sequence[str] = (),
    plugin_dirs: Sequence[Path] = (),
    document: Document | None = None,
    check_paths: bool = True,
    audit: Depth | None = None,
) -> tuple[Sweep, tuple[Cell, ...]]:
    """The sweep in `path`, which may also be a scenario, with axes of the command line (`path=v1,v2`) added.

    One that the file has too takes its place. `seed=1,2,3` is no axis: it says which seeds are played. `document` is
    what `path` holds, where it was read before. Without `check_paths` no image and no list of rows need be there.
    `audit` adds adversaries with the suite of attacks to each cell.

    Raises ScenarioError with the mistakes of the file, of the command line, or of the first cells that are no scenario.
    """
    document = document or read_document(read_text(path))
    content = document.content or {}
    base = None
    if document.content is not None and "axes" not in content and {"entities", "refinements"} & content.keys():
        if not varied and seeds is None:
            raise ScenarioError(
                f"{path} is a scenario, and nothing varies: add --vary PATH=VALUE,VALUE or --seeds NUMBER, or play it "
                f"once with `{shlex.join(['collab', 'run', str(path)])}`."
            )
        sweep, base = Sweep(name=f"{content.get('name', 'sweep')}_sweep", scenario=path.name, axes=()), document
    else:
        sweep = _validate(path, document)
    added = [_read_axis(text) for text in varied]
    seed_axes, added = [axis for axis in added if axis.vary == SEED], [axis for axis in added if axis.vary != SEED]
    if seed_axes and seeds:
        raise ScenarioError(
            f"--vary seed=... says which seeds are played, --seeds {seeds} how many from the scenario's own upward. "
            "Leave one of them out."
        )
    kept = [axis for axis in sweep.axes if axis.vary not in {each.vary for each in added}]
    changes: dict[str, Any] = {"axes": (*kept, *added)}
    changes |= {"seeds": seeds} if seeds else {}
    changes |= {"seeds": _read_seeds(seed_axes)} if seed_axes else {}
    changes |= {"combine": combine} if combine else {}
    # A path that the file states is relative to it, one of the command line to where that is given.
    bases = [path.parent] * len(sweep.overrides) + [Path.cwd()] * len(overrides)
    bases_of = {axis.vary: path.parent for axis in kept} | {axis.vary: Path.cwd() for axis in added}
    sweep = sweep.model_copy(update=changes | {"overrides": (*sweep.overrides, *overrides)})
    return sweep, _read_cells(path, sweep, bases, bases_of, base, plugin_dirs, check_paths=check_paths, audit=audit)


def _read_cells(
    path: Path,
    sweep: Sweep,
    bases: Sequence[Path],
    bases_of: Mapping[str, Path],
    base: Document | None,
    plugin_dirs: Sequence[Path],
    *,
    check_paths: bool,
    audit: Depth | None,
) -> tuple[Cell, ...]:
    """Every cell of a sweep; `base` is the scenario that varies, which is read once for all of them.

    Paths of its overrides are relative to `bases`, those of an axis to that of `bases_of`.
    """
    names = [axis.vary for axis in sweep.axes]
    if len(set(names)) < len(names):
        raise ScenarioError(f"{path}: one axis is named twice: {', '.join(names)}.")
    if SEED in names:
        raise ScenarioError(f"{path}: `seed` is no axis; write `seeds: [1, 2, 3]` beside `axes`, or `seeds: 3`.")
    lengths = {len(axis.values) for axis in sweep.axes}
    if sweep.combine == "zip" and len(lengths) > 1:
        raise ScenarioError(f"{path}: zipped axes have the same number of values; these have {sorted(lengths)}.")
    points = _list_points(sweep)
    if repeated := [point for point, count in Counter(points).items() if count > 1]:
        label = _label(dict(zip(names, repeated[0], strict=True)))
        raise ScenarioError(f"{path}: two cells have the same values, {label}. Each is played once; take one out.")
    cells: list[Cell] = []
    refusals: dict[str, str] = {}
    base = base or read_document(read_text(path.parent / sweep.scenario))
    content = deepcopy(base.content or {})  # only with the values of the axes it must be right
    for override in sweep.overrides:
        with suppress(ValueError):  # told when the cells are read
            apply_override(content, override)
    seeds = _list_seeds(path, sweep, content)
    if len(points) * len(seeds) > MOST_CELLS:
        raise ScenarioError(f"{path}: {len(points) * len(seeds)} cells; a sweep has at most {MOST_CELLS}.")
    base_values = dict(zip(names, points[0], strict=True))
    for point in points:
        values = dict(zip(names, point, strict=True))
        name = _label(values)
        if sweep.combine == "star":
            differing = {axis: value for axis, value in values.items() if value != base_values[axis]}
            name = _label(differing) or "base cell"
        sets = {axis.vary: _overrides_of(axis, value, content) for axis, value in zip(sweep.axes, point, strict=True)}
        try:
            _refuse_overruled(sets, content)
            for seed in seeds:
                loaded = read_scenario(
                    path.parent / sweep.scenario,
                    [*sweep.overrides, *itertools.chain(*sets.values())],
                    seed,
                    bases=[*bases, *(bases_of[axis] for axis, told in sets.items() for _ in told)],
                    plugin_dirs=plugin_dirs,
                    document=base,
                    entities=_count(values.get("entities")),
                    check_paths=check_paths,
                    audit=audit,
                )
                cells.append(Cell(values, loaded.scenario.seed, loaded.scenario, loaded.plugins, name))
        except ScenarioError as error:
            refusals[name] = str(error)
    if refusals:
        raise ScenarioError(list_refusals(refusals, len(points)))
    return tuple(cells)


def _list_points(sweep: Sweep) -> list[tuple[Value, ...]]:
    """The values of all axes at each point."""
    values = [axis.values for axis in sweep.axes]
    match sweep.combine if values else "grid":
        case "zip":
            return list(zip(*values, strict=True))
        case "star":
            first = tuple(each[0] for each in values)
            rays = [(*first[:at], value, *first[at + 1 :]) for at, each in enumerate(values) for value in each[1:]]
            return [first, *rays]
    return list(itertools.product(*values))


def list_refusals(refusals: Mapping[str, str], count: int) -> str:
    """What is wrong with which cells of `count`, by their labels; with all of them alike it is told once.

    Of cells with one and the same mistake, as that of a value with every seed, the mistake stands once below them.
    """
    alike: dict[str, list[str]] = {}
    for label, text in refusals.items():
        alike.setdefault(text, []).append(label)
    if len(refusals) == count and len(alike) == 1:
        return next(iter(alike))
    return "\n".join(f"cell{'s' * (len(labels) > 1)} {', '.join(labels)}:\n{text}" for text, labels in alike.items())


def _label(values: Mapping[str, Value]) -> str:
    return " ".join(f"{axis}={value}" for axis, value in values.items())


def _read_seeds(axes: Sequence[Axis]) -> tuple[int, ...]:
    """The values of `--vary seed=...` as seeds."""
    try:
        return tuple(TypeAdapter(Seed).validate_python(value) for axis in axes for value in axis.values)
    except ValidationError as error:
        values = ",".join(str(value) for axis in axes for value in axis.values)
        raise ScenarioError(f"--vary seed={values}: a seed is a whole number from 0 to 2^63 - 1.") from error


def _list_seeds(path: Path, sweep: Sweep, scenario: Mapping[str, Any]) -> tuple[int | None, ...]:
    """The seeds of every point; None where the scenario's own is none, which is told when the cells are read."""
    if isinstance(sweep.seeds, tuple):
        if twice := sorted({seed for seed in sweep.seeds if sweep.seeds.count(seed) > 1}):
            raise ScenarioError(f"{path}: seed {twice[0]} is named twice; each is played once. Take one out.")
        return sweep.seeds
    own = scenario.get(SEED, 0)
    is_seed = isinstance(own, int) and not isinstance(own, bool)
    return tuple(own + number if is_seed else None for number in range(sweep.seeds))


def _refuse_overruled(sets: Mapping[str, Sequence[str]], scenario: Mapping[str, Any]) -> None:
    """Raises ScenarioError if a later axis sets again all that an axis has set: the column of that one would lie."""
    content = deepcopy(dict(scenario))
    with suppress(ValueError):  # told when the cells are read
        reached = {
            axis: [trail for override in overrides for trail in apply_override(content, override)]
            for axis, overrides in sets.items()
        }
        for (axis, trails), (later, others) in itertools.combinations(reached.items(), 2):
            if trails and all(any(trail[: len(other)] == other for other in others) for trail in trails):
                raise ScenarioError(
                    f"axis {axis!r} has no effect, since {later!r} sets the same after it; leave one out"
                )


def _count(entities: Value | None) -> int | None:
    if entities is not None and (isinstance(entities, bool) or not isinstance(entities, int)):
        raise ScenarioError(f"the axis `entities` keeps the first so many, a whole number (got {entities!r})")
    return entities


def _overrides_of(stated: Axis, value: Value, scenario: Mapping[str, Any]) -> list[str]:
    """The overrides that put `value` on an axis."""
    if stated.overrides is not None:
        return list(stated.overrides[stated.values.index(value)])
    axis = stated.vary
    head, _, name = axis.partition(".")
    if axis == "entities":
        return []
    if axis in PARTITIONS:
        return [f"partition={{kind: {axis}, alpha: {_text(value)}}}"]
    if head == "overlap":
        return _overlaps(value, name, [entity for _, entity in items(scenario.get("entities"))])
    if name and head in AXES and AXES[head].startswith("entities.*"):
        return [f"{AXES[head].replace('*', name, 1)}={_text(value)}"]
    return [f"{AXES.get(axis, axis)}={_text(value)}"]


def _overlaps(value: Value, holder: str, entities: Sequence[Mapping[str, Any]]) -> list[str]:
    """`value` as the overlap of `holder`, or of each of `entities` but the first, with whom it names or the first."""
    sets = []
    for entity in entities[1:]:
        own, name = entity.get("overlap"), entity.get("name")
        donor = own.get("with") if isinstance(own, dict) else entities[0].get("name")
        if name == holder or (not holder and entity.get("rows") is None):
            overlap = "null" if value == 0 else f"{{with: {donor}, fraction: {_text(value)}}}"
            sets.append(f"entities.{name}.overlap={overlap}")
    return sets or [f"entities.{holder or '*'}.overlap.fraction={_text(value)}"]  # a mistake, told as such


def _text(value: Value) -> str:
    """What `--set` reads back to `value`: the text "5" in quotes; but a text such as `[none, dpm]` means the list."""
    if isinstance(value, bool):
        return str(value).lower()
    with suppress(ValueError):  # told when the cells are read
        if isinstance(value, str) and not isinstance(read_value(value), str | list | dict):
            return json.dumps(value)
    return str(value)


def _read_axis(text: str) -> Axis:
    where, equals, values = text.partition("=")
    try:
        read = read_value(f"[{values}]") if equals else None
    except ValueError as cause:
        raise ScenarioError(f"--vary {text}: {cause}.") from cause
    try:
        return Axis.model_validate({"vary": where.strip(), "values": tuple(read or ())})
    except ValueError as error:
        raise ScenarioError(f"--vary {text}: write path.to.key=value,value,... with plain values.") from error


def _validate(path: Path, document: Document) -> Sweep:
    mistakes = list(document.mistakes)
    sweep = None
    if document.content is not None:
        try:
            sweep = Sweep.model_validate(with_tuples(document.content))
        except ValidationError as error:
            findings = explain(error.errors(), document.content, Kinds(None), Sweep)
            mistakes += place_findings(document.places, findings)
    if mistakes or sweep is None:
        raise ScenarioError(list_mistakes(path, mistakes))
    return sweep


def sweep_schema() -> dict[str, Any]:
    """The JSON Schema of sweep files."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Sweep.model_json_schema(by_alias=True)}
