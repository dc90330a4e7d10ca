"""Plays the jobs of one run or of many, as their needs and the backend allow; nothing that the cache holds."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack
from itertools import islice
from pathlib import Path
from typing import Protocol

from collab.errors import CollabError
from collab.runtime.host import Emit, Outcome, RunSpec
from collab.runtime.run import Run
from collab.stages.base import Job
from collab.stages.registry import STAGES


class Backend(Protocol):
    """Where jobs are played."""

    slots: int
    start_seconds: float

    def is_free(self, run_spec: RunSpec, participant: str) -> bool:
        """Whether the host of `who` could start a job."""
        ...

    def submit(self, run_spec: RunSpec, job: Job, key: str) -> None:
        """Starts a job whose host is idle."""
        ...

    def wait(self) -> list[tuple[RunSpec, Outcome]]:
        """Blocks until a job has ended."""
        ...

    def forget(self, run_spec: RunSpec) -> None:
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
    """Plays every job of `runs`, those of earlier runs first; returns the seconds that the backend took to start.

    A job that the cache holds is not played (with `is_fresh` only if this call has made it), a job that several runs
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
                for job in run.ready():
                    key = run.keys[job.name]
                    if key in playing:
                        continue
                    looked = (run.folder, job.name)
                    if (looked not in missed or key in made) and (not is_fresh or key in made):
                        if run.restore(job):
                            watch({"event": "cached", "entity": job.participant, "stage": job.stage.replace("_", " "),
                                   "job": job.name, "run": run.folder.name})  # fmt: skip
                            _tell(run, job.name, watch)
                            is_changed = True
                            continue
                        missed.add(looked)
                    if hosts is None:
                        hosts = stack.enter_context(backend())
                    has_room = STAGES[job.stage].is_brief or len(playing) < hosts.slots
                    if has_room and hosts.is_free(run.run_spec, job.participant):
                        run.hand_out(job)
                        hosts.submit(run.run_spec, job, key)
                        playing[key] = run.folder
            for run in [run for run in live.values() if not run.is_waiting and run.folder not in playing.values()]:
                del live[run.folder]
                if hosts is not None:
                    hosts.forget(run.run_spec)
                ended(run)
                is_changed = True
            if is_changed:
                continue
            if hosts is None or not playing:
                raise CollabError(f"jobs wait for what nobody does, in {', '.join(map(str, live))}.")
            for run_spec, outcome in hosts.wait():
                run = live[run_spec.run]
                key = run.keys[outcome.job]
                del playing[key]
                run.take(outcome)
                _tell(run, outcome.job, watch)
                made.add(key)
                if outcome.failure and run.scenario.on_failure == "stop":
                    is_going_on = run.stop(outcome.job)
                    if at_once == 1 and not is_going_on:  # nobody else is served by waiting for what it has under way
                        return hosts.start_seconds


def _tell(run: Run, job: str, watch: Emit) -> None:
    for text in run.notes(job):
        watch({"event": "note", "text": text, "run": run.folder.name})
