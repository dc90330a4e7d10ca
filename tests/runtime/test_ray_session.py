"""Ray started beside the imports of the driver: when, for whom, and what its workers bring along."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from collab.errors import ResourceError
from collab.runtime import ray_session
from collab.runtime.ray_session import RaySession


class NoRay:
    """Takes the place of ray and notes how it was asked to start."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.asked: dict[str, Any] = {}
        self.threads: str | None = None
        self.ends, self._failure = 0, failure
        self.cores = 2.0

    def init(self, **options: Any) -> None:
        self.asked, self.threads = options, os.environ.get("OMP_NUM_THREADS")
        if self._failure:
            raise self._failure

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": self.cores} if self.cores else {}

    def shutdown(self) -> None:
        self.ends += 1


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> NoRay:
    stub = NoRay()
    monkeypatch.setattr(ray_session, "_import_ray", lambda: stub)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    return stub


@pytest.mark.parametrize(("hosts", "address", "is_told"), [(4, "local", True), (3, "local", False), (4, "auto", False)])
def test_workers_import_what_hosts_need_where_each_of_them_will_hold_one(
    ray: NoRay, hosts: int, address: str, is_told: bool
) -> None:
    with RaySession(address, hosts, threads=2):
        modules = ray.asked.get("_system_config", {}).get("preload_python_modules", [])
        assert ("collab.runtime.host" in modules) == is_told
        assert ("collab.runtime.ray_worker" in modules) == (address == "local")
        assert ray.threads == ("2" if is_told else None)
        assert "OMP_NUM_THREADS" not in os.environ


def test_a_session_ends_once_and_leaves_nothing(ray: NoRay) -> None:
    stdout = sys.stdout
    with RaySession("local", 1) as session:
        assert session.temporary.parent.is_dir()
        session.close()
    assert (ray.ends, session.temporary.parent.exists(), sys.stdout) == (1, False, stdout)


def test_a_session_that_cannot_begin_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stub, stdout = NoRay(ConnectionError("nobody")), sys.stdout
    monkeypatch.setattr(ray_session, "_import_ray", lambda: stub)
    with pytest.raises(ResourceError, match="no Ray cluster answers at 'there:1': nobody"):
        RaySession("there:1", 1)
    assert (stub.ends, sys.stdout) == (1, stdout)


def test_a_ray_that_is_too_slow_to_start_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    stub = NoRay(Exception("The current node timed out during startup. This could happen because ..."))
    monkeypatch.setattr(ray_session, "_import_ray", lambda: stub)
    with pytest.raises(ResourceError, match="did not start within 120 s: this machine is too busy"):
        RaySession("local", 1)
    assert stub.ends == 1


def test_signals_are_answered_as_before(ray: NoRay) -> None:
    before = signal.getsignal(signal.SIGTERM)
    started = ray.init

    def init(**options: Any) -> None:
        started(**options)
        signal.signal(signal.SIGTERM, lambda number, frame: os.abort())

    ray.init = init  # type: ignore[method-assign]
    with RaySession("local", 1):
        assert signal.getsignal(signal.SIGTERM) == before


def test_no_folder_is_short_enough(ray: NoRay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_session, "_LONGEST_SOCKET", 82)
    with pytest.raises(ResourceError, match=r"Ray needs a folder for its sockets: none of .*Name one that is short"):
        RaySession("local", 1)


def test_ray_packs_no_project_in_which_somebody_plays_with_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray looks whether a parent of this process is `uv run`, and would then ship the folder in which it runs."""
    ray_session._import_ray()
    from ray._private import worker
    from ray._private.runtime_env import uv_runtime_env_hook

    monkeypatch.setattr(uv_runtime_env_hook, "_get_uv_run_cmdline", lambda: ["uv", "run", "collab", "run", "x.yaml"])
    assert worker._maybe_modify_runtime_env({}, _skip_env_hook=True) == {}


def test_a_ray_of_our_own_has_a_token_that_no_file_holds(ray: NoRay, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray would write one to `~/.ray/auth_token`, where every user may read it whose way is open."""
    told: list[str | None] = []
    started = ray.init

    def init(**options: Any) -> None:
        started(**options)
        told.append(os.environ.get("RAY_AUTH_TOKEN"))

    ray.init = init  # type: ignore[method-assign]
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    for _ in range(2):
        with RaySession("local", 1):
            assert "RAY_AUTH_TOKEN" not in os.environ
    assert told[0] == told[1]  # Ray reads it once in a process
    assert len(told[0] or "") == 64
    with RaySession("auto", 1):
        assert told[-1] is None
    monkeypatch.setenv("RAY_AUTH_TOKEN", "mine")
    with RaySession("local", 1):
        assert told[-1] == "mine"


def test_in_less_than_one_core_ray_is_told_of_one(ray: NoRay) -> None:
    """Ray rounds 0.9 of a core, as a container may have, down to none."""
    ray.cores = 0
    with RaySession("local", 1):
        assert ray.asked["num_cpus"] == 1
    assert ray.ends == 2
    ray.cores = 1
    with RaySession("local", 1):
        assert "num_cpus" not in ray.asked


def test_a_node_that_has_died_is_noticed(ray: NoRay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "raylet"
    shutil.copy(shutil.which("sleep") or "", program)
    started = list[subprocess.Popen[bytes]]()
    monkeypatch.setattr(ray, "init", lambda **options: started.append(subprocess.Popen([str(program), "60"])))
    with RaySession("local", 1) as session:
        (raylet,) = started
        assert not session.has_lost_its_node
        raylet.kill()
        os.waitid(os.P_PID, raylet.pid, os.WEXITED | os.WNOWAIT)  # a zombie, as long as nobody asks
        assert session.has_lost_its_node
        raylet.wait()
        assert session.has_lost_its_node
    with RaySession("auto", 1) as session:  # that of a cluster is none of ours
        started[-1].kill()
        started[-1].wait()
        assert not session.has_lost_its_node
