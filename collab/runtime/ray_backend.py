"""The backend on Ray: one actor for each host, a placement group for each run; the only file that imports ray."""

import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from collab.errors import EntityError, ResourceError
from collab.runtime.host import Emit, Event, Host, Job, Outcome
from collab.runtime.plan import Task

POLL_SECONDS = 0.2


class RayBackend:
    """Plays tasks side by side in actors; as many at a time as the declared cores of a task fit into the cluster."""

    def __init__(self, job: Job, hosts: tuple[tuple[str, ...], ...], emit: Emit, *, address: str, gpus: float) -> None:
        self._job, self._hosts, self._emit, self._address, self._gpus = job, hosts, emit, address, gpus
        self._host_of = {name: index for index, names in enumerate(hosts) for name in names}
        self._running: dict[Any, int] = {}
        self._starting: dict[Any, int] = {}
        self._tail = _Tail(job.run / "metrics.jsonl", emit)

    def __enter__(self) -> Self:
        self._began = time.perf_counter()
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_worker_niceness", "0")  # a run should not yield to whatever else the machine does
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        import ray

        self._ray: Any = ray
        self._temporary = Path(tempfile.mkdtemp(prefix="collab-"))  # 0700, and short: it holds socket paths
        try:
            self._connect()
            self._start_actors()
        except BaseException:
            self.__exit__()
            raise
        self.start_seconds = time.perf_counter() - self._began
        return self

    def __exit__(self, *_: object) -> None:
        self._ray.shutdown()
        shutil.rmtree(self._temporary, ignore_errors=True)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way, not even the start of a host."""
        return not self._running and not self._starting

    def is_free(self, who: str) -> bool:
        """Whether the host of `who` has started and plays nothing."""
        index = self._host_of[who]
        return index not in self._running.values() and index not in self._starting.values()

    def submit(self, task: Task) -> None:
        """Hands `task` to its host's actor."""
        index = self._host_of[task.who]
        self._running[self._actors[index].play.remote(task)] = index

    def wait(self) -> list[Outcome]:
        """Blocks until a task has ended or a host has started; passes on what hosts report meanwhile."""
        while True:
            ended, _ = self._ray.wait([*self._running, *self._starting], num_returns=1, timeout=POLL_SECONDS)
            self._tail.read()
            if ended and ended[0] in self._starting:
                self._confirm(ended[0])
                return []
            if ended:
                return [self._collected(ended[0])]

    def _collected(self, ref: Any) -> Outcome:
        names = ", ".join(self._hosts[self._running.pop(ref)])
        try:
            outcome: Outcome = self._ray.get(ref)
        except self._ray.exceptions.RayActorError as cause:
            raise EntityError(
                f"the process of {names} died: {cause}. Play the scenario with `--backend inprocess` to see why."
            ) from None
        return outcome

    def _connect(self) -> None:
        options: dict[str, Any] = {"namespace": f"collab-{self._job.run.name}", "log_to_driver": False}
        if self._address == "local":
            options |= {
                "include_dashboard": False,
                "object_store_memory": 128 << 20,  # shards travel through the store, never through Ray
                "_temp_dir": str(self._temporary),
            }
        try:
            self._ray.init(address=self._address, logging_level=logging.ERROR, **options)
        except ConnectionError as cause:
            raise ResourceError(
                f"no Ray cluster answers at {self._address!r}: {cause}. Is it running, and is RAY_AUTH_TOKEN (or "
                "RAY_AUTH_TOKEN_PATH) the same here as there?"
            ) from cause

    def _start_actors(self) -> None:
        have: dict[str, float] = self._ray.cluster_resources()
        cores, gpus = have.get("CPU", 0), have.get("GPU", 0)
        wanted, count = self._job.threads, len(self._hosts)
        if wanted > cores:
            raise ResourceError(
                f"`resources.entity.cpus` asks for {wanted} cores and Ray has {cores:g}. Ask for at most {cores:g}."
            )
        if self._gpus * count > gpus + 1e-9:
            raise ResourceError(
                f"{count} hosts ({', '.join('+'.join(names) for names in self._hosts)}) of {self._gpus:g} GPUs each "
                f"are {self._gpus * count:g}, and Ray has {gpus:g}. "
                "Lower `resources.entity.gpus`, or set `resources.workers`."
            )
        self.slots = max(1, int(cores // wanted))
        share = min(float(wanted), cores / count)  # idle hosts hold no core: at most `slots` of them run at a time
        bundle = {"CPU": share, **({"GPU": self._gpus} if self._gpus else {})}
        group = self._ray.util.placement_group([bundle] * count, strategy="PACK")
        if not group.wait(30):
            raise ResourceError(f"Ray could not place {count} hosts of {bundle} each on {have} within 30 s.")
        strategy = self._ray.util.scheduling_strategies.PlacementGroupSchedulingStrategy
        remote_host = self._ray.remote(_RemoteHost)
        self._actors: dict[int, Any] = {}
        for index, names in enumerate(self._hosts):
            if index == self.slots:  # what the first tasks need is up before the rest competes with it for cores
                for ref in tuple(self._starting):
                    self._confirm(ref)
            self._actors[index] = remote_host.options(
                name="-".join(names),
                num_cpus=share,
                num_gpus=self._gpus,
                scheduling_strategy=strategy(placement_group=group, placement_group_bundle_index=index),
            ).remote(self._job, names, self._gpus)
            self._starting[self._actors[index].ready.remote()] = index

    def _confirm(self, ref: Any) -> None:
        names = "+".join(self._hosts[self._starting.pop(ref)])
        try:
            self._ray.get(ref)
        except self._ray.exceptions.RayActorError as cause:
            raise EntityError(f"the host of {names} did not start: {cause}") from None
        if not self._starting and len(self._actors) == len(self._hosts):
            self._emit({"event": "hosts", "seconds": round(time.perf_counter() - self._began, 2)})


class _RemoteHost:
    """A host inside an actor: reports progress by appending to the run's metrics file, which the driver follows."""

    def __init__(self, job: Job, names: tuple[str, ...], gpus: float) -> None:
        from collab.store.results import append_metrics

        if gpus and job.device != "cpu":
            _cap_gpu_memory(job, gpus)
        self._host = Host(job, names, lambda event: append_metrics(job.run / "metrics.jsonl", event))

    def ready(self) -> bool:
        return True

    def play(self, task: Task) -> Outcome:
        return self._host.play(task)


def _cap_gpu_memory(job: Job, gpus: float) -> None:
    import torch

    if not torch.cuda.is_available():
        return
    stated = job.scenario.resources.entity.gpu_bytes
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, stated / total if stated else gpus))


class _Tail:
    """Reads what was appended to a file of JSON lines since the last look."""

    def __init__(self, path: Path, emit: Callable[[Event], None]) -> None:
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
                self._emit(json.loads(line))
