"""A real cluster: three nodes on loopback, with token authentication; one of them is lost in the middle.

Slow: each starts three raylets and their workers.
"""

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import SCENARIOS, SMALL, bits, shards  # type: ignore[import-not-found]

from collab.errors import ResourceError
from collab.runtime import ray_backend
from collab.runtime.play import Where, play
from collab.runtime.ray_backend import RayBackend
from collab.scenario.model import Scenario
from collab.store.results import read_results
from collab.store.store import Store

pytestmark = [pytest.mark.ray, pytest.mark.slow]
LONG = ["entities.*.defense.epochs=6"]
WAIT = 300


@dataclass
class Nodes:
    """A running cluster."""

    address: str
    process: subprocess.Popen[str]
    env: dict[str, str]

    def lose_one(self) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write("now\n")
        self.process.stdin.flush()
        assert "lost" in self.process.stdout.readline()

    def driver(self, out: Path, *sets: str, scenario: str = "tiny.yaml") -> subprocess.Popen[str]:
        parts = [part for override in sets for part in ("--set", override)]
        program = [sys.executable, "-c", "from collab.cli import main; main()", "run", str(SCENARIOS / scenario)]
        program += [*parts, "--json", "--address", self.address, "--out", str(out)]
        with (out.parent / f"{out.name}.log").open("w") as log:
            return subprocess.Popen(program, env=self.env, text=True, stdout=subprocess.PIPE, stderr=log)


def environment() -> dict[str, str]:
    """With a token of its own, which head, nodes and driver share."""
    tokens = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    return {**os.environ, **tokens, "RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": os.pathsep.join(sys.path)}


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    env = environment()
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("nodes.py"))],
        env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout
    address = next(line.strip() for line in process.stdout if ":" in line and " " not in line.strip())
    yield Nodes(address, process, env)
    assert process.stdin
    process.stdin.close()
    try:
        process.wait(60)
    finally:
        process.kill()


def ended(driver: "subprocess.Popen[str]", out: Path) -> dict[str, Any]:
    told, _ = driver.communicate(timeout=WAIT)
    assert driver.returncode == 0, (out.parent / f"{out.name}.log").read_text()[-3000:]
    found: dict[str, Any] = json.loads(told)
    return found


def events(out: Path) -> list[dict[str, Any]]:
    files = list(out.glob("*/*/metrics.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines() if line.endswith("}")]


def test_a_node_that_is_lost_in_the_middle_changes_nothing(
    nodes: Nodes, small: Callable[..., Scenario], tmp_path: Path
) -> None:
    expected = play(small(*LONG), Where("inprocess", out=tmp_path / "calm"), lambda event: None)
    out = tmp_path / "cluster"
    driver = nodes.driver(out, *SMALL, *LONG, "resources.restarts=5")
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline and driver.poll() is None:
        if any(event["event"] == "epoch" and event["stage"] == "poison" for event in events(out)):
            break
        time.sleep(0.2)
    nodes.lose_one()
    told = ended(driver, out)
    run = Path(told["run"])
    assert bits(tuple(read_results(run / "results.parquet"))) == bits(expected.rows)
    assert shards(run) == shards(expected.run)
    assert len(Store(run / "store").records()) == 4  # nothing lost, nothing doubled
    assert [finding.problem for finding in Store(run / "store").verify()] == [""] * 4


def test_a_driver_with_another_token_is_told_what_to_do(nodes: Nodes, tmp_path: Path) -> None:
    driver = Nodes(nodes.address, nodes.process, environment()).driver(tmp_path / "out", *SMALL)
    driver.communicate(timeout=WAIT)
    assert driver.returncode == 3
    assert "RAY_AUTH_TOKEN" in (tmp_path / "out.log").read_text()


def test_ray_start_with_a_token(small: Callable[..., Scenario], tmp_path: Path) -> None:
    """Three nodes as an administrator starts them, `ray start`, each with resources of its own."""
    env, started = environment(), list[subprocess.Popen[bytes]]()
    port = 20000 + os.getpid() % 20000
    common = ["--num-cpus=2", "--object-store-memory=80000000", "--block", "--disable-usage-stats"]
    ray = [sys.executable, "-m", "ray.scripts.scripts", "start"]
    head = [*ray, "--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={tmp_path / 'r'}", *common]
    expected = play(small(), Where("inprocess", out=tmp_path / "calm"), lambda event: None)
    try:
        started.append(subprocess.Popen(head, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        time.sleep(15)
        for _ in range(2):
            other = [*ray, f"--address=127.0.0.1:{port}", *common]
            started.append(subprocess.Popen(other, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        time.sleep(10)
        found = Nodes(f"127.0.0.1:{port}", None, env)  # type: ignore[arg-type]
        told = ended(found.driver(tmp_path / "out", *SMALL), tmp_path / "out")
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            process.wait(60)
    assert bits(tuple(read_results(Path(told["run"]) / "results.parquet"))) == bits(expected.rows)


def test_a_folder_that_a_node_does_not_see_is_told_before_anything_is_played(
    small: Callable[..., Scenario], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = RayBackend._check_shared

    def as_on_a_cluster(self: RayBackend, run: Path) -> None:
        self._address = "auto"
        honest(self, run)

    monkeypatch.setattr(RayBackend, "_check_shared", as_on_a_cluster)
    play(small(), Where(out=tmp_path, only="decode heldout"), lambda event: None)  # every node sees it
    monkeypatch.setattr(ray_backend, "_read", lambda path: None)
    told: list[str] = []
    with pytest.raises(ResourceError, match=r"1 of 1 nodes do not see the folder .* with `--out`") as caught:
        play(small(), Where(out=tmp_path / "other"), lambda event: told.append(str(event["event"])))
    assert caught.value.exit_code == 3
    assert "start" not in told
    assert not list(tmp_path.glob("other/*/*/.shared"))
