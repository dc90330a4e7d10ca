"""Plays the tasks of one run or of many, as their needs and the backend allow; nothing that the cache holds."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack
from itertools import islice
from pathlib import Path
from typing import Protocol

from collab.errors import CollabError
from collab.runtime.host import Emit, Job, Outcome
from collab.runtime.run import Run
from collab.stages.base import Task


class Backend(Protocol):
    """Where tasks are played."""

    slots: int
    start_seconds: float

    def is_free(self, job: Job, who: str) -> bool:
        """Whether the host of `who` could start a task."""
        ...

    def submit(self, job: Job, task: Task, key: str) -> None:
        """Starts a task whose host is idle."""
        ...

    def wait(self) -> list[tuple[Job, Outcome]]:
        """Blocks until a task has ended."""
        ...

    def forget(self, job: Job) -> None:
        """Lets go of what was held for a run that has ended."""
        ...


def schedule(
    runs: Iterable[Run],
    backend: Callable[[], AbstractContextManager[Backend]],
    watch: Emit,
    *,
    is_fresh: bool = False,
    at_once: int = 1,
    ended: Callable[[Run], None] = lambda run: None,
) -> float:
    """Plays every task of `runs`, those of earlier runs first; returns the seconds that the backend took to start.

    A task that the cache holds is not played (with `is_fresh` only if this call has made it), a task that several runs
    share is played once, and the backend is started only if something is left to play. After a failure a run whose
    scenario says `on_failure: stop` hands out nothing more. At most `at_once` runs are taken from `runs` and not ended;
    `ended` is told of each when all of it is done.
    """
    upcoming, live, made = iter(runs), dict[Path, Run](), set[str]()
    missed, playing = set[tuple[Path, str]](), dict[str, Path]()  # what is not in the cache; keys under way, and where
    with ExitStack() as stack:
        hosts: Backend | None = None
        while True:
            for run in islice(upcoming, max(at_once - len(live), 0)):
                live[run.folder] = run
            if not live:
                return 0.0 if hosts is None else hosts.start_seconds
            is_changed = False
            for run in live.values():
                for task in run.ready():
                    key = run.keys[task.name]
                    if key in playing:
                        continue
                    looked = (run.folder, task.name)
                    if (looked not in missed or key in made) and (not is_fresh or key in made):
                        if run.restored(task):
                            watch({"event": "cached", "entity": task.who, "stage": task.stage.replace("_", " "),
                                   "task": task.name, "run": run.folder.name})  # fmt: skip
                            _tell(run, task.name, watch)
                            is_changed = True
                            continue
                        missed.add(looked)
                    if hosts is None:
                        hosts = stack.enter_context(backend())
                    if len(playing) < hosts.slots and hosts.is_free(run.job, task.who):
                        run.handed_out(task)
                        hosts.submit(run.job, task, key)
                        playing[key] = run.folder
            for run in [run for run in live.values() if not run.is_waiting and run.folder not in playing.values()]:
                del live[run.folder]
                if hosts is not None:
                    hosts.forget(run.job)
                ended(run)
                is_changed = True
            if is_changed:
                continue
            if hosts is None or not playing:
                raise CollabError(f"tasks wait for what nobody does, in {', '.join(map(str, live))}.")
            for job, outcome in hosts.wait():
                run = live[job.run]
                key = run.keys[outcome.task]
                del playing[key]
                run.take(outcome)
                _tell(run, outcome.task, watch)
                made.add(key)
                if outcome.failure and run.scenario.on_failure == "stop":
                    run.stop()
                    if at_once == 1:  # nobody else is served by waiting for what it has under way
                        return hosts.start_seconds


def _tell(run: Run, task: str, watch: Emit) -> None:
    for text in run.notes(task):
        watch({"event": "note", "text": text, "run": run.folder.name})
