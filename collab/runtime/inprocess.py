"""The backend without Ray: one process plays everything in turn; for tests, debuggers and machines that lack Ray."""

from typing import Self

from collab.results.table import append_metrics
from collab.runtime.host import Emit, Event, Host, Job, Outcome
from collab.stages.base import Task


class InProcess:
    """Plays each task when it is handed in; the results equal those of any other backend to the last bit."""

    slots = 1
    start_seconds = 0.0

    def __init__(self, emit: Emit) -> None:
        self._host = Host(("everybody",))
        self._emit = emit
        self._done: list[tuple[Job, Outcome]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._done.clear()

    def is_free(self, job: Job, who: str) -> bool:
        """Whether `who` could start a task now."""
        return not self._done

    def submit(self, job: Job, task: Task, key: str) -> None:
        """Plays `task` to its end."""

        def emit(event: Event) -> None:
            append_metrics(job.run / "metrics.jsonl", event)
            self._emit({**event, "run": job.run.name})

        self._done.append((job, self._host.play(job, task, key, emit)))

    def wait(self) -> list[tuple[Job, Outcome]]:
        """The outcomes since the last call."""
        done, self._done = self._done, []
        return done

    def forget(self, job: Job) -> None:
        """Does nothing: this backend holds nothing of a run."""
