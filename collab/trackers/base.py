"""What a tracker is: a sink for what the driver sees of a run, its events and results, and for nothing else."""

import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from collab.errors import ResourceError
from collab.results.table import Result
from collab.scenario.base import TrackerOptions
from collab.scenario.kinds import Plugin
from collab.scenario.model import Scenario

Event = Mapping[str, str | int | float]
"""What happened: under `event` its name (`start`, `epoch`, `done`, ...), and whatever belongs to it."""

PLACES = ("root", "rows", "uri", "trackers")
"""Keys of a scenario that say where something lies on this machine, which is nobody else's business."""


class Tracker(Plugin):
    """Keeps what a run tells. It is made for one run, in the driver, and has no part in what is computed.

    `begin` is called once, then `log` for each event, then `end` once. What it raises is told in a sentence; the run
    goes on without it. A class states its `kind` and, if it has any, its `Options`.
    """

    group: ClassVar[str] = "trackers"
    Options: ClassVar[type[TrackerOptions]] = TrackerOptions

    def __init__(self, options: Any) -> None:
        self.options = options

    @abstractmethod
    def begin(self, scenario: Scenario, run: Path) -> None:
        """A run of `scenario` begins; `run` is its folder, in which nothing may be written."""

    @abstractmethod
    def log(self, event: Event) -> None:
        """Something happened in it."""

    @abstractmethod
    def end(self, results: Sequence[Result]) -> None:
        """It has ended, with the rows of its table; with none if it has failed."""


def folder_of(kind: str, run: Path) -> Path:
    """Where a tracker keeps the runs of one folder of runs."""
    return run.parents[1] / "trackers" / kind


def import_extra(module: str, extra: str) -> Any:
    """A module that comes with an extra of this package. Raises ResourceError that names the extra."""
    try:
        return import_module(module)
    except ImportError as cause:
        raise ResourceError(f"{cause}. Install what it needs: pip install 'collab[{extra}]'.") from cause


def parameters(scenario: Scenario) -> dict[str, str | int | float | bool]:
    """The values of a scenario under flat names: `model.backbone`, `entities.a2.defense.lambda`.

    Entities and rows stand under their names. Paths and addresses are left out.
    """
    return dict(_flatten("", scenario.model_dump(mode="json", by_alias=True)))


def _flatten(name: str, value: Any) -> Iterator[tuple[str, str | int | float | bool]]:
    if isinstance(value, dict):
        for key, inside in value.items():
            if key not in PLACES:
                yield from _flatten(f"{name}.{key}" if name else key, inside)
    elif isinstance(value, list) and any(isinstance(inside, dict) for inside in value):
        for place, inside in enumerate(value):
            called = inside.get("name", inside.get("row", place)) if isinstance(inside, dict) else place
            yield from _flatten(f"{name}.{called}", inside)
    elif value is not None and value != []:
        yield name, ", ".join(map(str, value)) if isinstance(value, list) else value


class Series:
    """The numbers of events, each in a series of its own: `poison a2/loss`, a step for each epoch."""

    def __init__(self) -> None:
        self._steps = dict[str, int]()

    def of(self, event: Event) -> Iterator[tuple[str, float, int]]:
        """Name, number and step of what an event says; several trainings of one job follow one another."""
        job = str(event.get("job", ""))
        if event["event"] == "epoch":
            numbers = {key: value for key, value in event.items() if key not in ("epoch", "epochs")}
        else:
            numbers = {"seconds": event["seconds"]} if event["event"] == "done" else {}
        for key, value in numbers.items():
            if isinstance(value, int | float):
                name = f"{job}/{key}"
                self._steps[name] = self._steps.get(name, -1) + 1
                yield name, float(value), self._steps[name]


def name_results(results: Sequence[Result]) -> dict[str, float]:
    """Every result that has a value, by row, entity, attack and metric: `7/a1/top1`, `by a1/a2/straw_man/l1`."""
    return {
        "/".join(part for part in (each.row, each.entity, each.attack, each.metric) if part): each.value
        for each in results
        if each.value is not None and math.isfinite(each.value)
    }
