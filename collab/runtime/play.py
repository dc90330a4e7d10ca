"""Plays a scenario from its first stage to its results."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from collab.errors import CollabError
from collab.results.table import Result
from collab.runtime.demand import Demand
from collab.runtime.host import Emit, deal_hosts
from collab.runtime.inprocess import InProcess
from collab.runtime.leak_check import Content, Leak, LeakCheck, refuse
from collab.runtime.plan import participants
from collab.runtime.prepared import Prepared, Where
from collab.runtime.ray_backend import RayBackend
from collab.runtime.ray_session import RaySession
from collab.runtime.room import see_to_room
from collab.runtime.run import Run
from collab.runtime.schedule import Backend, schedule
from collab.runtime.tracking import tracking
from collab.scenario.model import Scenario
from collab.training.precision import resolve_compute

__all__ = ["Played", "Where", "backend_for", "play"]


@dataclass(frozen=True)
class Played:
    """What a run left behind; `failures` are those that `on_failure: continue` went past.

    `audit` knows what is private in it, for whoever draws pages.
    """

    run: Path
    rows: tuple[Result, ...]
    seconds: float
    start_seconds: float
    jobs: int
    cached: int
    audit: LeakCheck
    failures: tuple[CollabError, ...] = ()


def play(scenario: Scenario, where: Where, watch: Emit, session: RaySession | None = None) -> Played:
    """Plays `scenario`, writes its run directory, and tells `watch` of every event.

    `session` is Ray, if it has been started already.

    Raises ScenarioError, ResourceError, EntityError, StoreError, or BoundaryError if something private leaked; what was
    published and measured by then stays, and the next run goes on from there.
    """
    began = time.monotonic() if session is None else session.began  # as its start is timed from there
    prepared = Prepared.of(scenario, where, watch)
    if notice := see_to_room([prepared], where):
        watch({"event": "note", "text": notice})
    run = Run(prepared, where)
    start_seconds, leaks = 0.0, list[Leak]()
    with tracking(where.plugins, watch) as tell:
        tell.begin(scenario, run.folder)
        tell({"event": "planned", "run": run.folder.name, **run.outlook})
        try:
            backend = backend_for(
                [scenario],
                where,
                tell,
                last_look=lambda contents: leaks.extend(run.audit.found(contents)),
                session=session,
            )
            start_seconds = schedule([run], backend, tell, is_fresh=where.is_fresh)
        finally:
            rows = run.write()
            for text in run.untold:
                tell({"event": "note", "text": text, "run": run.folder.name})
        refuse([*leaks, *run.leaks()], run.folder)
        failures = tuple(run.errors())
        if failures and scenario.on_failure == "stop":
            raise failures[0]
        tell.end(run.folder, rows)
    cached = sum(outcome.is_cached for outcome in run.outcomes.values())
    seconds = time.monotonic() - began
    return Played(run.folder, rows, seconds, start_seconds, len(run.jobs), cached, run.audit, failures)


def backend_for(
    scenarios: Sequence[Scenario],
    where: Where,
    watch: Emit,
    lanes: int = 1,
    last_look: Callable[[Iterator[Content]], None] = lambda contents: None,
    session: RaySession | None = None,
) -> Callable[[], AbstractContextManager[Backend]]:
    """What starts the backend that `scenarios` are played on; their entities of one name share a host.

    `last_look` is shown what Ray holds on this machine, its object store and its files, before it is shut down;
    `session` is that Ray where it has been started already.
    """
    if where.backend == "inprocess":
        return lambda: InProcess(watch)
    stated, precision = scenarios[0].resources, scenarios[0].precision
    names = tuple(dict.fromkeys(name for scenario in scenarios for name in participants(scenario)))
    hosts = deal_hosts(names, stated.workers or len(names))
    uses_gpu = where.address != "local" or resolve_compute(precision, where.device).device_type == "cuda"
    gpus = stated.entity.gpus if uses_gpu else 0.0
    demand = Demand(hosts, stated.entity.cpus, gpus, stated.entity.gpu_bytes, stated.restarts, lanes)
    return lambda: RayBackend(demand, watch, address=where.address, last_look=last_look, session=session)
