"""Weights & Biases, offline unless asked: the scenario as its config, losses as history, results as its summary."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from typing_extensions import override

from collab.results.table import Result
from collab.scenario.base import TrackerOptions
from collab.scenario.model import Scenario
from collab.trackers import options
from collab.trackers.base import Event, Series, Tracker, folder_of, import_extra, name_results, parameters


class Wandb(Tracker):
    """Writes a run of Weights & Biases, with the library `wandb`; `wandb sync` sends one that was kept offline."""

    Options: ClassVar[type[TrackerOptions]] = options.Wandb
    options: options.Wandb

    @override
    def begin(self, scenario: Scenario, run: Path) -> None:
        wandb, folder = import_extra("wandb", "wandb"), folder_of("wandb", run)
        folder.mkdir(parents=True, exist_ok=True)
        self._run = wandb.init(
            project=self.options.project, group=scenario.name, name=run.name, config=parameters(scenario),
            dir=str(folder), mode=self.options.mode, reinit="create_new",
        )  # fmt: skip
        self._series = Series()

    @override
    def log(self, event: Event) -> None:
        if numbers := {name: value for name, value, _ in self._series.of(event)}:
            self._run.log(numbers)

    @override
    def end(self, results: Sequence[Result]) -> None:
        self._run.summary.update({f"results/{name}": value for name, value in name_results(results).items()})
        self._run.finish(0 if results else 1)
