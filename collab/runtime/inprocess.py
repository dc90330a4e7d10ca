"""The backend without Ray: one process plays everything in turn; for tests, debuggers and machines that lack Ray."""

from typing import Self

from collab.runtime.host import Emit, Host, Job, Outcome
from collab.runtime.plan import Task


class InProcess:
    """Plays each task when it is handed in; the results equal those of any other backend to the last bit."""

    slots = 1
    start_seconds = 0.0

    def __init__(self, job: Job, hosts: tuple[tuple[str, ...], ...], emit: Emit) -> None:
        names = tuple(name for host in hosts for name in host)
        self._host = Host(job, names, emit)
        self._done: list[Outcome] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._done.clear()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._done

    def is_free(self, who: str) -> bool:
        """Whether `who` could start a task now."""
        return not self._done

    def submit(self, task: Task) -> None:
        """Plays `task` to its end."""
        self._done.append(self._host.play(task))

    def wait(self) -> list[Outcome]:
        """The outcomes since the last call."""
        done, self._done = self._done, []
        return done
