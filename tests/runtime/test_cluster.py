"""A real cluster: three nodes on loopback, with token authentication; one of them is lost in the middle.

Slow: each starts three raylets and their workers. The arithmetic of a lost node is tested in the default run.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from collab.errors import ResourceError
from collab.results.table import read_results
from collab.runtime import ray_backend
from collab.runtime.demand import share_of
from collab.runtime.host import RunSpec
from collab.runtime.play import Where, play
from collab.runtime.ray_backend import RayBackend
from collab.scenario.model import Scenario
from collab.scenario.reader import read_scenario
from collab.store.store import Store
from tests.places import SCENARIOS
from tests.playing import SMALL, bits, shards

DEFAULT = SCENARIOS / "four_entities.yaml"
LONG = ["entities.*.defense.epochs=20"]
WAIT = 400


@dataclass
class Nodes:
    """A running cluster."""

    address: str
    env: dict[str, str]
    lose_one: Callable[[list[int]], None]
    """Ends a node that is not the head, and on which one of these processes runs."""

    def driver(self, out: Path, *sets: str) -> subprocess.Popen[str]:
        parts = [part for override in sets for part in ("--set", override)]
        program = [sys.executable, "-c", "from collab.cli import main; main()", "run", str(DEFAULT)]
        program += [*parts, "--json", "--address", self.address, "--out", str(out)]
        with (out.parent / f"{out.name}.log").open("w") as log:
            return subprocess.Popen(program, env=self.env, text=True, stdout=subprocess.PIPE, stderr=log)


def environment() -> dict[str, str]:
    """With a token of its own, which head, nodes and driver share."""
    tokens = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    return {**os.environ, **tokens, "RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": os.pathsep.join(sys.path)}


@contextmanager
def by_utility(env: dict[str, str]) -> Iterator[Nodes]:
    """Three nodes as Ray starts them for its own tests."""
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("nodes.py"))],
        env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    told, say = process.stdout, process.stdin
    assert told
    assert say

    def lose_one(pids: list[int]) -> None:
        say.write(" ".join(map(str, pids)) + "\n")
        say.flush()
        assert "lost" in told.readline()

    try:
        address = next(line.strip() for line in told if ":" in line and " " not in line.strip())
        yield Nodes(address, env, lose_one)
        say.close()
        process.wait(60)
    finally:
        end(process)
        say.close()
        told.close()


@contextmanager
def by_command(env: dict[str, str]) -> Iterator[Nodes]:
    """Three nodes as an administrator starts them, each with resources of its own."""
    folder = tempfile.mkdtemp(prefix="ray-")  # short: it holds socket paths
    port = 20000 + os.getpid() % 10000
    ray, size = [sys.executable, "-m", "ray.scripts.scripts"], ["--num-cpus=2", "--object-store-memory=80000000"]
    common = [*size, "--block", "--disable-usage-stats"]
    head = ["--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={folder}"]
    address = f"127.0.0.1:{port}"
    started = list[subprocess.Popen[bytes]]()

    def start(options: list[str], count: int) -> None:
        with (Path(folder) / f"node{count}.log").open("w") as log:
            program = [*ray, "start", *options, *common]
            started.append(subprocess.Popen(program, env=env, stdout=log, stderr=subprocess.STDOUT))
        deadline, asked = time.monotonic() + 120, [*ray, "status", f"--address={address}"]
        while time.monotonic() < deadline:
            told = subprocess.run(asked, env=env, capture_output=True, text=True, check=False, timeout=60).stdout
            if told.count(" node_") >= count:
                return
            time.sleep(1)
        pytest.fail(f"node {count} is not up: {(Path(folder) / f'node{count}.log').read_text()[-2000:]}")

    def lose_one(pids: list[int]) -> None:
        others = {each.pid: node for node in started[1:] for each in psutil.Process(node.pid).children(recursive=True)}
        end(next(others[pid] for pid in pids if pid in others))

    try:
        start(head, 1)
        for count in (2, 3):
            start([f"--address={address}"], count)
        yield Nodes(address, env, lose_one)
    finally:
        for process in reversed(started):
            end(process)
        shutil.rmtree(folder, ignore_errors=True)


def end(process: "subprocess.Popen[Any]") -> None:
    """As a machine ends whose power is cut."""
    if process.poll() is None:
        for each in [*psutil.Process(process.pid).children(recursive=True), process]:
            with suppress(psutil.NoSuchProcess):
                each.kill()
    process.wait(60)


@pytest.fixture(params=[by_utility, by_command])
def nodes(request: pytest.FixtureRequest) -> Iterator[Nodes]:
    with request.param(environment()) as found:
        yield found


def ended(driver: "subprocess.Popen[str]", out: Path) -> dict[str, Any]:
    told, _ = driver.communicate(timeout=WAIT)
    assert driver.returncode == 0, (out.parent / f"{out.name}.log").read_text()[-3000:]
    found: dict[str, Any] = json.loads(told)
    return found


def events(out: Path) -> list[dict[str, Any]]:
    files = list(out.glob("*/*/metrics.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines() if line.endswith("}")]


@pytest.mark.ray
@pytest.mark.slow
def test_a_node_that_is_lost_in_the_middle_changes_nothing(nodes: Nodes, tmp_path: Path) -> None:
    scenario = read_scenario(DEFAULT, [*SMALL, *LONG]).scenario
    expected = play(scenario, Where("inprocess", out=tmp_path / "calm"), lambda event: None)
    out = tmp_path / "cluster"
    driver = nodes.driver(out, *SMALL, *LONG)
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline and driver.poll() is None:
        if any(event["event"] == "epoch" and event["stage"] == "poison" for event in events(out)):
            break
        time.sleep(0.2)
    assert driver.poll() is None  # or it ended before anything was lost
    nodes.lose_one([event["pid"] for event in events(out) if event["event"] == "host"])
    told = ended(driver, out)
    run = Path(told["run"])
    assert [event for event in events(out) if event["event"] == "restart"]
    assert bits(tuple(read_results(run / "results.parquet"))) == bits(expected.rows)
    assert shards(run) == shards(expected.run)
    assert len(Store(run / "store").records()) == 4  # nothing lost, nothing doubled
    assert [finding.problem for finding in Store(run / "store").verify()] == [""] * 4


@pytest.mark.ray
@pytest.mark.slow
def test_a_driver_with_another_token_is_told_what_to_do(tmp_path: Path) -> None:
    with by_command(environment()) as nodes:
        driver = Nodes(nodes.address, environment(), nodes.lose_one).driver(tmp_path / "out", *SMALL)
        driver.communicate(timeout=WAIT)
    assert driver.returncode == 3
    assert "RAY_AUTH_TOKEN" in (tmp_path / "out.log").read_text()


@pytest.mark.parametrize(
    ("nodes", "hosts", "expected"),
    [
        ([2.0], 5, 0.4),
        ([2.0, 2.0], 5, 2 / 3),  # of 4 cores 0.8 each would be there, but 2 nodes hold only 2 such hosts each
        ([2.0, 2.0, 2.0], 5, 1.0),
        ([8.0, 1.0], 5, 1.0),
        ([64.0], 5, 1.0),
    ],
)
def test_hosts_reserve_what_fits_on_the_nodes_that_are_left(nodes: list[float], hosts: int, expected: float) -> None:
    share = share_of(1, nodes, hosts)
    assert share == pytest.approx(expected, rel=0.011)
    assert sum(int(cores / share) for cores in nodes) >= hosts


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize(
    ("hidden", "told"),
    [
        ("/seen-here/", r"1 of 1 nodes do not see the folder .*/seen-here/.* with `--out`"),
        ("/elsewhere/", r"1 of 1 nodes do not see the store file:///.*/elsewhere/.* credentials on each node"),
    ],
)
def test_what_a_node_does_not_see_is_told_before_anything_is_played(
    hidden: str, told: str, small: Callable[..., Scenario], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest, read = RayBackend._check_shared, ray_backend._read

    def as_on_a_cluster(self: RayBackend, run_spec: RunSpec) -> None:
        self._address = "auto"
        honest(self, run_spec)

    monkeypatch.setattr(RayBackend, "_check_shared", as_on_a_cluster)
    scenario = small(f"store.uri={(tmp_path / 'elsewhere').as_uri()}")
    play(scenario, Where(out=tmp_path / "seen", only="decode heldout"), lambda event: None)  # every node sees it
    monkeypatch.setattr(ray_backend, "_read", lambda uri: None if hidden in uri else read(uri))
    events: list[str] = []
    with pytest.raises(ResourceError, match=told) as caught:
        play(scenario, Where(out=tmp_path / "seen-here"), lambda event: events.append(str(event["event"])))
    assert caught.value.exit_code == 3
    assert "start" not in events
    assert not list(tmp_path.glob("*/*/*/.shared"))
