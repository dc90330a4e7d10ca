"""The backend on Ray: one actor for each host, one placement group for each lane."""

import os
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import Any, Self

import psutil

from collab.errors import BoundaryError, EntityError, ResourceError, StoreError
from collab.results.table import append_metrics, parse_metrics
from collab.runtime.demand import Demand, share_of
from collab.runtime.host import Emit, Event, Host, Outcome, RunSpec
from collab.runtime.leak_check import Content
from collab.runtime.ray_session import RaySession
from collab.runtime.row_file import Handed, hand, take_back
from collab.stages.base import Job
from collab.store.residue import read_shared_memory, unpack
from collab.store.shelves import shelf_at, uri_of_run
from collab.types import Report

POLL_SECONDS = 0.2

WHAT_FOLLOWS = ("pandas", "scipy.special", "matplotlib.figure")
"""What tables and pages need: imported while hosts play, since the driver has nothing else to do then."""

SHARED = ".shared"
"""The file by which nodes show that they see what the driver sees."""


@dataclass
class _Running:
    run_spec: RunSpec
    job: Job
    key: str
    place: tuple[int, int]
    """Its lane, and its host there."""


class RayBackend:
    """Plays jobs side by side in actors; as many at a time as the declared cores of a job fit into the cluster.

    An actor starts when its first job is handed to it, and again after its process died: the job goes on from its
    last checkpoint. A host that dies more often than its restarts allow fails its job.
    """

    def __init__(
        self,
        demand: Demand,
        emit: Emit,
        *,
        address: str,
        last_look: Callable[[Iterator[Content]], None] = lambda contents: None,
        session: RaySession | None = None,
    ) -> None:
        self._demand, self._emit, self._address, self._last_look = demand, emit, address, last_look
        self._started_before = session
        self._host_of = {name: index for index, names in enumerate(demand.hosts) for name in names}
        self._running: dict[Any, _Running] = {}
        self._actors: dict[tuple[int, int], Any] = {}
        self._deaths = Counter[tuple[int, int]]()
        self._lane_of: dict[Path, int] = {}
        self._handed: dict[Path, Handed] = {}
        """What hosts know of a run."""
        self._told: dict[tuple[int, int], Path] = {}
        """Of which run an actor has been told last."""
        self._tails: dict[Path, _Tail] = {}
        self._is_up = False
        self.start_seconds = 0.0
        """Until Ray had started, and then the first host: whatever is played cannot begin before."""

    def __enter__(self) -> Self:
        started, demand = self._started_before, self._demand
        self._session = started or RaySession(self._address, len(demand.hosts) * demand.lanes, demand.threads)
        self._began, self._ray = self._session.began, self._session.ray
        try:
            self._place()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self._ray.is_initialized():
                self._last_look(self._read_residue())
        finally:
            self._session.close()

    def _read_residue(self) -> Iterator[Content]:
        """What this Ray holds here: its logs and spilled objects, and its object store, also what was freed in it.

        Of a cluster that was started elsewhere only what the driver itself has started is seen: nothing.
        """
        for path in sorted(self._session.temporary.rglob("*")):
            if path.is_file() and not path.is_symlink():
                yield from ((f"Ray's {path.name}", content) for content in unpack(path))
        for child in psutil.Process().children(recursive=True):
            yield from (("Ray's object store", content) for content in read_shared_memory(child.pid))

    def is_free(self, run_spec: RunSpec, participant: str) -> bool:
        """Whether the host of `who` in the lane of `run_spec` plays nothing."""
        place = self._lane(run_spec), self._host_of[participant]
        return all(each.place != place for each in self._running.values())

    def submit(self, run_spec: RunSpec, job: Job, key: str) -> None:
        """Hands `job` to its host's actor, which is started if it is not there."""
        if run_spec.run not in self._tails:
            self._check_shared(run_spec)
            self._handed[run_spec.run] = hand(run_spec)
            self._tails[run_spec.run] = _Tail(run_spec.run / "metrics.jsonl", self._explain)
        self._send(_Running(run_spec, job, key, (self._lane(run_spec), self._host_of[job.participant])))

    def wait(self) -> list[tuple[RunSpec, Outcome]]:
        """Blocks until a job has ended; passes on what hosts report meanwhile."""
        while True:
            ended, _ = self._ray.wait(list(self._running), num_returns=1, timeout=POLL_SECONDS)
            for tail in self._tails.values():
                tail.read()
            if ended and (found := self._collect(ended[0])):
                return [found]
            self._check_alive()

    def _check_alive(self) -> None:
        """Raises ResourceError if Ray has lost the node on which jobs could end."""
        if self._session.has_lost_its_node:
            raise ResourceError(
                "Ray's raylet has died, or was ended (by whoever ends processes that take much memory?), and without "
                "it no job ends. What was finished is kept; the same command goes on from there."
            )

    def forget(self, run_spec: RunSpec) -> None:
        """Lets go of what was held for a run that has ended."""
        for held in (self._handed, self._lane_of):
            held.pop(run_spec.run, None)
        take_back(run_spec)
        if tail := self._tails.pop(run_spec.run, None):
            tail.read()

    def _collect(self, ref: Any) -> tuple[RunSpec, Outcome] | None:
        """The outcome; None if its process died and the job was handed out again."""
        ended = self._running.pop(ref)
        try:
            return ended.run_spec, self._ray.get(ref)
        except deaths_told_by(self._ray) as cause:
            reason = str(cause).strip()
            self._check_alive()
        place, budget = ended.place, self._demand.restarts
        del self._actors[place], self._told[place]
        self._deaths[place] += 1
        names = ", ".join(self._demand.hosts[place[1]])
        if self._deaths[place] > budget:
            deaths = f"died {self._deaths[place]} times ({_explain_death(reason)})"
            failure = f"the process of {names} {deaths}, {budget} restarts allowed"
            return ended.run_spec, Outcome(ended.job.name, Report(), 0.0, "", 0, failure, EntityError.exit_code, reason)
        say = {"entity": ended.job.participant, "job": ended.job.name, "run": ended.run_spec.run.name}
        event: Event = {"event": "restart", **say, "reason": _explain_death(reason)}
        append_metrics(ended.run_spec.run / "metrics.jsonl", event)
        self._send(ended)
        return None

    def _send(self, wanted: _Running) -> None:
        if wanted.place not in self._actors:
            self._actors[wanted.place] = self._start(*wanted.place)
        actor, run = self._actors[wanted.place], wanted.run_spec.run
        if self._told.get(wanted.place) != run:
            # In a message, not in Ray's object store: that is lost with its node, and a driver that looks there ends.
            actor.learn.remote(self._handed[run])
            self._told[wanted.place] = run
        ref = actor.play.remote(wanted.job, wanted.key)
        self._running[ref] = wanted

    def _start(self, lane: int, host: int) -> Any:
        demand, names = self._demand, self._demand.hosts[host]
        strategy = self._ray.util.scheduling_strategies.PlacementGroupSchedulingStrategy
        return self._actor_class.options(  # no name: Ray's server would be asked whether another has it
            num_cpus=self._share,
            num_gpus=demand.gpus,
            scheduling_strategy=strategy(placement_group=self._groups[lane], placement_group_bundle_index=host),
        ).remote(names, demand.gpus, demand.gpu_bytes, time.time())  # fmt: skip

    @cached_property
    def _actor_class(self) -> Any:
        """The remote class of hosts, without the method of Ray that runs any function on an actor's state.

        Made once: Ray sends it to its server then, and a driver that asks a dead server again waits for a minute.
        Overriding it in the class has no effect, Ray puts its own there; so it is replaced afterward.
        """
        made = self._ray.remote(_RemoteHost)
        if not hasattr(getattr(made, "__ray_metadata__", None), "modified_class"):
            raise ResourceError(
                f"Ray {self._ray.__version__} has moved `__ray_call__`, so that actors cannot be closed. "
                "Install a version that pyproject.toml allows, or play with `--backend inprocess`."
            )
        made.__ray_metadata__.modified_class.__ray_call__ = _refuse
        return made

    def _lane(self, run_spec: RunSpec) -> int:
        if run_spec.run not in self._lane_of:
            taken = list(self._lane_of.values())
            self._lane_of[run_spec.run] = min(range(len(self._groups)), key=taken.count)
        return self._lane_of[run_spec.run]

    def _explain(self, event: Event) -> None:
        if event["event"] == "host" and not self._is_up:
            self._is_up, self.start_seconds = True, time.monotonic() - self._began
            Thread(target=_import_what_follows, daemon=True).start()
        self._emit(event)

    def _check_shared(self, run_spec: RunSpec) -> None:
        """Raises ResourceError, before anything is played, if a node does not see the run's folder, or its store."""
        if self._address == "local":
            return
        path, nonce, uri = run_spec.run / SHARED, secrets.token_hex(16), run_spec.scenario.store.uri
        path.write_text(nonce, encoding="ascii")
        try:
            advice = "Stages speak through files. Take a folder that all nodes share under one path (NFS, Lustre, EFS)"
            self._check_seen(run_spec.run.as_uri(), nonce, f"the folder {run_spec.run}", f"{advice} with `--out`.")
            if uri is not None:
                shelf = shelf_at(uri_of_run(uri, run_spec.run))
                shelf.put(SHARED, path)
                advice = "Set its credentials on each node before `ray start`, or share the folder of a file:// store."
                try:
                    self._check_seen(shelf.uri, nonce, f"the store {shelf.uri}", advice)
                finally:
                    shelf.remove(SHARED)
        finally:
            path.unlink(missing_ok=True)

    def _check_seen(self, uri: str, nonce: str, what: str, advice: str) -> None:
        """Raises ResourceError if a node does not read `nonce` there."""
        pinned = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
        read = self._ray.remote(num_cpus=0, max_retries=0)(_read)
        nodes = {node["NodeID"]: node["NodeManagerAddress"] for node in self._ray.nodes() if node["Alive"]}
        asked = {name: read.options(scheduling_strategy=pinned(name, soft=False)).remote(uri) for name in nodes}
        blind = [f"{nodes[name]} ({name[:8]})" for name, ref in asked.items() if self._answer(ref) != nonce]
        if blind:
            raise ResourceError(f"{len(blind)} of {len(nodes)} nodes do not see {what}: {', '.join(blind)}. {advice}")

    def _answer(self, ref: Any) -> str | None:
        try:
            answer: str | None = self._ray.get(ref, timeout=60)
        except self._ray.exceptions.RayError:  # the node is gone, or does not start a worker
            return None
        return answer

    def _place(self) -> None:
        """Reserves a placement group for each lane."""
        have: dict[str, float] = self._ray.cluster_resources()
        cores, gpus, wanted, count = have.get("CPU", 0), have.get("GPU", 0), self._demand, len(self._demand.hosts)
        if wanted.threads > cores:
            raise ResourceError(
                f"`resources.entity.cpus` asks for {wanted.threads} cores and Ray has {cores:g}. "
                f"Ask for at most {cores:g}."
            )
        if wanted.gpus * count > gpus + 1e-9:
            raise ResourceError(
                f"{count} hosts ({', '.join('+'.join(names) for names in wanted.hosts)}) of {wanted.gpus:g} GPUs each "
                f"are {wanted.gpus * count:g}, and Ray has {gpus:g}. "
                "Lower `resources.entity.gpus`, or set `resources.workers`."
            )
        self.slots = max(1, int(cores // wanted.threads))
        lanes = max(1, min(wanted.lanes, self.slots // count))
        if wanted.gpus:
            lanes = min(lanes, int((gpus + 1e-9) // (wanted.gpus * count)))
        sizes = sorted(node["Resources"].get("CPU", 0.0) for node in self._ray.nodes() if node["Alive"])
        left = sizes[:-1] if len(sizes) > 1 and not wanted.gpus else sizes  # so that the largest may be lost
        self._share = share_of(wanted.threads, left, count * lanes)
        bundle = {"CPU": self._share, **({"GPU": wanted.gpus} if wanted.gpus else {})}
        self._groups = [self._ray.util.placement_group([bundle] * count, strategy="PACK") for _ in range(lanes)]
        if not all(group.wait(30) for group in self._groups):
            raise ResourceError(f"Ray could not place {count} hosts of {bundle} each on {have} within 30 s.")


class _RemoteHost:
    """A host inside an actor: reports progress by appending to the run's metrics file, which the driver follows."""

    def __init__(self, names: tuple[str, ...], gpus: float, gpu_bytes: int | None, asked: float) -> None:
        if gpus:
            _cap_gpu_memory(gpus, gpu_bytes)
        import_module("collab.runtime.ray_worker")  # where the cluster is not ours, and has not done it
        self._host = Host(names)
        self._seconds: float | None = time.time() - asked

    def learn(self, handed: Handed) -> None:
        """Of which run the jobs are that follow."""
        self._open = cache(handed.open)

    def play(self, job: Job, key: str) -> Outcome:
        run_spec = self._open()

        def emit(event: Event) -> None:
            append_metrics(run_spec.run / "metrics.jsonl", {**event, "run": run_spec.run.name})

        if self._seconds is not None:
            say: Event = {"entity": "+".join(self._host.names), "pid": os.getpid()}
            emit({"event": "host", **say, "seconds": round(self._seconds, 2)})
            self._seconds = None
        return self._host.play(run_spec, job, key, emit)


def _read(uri: str) -> str | None:
    """What the file SHARED there says, wherever this is called; None if there is none."""
    try:
        with shelf_at(uri).open(SHARED) as file:
            return str(file.read(64).decode("ascii"))
    except (OSError, StoreError):
        return None


def _refuse(self: object, *_: object, **__: object) -> None:
    raise BoundaryError(
        "__ray_call__ of an entity's process was called: it would hand its images and modules to whoever asks. "
        "An entity answers `play` only, with a plain report."
    )


def _import_what_follows() -> None:
    for name in WHAT_FOLLOWS:
        with suppress(ImportError):  # Arrow does without pandas
            import_module(name)


def _cap_gpu_memory(gpus: float, gpu_bytes: int | None) -> None:
    import torch

    if not torch.cuda.is_available():
        return
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, gpu_bytes / total if gpu_bytes else gpus))


def deaths_told_by(ray: Any) -> tuple[type[Exception], ...]:
    """What Ray raises where a process died; of one that its monitor of memory has ended it tells apart from others."""
    told = ray.exceptions
    return told.RayActorError, told.OutOfMemoryError, told.WorkerCrashedError, told.NodeDiedError


def _explain_death(reason: str) -> str:
    """One line of what Ray says of a death; memory is named as such."""
    lines = [line.strip() for line in reason.splitlines() if line.strip()]
    told = " ".join(lines)[:300]
    happened = reason.partition("potential root causes")[0].lower()  # Ray lists memory among them after any death
    is_memory = any(word in happened for word in ("out of memory", "low on memory", "oom"))
    return f"out of memory: {told}" if is_memory else told


class _Tail:
    """Reads what was appended to a file of JSON lines since the last look."""

    def __init__(self, path: Path, emit: Emit) -> None:
        self._path, self._emit, self._at = path, emit, 0

    def read(self) -> None:
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._at)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._at += len(line)
                for event in parse_metrics([line]):
                    self._emit(event)
