"""Ray from its start to its end, one of our own or a cluster; it can start beside the imports of the driver."""

import logging
import os
import secrets
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout, suppress
from functools import cache
from importlib import import_module
from threading import Thread, current_thread, main_thread
from typing import Any, Self

import psutil

from collab.errors import ResourceError
from collab.scenario.model import Scenario
from collab.scratch import Scratch

_SOCKET = "/r/session_2026-01-31_00-00-00_000000_4194304/sockets/plasma_store"
"""The longest path of a socket that Ray makes in its folder."""

_LONGEST_SOCKET = 107
"""Bytes of the longest path that a socket may have: `sun_path` in unix(7), but for its zero."""

MESSAGE_BYTES = 4 << 20
"""The largest argument that travels inside its message, where the cluster is ours: larger ones take Ray's store."""

START_SECONDS = 120
"""How long Ray's processes may take to start: its own 30 are too few on a busy machine."""


class RaySession:
    """Ray, started for so many hosts and `threads` of each, or connected to at `address`, until `close`.

    Where each worker that Ray starts beforehand, one for each core, will hold a host, they import what hosts need while
    Ray still starts. Raises ResourceError if no cluster answers.
    """

    def __init__(self, address: str, hosts: int, threads: int = 1) -> None:
        self.began = time.monotonic()
        self.ray = _import_ray()
        self._scratch = _make_scratch()
        self.temporary = self._scratch.path / "r"  # not itself: Ray opens its folder to everybody
        self._redirected = redirect_stdout(sys.stderr)  # where Ray tells of a lost node; stdout is for results
        self._redirected.__enter__()
        self._is_open = True
        self._raylet: psutil.Process | None = None
        try:
            self._connect(address, hosts, threads)
            own = psutil.Process().children() if address == "local" else []
            self._raylet = next((each for each in own if each.name() == "raylet"), None)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def has_lost_its_node(self) -> bool:
        """Whether the node of a Ray of our own has died: it starts nothing again, and says nothing."""
        with suppress(psutil.Error):
            return self._raylet is not None and self._raylet.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
        return True

    def close(self) -> None:
        """Ends a Ray of our own with its files, or lets go of the cluster; the second time nothing is left to do."""
        if self._is_open:
            self._is_open = False
            self.ray.shutdown()
            self._redirected.__exit__(None, None, None)
            self._scratch.remove()

    def _connect(self, address: str, hosts: int, threads: int) -> None:
        options: dict[str, Any] = {"namespace": f"collab-{os.getpid()}-{self.began}", "log_to_driver": False}
        inherited = dict[str, str]()
        if address == "local":
            options |= {
                "include_dashboard": False,
                "object_store_memory": 128 << 20,  # shards travel through the store, never through Ray
                "_temp_dir": str(self.temporary),
                "_skip_env_hook": True,  # nor has it anything to fetch
                "_system_config": {
                    "max_direct_call_object_size": MESSAGE_BYTES,
                    "preload_python_modules": ["collab.runtime.ray_worker"],
                },
            }
            if not _TOKENS & os.environ.keys():  # Ray would write one into the home, which everybody may read
                inherited["RAY_AUTH_TOKEN"] = _token()
            if (os.cpu_count() or 1) <= hosts:
                options["_system_config"]["preload_python_modules"] += ["collab.runtime.host"]
                # Ray says so to an actor when it starts: too late for libraries that are there before.
                inherited["OMP_NUM_THREADS"] = str(threads)
        try:
            with _in_environment(inherited), _same_signals():
                self.ray.init(address=address, logging_level=logging.ERROR, **options)
                if address == "local" and self.ray.cluster_resources().get("CPU", 0) < 1:  # less than a whole core is 0
                    self.ray.shutdown()
                    self.ray.init(address=address, logging_level=logging.ERROR, num_cpus=1, **options)
        except ConnectionError as cause:
            raise ResourceError(
                f"no Ray cluster answers at {address!r}: {cause}. Is it running, and is RAY_AUTH_TOKEN (or "
                "RAY_AUTH_TOKEN_PATH) the same here as there?"
            ) from cause
        except Exception as cause:
            if "timed out during startup" not in str(cause):  # Ray raises a bare Exception
                raise
            raise ResourceError(
                f"Ray's processes did not start within {START_SECONDS} s: this machine is too busy. Start it again "
                "when there is room, or play with `--backend inprocess`."
            ) from cause


def start_beside_imports(scenario: Scenario, address: str) -> RaySession:
    """Ray, which starts its processes while this one imports what plays.

    Ray is started by the thread that calls: its processes end when the thread ends that started them, and only the main
    thread can answer signals.
    """
    _import_ray()  # before the thread, so that no two threads import one library from different ends
    Thread(target=import_module, args=("collab.runtime.play",), daemon=True).start()
    participants = 1 + len(scenario.entities)  # and the oracle
    workers = scenario.resources.workers or participants
    return RaySession(address, min(workers, participants), scenario.resources.entity.cpus)


_TOKENS = {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"}


@cache
def _token() -> str:
    """One for this process: Ray reads it once."""
    return secrets.token_hex(32)


def _make_scratch() -> Scratch:
    """A folder for Ray, whose path is short enough for its sockets."""
    try:
        return Scratch(_LONGEST_SOCKET - len(_SOCKET))
    except OSError as cause:
        raise ResourceError(
            f"Ray needs a folder for its sockets: {cause}. Name one that is short with TMPDIR=..., or play with "
            "`--backend inprocess`."
        ) from cause


def _import_ray() -> Any:
    # With it Ray would pack the folder of a project in which somebody plays, images and all, and unpack it for workers.
    os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_worker_niceness", "0")  # a run should not yield to whatever else the machine does
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_raylet_start_wait_time_s", str(START_SECONDS))
    import ray

    ray._private.ray_constants.RAY_ENABLE_UV_RUN_RUNTIME_ENV = False  # whoever imported Ray before us
    return ray


@contextmanager
def _same_signals() -> Iterator[None]:
    """Whoever answered the signals that end a process does so afterward: Ray puts itself there, and aborts."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        if current_thread() is main_thread():  # no other may set them, Ray's neither
            for number, answer in before.items():
                signal.signal(number, answer)


@contextmanager
def _in_environment(inherited: Mapping[str, str]) -> Iterator[None]:
    """What processes that are started inside inherit, where this one's environment does not say otherwise."""
    added = {name: value for name, value in inherited.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]
