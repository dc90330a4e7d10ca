"""The backend without Ray: one process plays everything in turn; for tests, debuggers and machines that lack Ray."""

from typing import Self

from collab.results.table import append_metrics
from collab.runtime.host import Emit, Event, Host, Outcome, RunSpec
from collab.stages.base import Job


class InProcess:
    """Plays each job when it is handed in; the results equal those of any other backend to the last bit."""

    slots = 1
    start_seconds = 0.0

    def __init__(self, emit: Emit) -> None:
        self._host = Host(("everybody",))
        self._emit = emit
        self._done: list[tuple[RunSpec, Outcome]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._done.clear()

    def is_free(self, run_spec: RunSpec, participant: str) -> bool:
        """Whether `who` could start a job now."""
        return not self._done

    def submit(self, run_spec: RunSpec, job: Job, key: str) -> None:
        """Plays `job` to its end."""

        def emit(event: Event) -> None:
            append_metrics(run_spec.run / "metrics.jsonl", event)
            self._emit({**event, "run": run_spec.run.name})

        self._done.append((run_spec, self._host.play(run_spec, job, key, emit)))

    def wait(self) -> list[tuple[RunSpec, Outcome]]:
        """The outcomes since the last call."""
        done, self._done = self._done, []
        return done

    def forget(self, run_spec: RunSpec) -> None:
        """Does nothing: this backend holds nothing of a run."""
