"""MLflow: the scenario as parameters, losses as metrics by step, results as metrics."""

import re
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar

from typing_extensions import override

from collab.results.table import Result
from collab.scenario.base import TrackerOptions
from collab.scenario.model import Scenario
from collab.trackers import options
from collab.trackers.base import Event, Series, Tracker, folder_of, import_extra, name_results, parameters

LONGEST, AT_ONCE = 500, 100
"""Characters of a parameter, and how many of them are sent at once: what every server of MLflow takes."""


class Mlflow(Tracker):
    """Writes a run of MLflow, with the library `mlflow`; for a server its small part does, `mlflow-skinny`."""

    Options: ClassVar[type[TrackerOptions]] = options.Mlflow
    options: options.Mlflow

    @override
    def begin(self, scenario: Scenario, run: Path) -> None:
        self._mlflow = import_extra("mlflow", "mlflow")
        uri, beside, name = self.options.uri, dict[str, str](), self.options.experiment or scenario.name
        if uri is None:
            folder = folder_of("mlflow", run).resolve()
            folder.mkdir(parents=True, exist_ok=True)
            uri, beside = f"sqlite:///{folder / 'mlflow.db'}", {"artifact_location": (folder / "artifacts").as_uri()}
        self._client = self._mlflow.MlflowClient(uri)
        there = self._client.get_experiment_by_name(name)
        experiment = self._client.create_experiment(name, **beside) if there is None else there.experiment_id
        self._run = self._client.create_run(experiment, run_name=run.name).info.run_id
        self._series = Series()
        made = [
            self._mlflow.entities.Param(_say(name), str(value)[:LONGEST])
            for name, value in parameters(scenario).items()
        ]
        for start in range(0, len(made), AT_ONCE):
            self._client.log_batch(self._run, params=made[start : start + AT_ONCE])

    @override
    def log(self, event: Event) -> None:
        self._keep(self._series.of(event))

    @override
    def end(self, results: Sequence[Result]) -> None:
        self._keep((f"results/{name}", value, 0) for name, value in name_results(results).items())
        self._client.set_terminated(self._run, "FINISHED" if results else "FAILED")

    def _keep(self, numbers: Iterable[tuple[str, float, int]]) -> None:
        now = int(time.time() * 1000)
        made = [self._mlflow.entities.Metric(_say(name), value, now, step) for name, value, step in numbers]
        for start in range(0, len(made), AT_ONCE):
            self._client.log_batch(self._run, metrics=made[start : start + AT_ONCE])


def _say(name: str) -> str:
    """A name as MLflow takes it: `ssim.7_poisoned` of `ssim[7]_poisoned`."""
    return re.sub(r"[^\w\-. :/]", "_", name.replace("[", ".").replace("]", ""))
