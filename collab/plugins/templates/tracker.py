"""A tracker that writes what happens as lines of JSON."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import Field
from typing_extensions import override

from collab.api import Event, Result, Scenario, Tracker, TrackerOptions, folder_of, name_results


class AKind(Tracker):
    """Keeps events and results of each run in one file, beside the folders of runs."""

    class Options(TrackerOptions):
        """What may stand beside `kind: a_kind`."""

        epochs: bool = Field(True, description="Whether each epoch is a line.")

    kind: ClassVar[str] = "a_kind"
    options: Options

    @override
    def begin(self, scenario: Scenario, run: Path) -> None:
        """A run begins. Import here what the tracker needs."""
        folder = folder_of("a_kind", run)
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / f"{scenario.name}-{run.name}.jsonl").open("w", encoding="utf-8")

    @override
    def log(self, event: Event) -> None:
        """Something happened: `event["event"]` says what. In one process the run waits for this."""
        if self.options.epochs or event["event"] != "epoch":
            self._write(event)

    @override
    def end(self, results: Sequence[Result]) -> None:
        """It is over; there are no results where it failed."""
        self._write({"event": "results", **name_results(results)})
        self._file.close()

    def _write(self, line: Event) -> None:
        self._file.write(json.dumps(dict(line)) + "\n")
