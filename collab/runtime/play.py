"""Plays a scenario from its first stage to its results."""

import json
import os
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Protocol

from collab.errors import CollabError, EntityError, ResourceError, StoreError
from collab.runtime.assign import ORACLE, Assignment, assign, label_distribution, open_scenario_source
from collab.runtime.host import Emit, Event, Job, Outcome, environment, host_names
from collab.runtime.inprocess import InProcess
from collab.runtime.plan import Task, plan
from collab.runtime.ray_backend import RayBackend
from collab.runtime.tabulate import result_rows
from collab.scenario.model import Scenario
from collab.scenario.reader import to_yaml
from collab.store.ledger import write_ledger
from collab.store.results import Row, append_metrics, write_results
from collab.training.precision import resolve_compute


class Backend(Protocol):
    """Where tasks are played."""

    slots: int
    start_seconds: float

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way."""
        ...

    def is_free(self, who: str) -> bool:
        """Whether the host of `who` could start a task."""
        ...

    def submit(self, task: Task) -> None:
        """Starts a task whose host is idle."""
        ...

    def wait(self) -> list[Outcome]:
        """Blocks until a task has ended."""
        ...


@dataclass(frozen=True)
class Where:
    """Where a scenario is played: backend, cluster, device, and the folder that run directories are made in."""

    backend: Literal["ray", "inprocess"] = "ray"
    address: str = "local"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    out: Path = Path("runs")


@dataclass(frozen=True)
class Played:
    """What a run left behind."""

    run: Path
    rows: tuple[Row, ...]
    seconds: float
    start_seconds: float


def play(scenario: Scenario, where: Where, watch: Emit) -> Played:
    """Plays `scenario`, writes its run directory, and tells `watch` of every event.

    Raises ScenarioError, ResourceError, EntityError or StoreError; what was published and measured by then stays.
    """
    start = time.perf_counter()
    source = open_scenario_source(scenario)
    assignment = assign(scenario, source)
    tasks = plan(scenario, {name: len(holding) for name, holding in assignment.entities.items()})
    run = _new_run(where.out / scenario.name)
    (run / "scenario.yaml").write_text(to_yaml(scenario), encoding="utf-8")
    job = Job(scenario, run, assignment, where.device, scenario.resources.entity.cpus)
    leader = scenario.model.pretrain.by
    participants = (leader, ORACLE, *(entity.name for entity in scenario.entities if entity.name != leader))
    hosts = host_names(participants, scenario.resources.workers or len(participants))
    outcomes: dict[str, Outcome] = {}
    try:
        with _backend(job, hosts, where, watch) as backend:
            watch({"event": "ready", "seconds": round(backend.start_seconds, 2), "tasks": len(tasks)})
            _schedule(tasks, backend, outcomes)
            start_seconds = backend.start_seconds
    finally:
        crossings = [crossing for outcome in outcomes.values() for crossing in outcome.report.crossings]
        write_ledger(run / "ledger.parquet", crossings)
        rows = result_rows(scenario, [task for task in tasks if task.name in outcomes], outcomes)
        write_results(run / "results.parquet", rows)
        seconds = time.perf_counter() - start
        _record(run, assignment, outcomes, seconds)
    return Played(run, tuple(rows), seconds, start_seconds)


def _schedule(tasks: tuple[Task, ...], backend: Backend, outcomes: dict[str, Outcome]) -> None:
    """Hands out what is ready, most urgent first, until all is done; stops at the first failure."""
    waiting, running = list(tasks), 0
    named = {task.name: task for task in tasks}
    while waiting or running:
        for task in tuple(waiting):
            if running < backend.slots and backend.is_free(task.who) and all(need in outcomes for need in task.needs):
                waiting.remove(task)
                backend.submit(task)
                running += 1
        if backend.is_idle:
            raise CollabError(f"tasks wait for what nobody does: {', '.join(task.name for task in waiting)}")
        for outcome in backend.wait():
            running -= 1
            if outcome.failure:
                raise _failure(named[outcome.task], outcome)
            outcomes[outcome.task] = outcome


def _failure(task: Task, outcome: Outcome) -> CollabError:
    kind = {StoreError.exit_code: StoreError, ResourceError.exit_code: ResourceError}.get(
        outcome.exit_code, EntityError
    )
    who = "the oracle" if task.who == ORACLE else f"entity {task.who!r}"
    error = kind(f"{who} failed in stage {task.stage.split('_')[0]!r} ({task.name}): {outcome.failure}")
    if outcome.trace:
        error.add_note(outcome.trace)
    return error


def _backend(job: Job, hosts: tuple[tuple[str, ...], ...], where: Where, watch: Emit) -> "InProcess | RayBackend":
    if where.backend == "inprocess":

        def emit(event: Event) -> None:
            append_metrics(job.run / "metrics.jsonl", event)
            watch(event)

        return InProcess(job, hosts, emit)
    gpus = job.scenario.resources.entity.gpus
    if resolve_compute(job.scenario.precision, where.device).device.type == "cpu" and where.address == "local":
        gpus = 0.0
    return RayBackend(job, hosts, watch, address=where.address, gpus=gpus)


def _new_run(folder: Path) -> Path:
    name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"  # random: it says nothing about the seed
    run = (folder / name).resolve()
    try:
        run.mkdir(parents=True)
    except OSError as cause:
        raise StoreError(
            f"the run directory {run} cannot be made: {cause.strerror}. Choose another with `--out`."
        ) from cause
    return run


def _record(run: Path, assignment: Assignment, outcomes: dict[str, Outcome], seconds: float) -> None:
    """What the run was made on and what each task took; the figures of results.parquet do not depend on it."""
    peak = {name: {"seconds": round(each.seconds, 3), "peak_bytes": each.peak_bytes} for name, each in outcomes.items()}
    record = {
        **environment(),
        "cores": os.cpu_count(),
        "source": assignment.source_digest,
        "classes": assignment.classes,
        "images": {name: len(holding) for name, holding in assignment.entities.items()},
        "labels": label_distribution(assignment),
        "seconds": round(seconds, 2),
        "tasks": peak,
    }
    (run / "record.json").write_text(json.dumps(record, indent=1))
