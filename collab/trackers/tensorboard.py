"""TensorBoard: losses as curves, results as curves of one point, the scenario as a text. Needs no torch."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from typing_extensions import override

from collab.results.table import Result
from collab.scenario.base import TrackerOptions
from collab.scenario.model import Scenario
from collab.trackers import options
from collab.trackers.base import Event, Series, Tracker, folder_of, import_extra, name_results, parameters


class TensorBoard(Tracker):
    """Writes an event file for each run, with the library `tensorboard`."""

    Options: ClassVar[type[TrackerOptions]] = options.TensorBoard

    @override
    def begin(self, scenario: Scenario, run: Path) -> None:
        writer = import_extra("tensorboard.summary.writer.event_file_writer", "tensorboard")
        self._event = import_extra("tensorboard.compat.proto.event_pb2", "tensorboard").Event
        self._summary = import_extra("tensorboard.compat.proto.summary_pb2", "tensorboard").Summary
        self._text = import_extra("tensorboard.plugins.text.summary_v2", "tensorboard").text_pb
        self._writer = writer.EventFileWriter(str(folder_of("tensorboard", run) / f"{scenario.name}-{run.name}"))
        self._series = Series()
        told = "\n".join(f"{name}: {value}" for name, value in parameters(scenario).items())
        self._write(self._text("scenario", f"```\n{told}\n```"), 0)

    @override
    def log(self, event: Event) -> None:
        for name, value, step in self._series.of(event):
            self._write(self._summary(value=[self._summary.Value(tag=name, simple_value=value)]), step)

    @override
    def end(self, results: Sequence[Result]) -> None:
        for name, value in name_results(results).items():
            self._write(self._summary(value=[self._summary.Value(tag=f"results/{name}", simple_value=value)]), 0)
        self._writer.close()

    def _write(self, summary: Any, step: int) -> None:
        self._writer.add_event(self._event(wall_time=time.time(), step=step, summary=summary))
