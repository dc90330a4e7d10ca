"""Entities whose processes are killed, on Ray."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import ray

from collab.errors import EntityError
from collab.runtime.host import Event, Outcome
from collab.runtime.play import Played, Where, play
from collab.runtime.ray_backend import _explain_death
from collab.scenario.model import Scenario
from tests.places import TINY
from tests.playing import SMALL, bits, shards

pytestmark = pytest.mark.ray


class Killer:
    """Kills the process that plays a stage (of `whom` only, if given), once for each of `stages`, while it plays."""

    def __init__(self, *stages: str, whom: str | None = None) -> None:
        self._whom = whom
        self.left, self.killed, self.restarts = set(stages), list[str](), list[str]()
        self._pids: dict[str, int] = {}

    def __call__(self, event: Event) -> None:
        if event["event"] == "host":
            self._pids |= dict.fromkeys(str(event["entity"]).split("+"), int(event["pid"]))
        if event["event"] == "restart":
            self.restarts.append(str(event["job"]))
        stage, who = str(event.get("stage", "")), str(event.get("entity", ""))
        if event["event"] == "start" and stage in self.left and who in self._pids and self._whom in (None, who):
            self.left.remove(stage)
            process = psutil.Process(self._pids[who])
            assert "ray::" in " ".join(process.cmdline())
            os.kill(process.pid, signal.SIGKILL)
            self.killed.append(str(event["job"]))


LONG = ("entities.*.defense.epochs=8", "model.pretrain.epochs=8", "refine.epochs=4")


def test_a_process_killed_in_each_stage_is_started_again_and_nothing_changes(
    small: Callable[..., Scenario], tmp_path: Path
) -> None:
    expected = play(small(*LONG), Where("inprocess", out=tmp_path / "calm"), lambda event: None)
    killer = Killer("decode", "pretrain", "reconstruct", "featurize", "poison", "publish", "refine")
    shared = small(*LONG, "resources.restarts=7", "resources.workers=2")
    found = play(shared, Where(out=tmp_path / "killed"), killer)
    assert killer.left == set()
    assert killer.restarts  # a job of milliseconds may have ended before the signal came
    assert len(killer.killed) == 7
    assert bits(found.rows) == bits(expected.rows)
    assert shards(found.run) == shards(expected.run)


def test_beyond_its_restarts_the_run_goes_on_with_what_needs_it_not_and_ends_with_code_4(
    small: Callable[..., Scenario], played: Played, tmp_path: Path
) -> None:
    killer = Killer("poison", whom="a4")
    scenario = small("resources.restarts=0", "on_failure=continue", "entities.a4.defense.epochs=300")
    found = play(scenario, Where(out=tmp_path), killer)
    assert killer.killed == ["poison a4"]
    (failure,) = found.failures
    assert isinstance(failure, EntityError)
    assert failure.exit_code == 4
    assert "entity 'a4' failed in stage 'poison'" in str(failure)
    assert "--backend inprocess --only 'poison a4'" in str(failure)
    top1 = {row.row: row.value for row in found.rows if row.metric == "top1"}
    expected = {row.row: row.value for row in played.rows if row.metric == "top1"}
    assert {"7", "8", "9"} <= top1.keys()
    assert not {"10"} & top1.keys()  # it pools what a4 would have published
    assert all(top1[name] == expected[name] for name in ("1", "5", "7", "8", "9"))


def test_a_process_that_is_ended_for_its_memory_is_started_again_too(
    small: Callable[..., Scenario], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, told, pids, got = list[str](), list[str](), dict[str, int](), ray.get

    def get(ref: Any) -> Any:
        outcome = got(ref)
        pid = pids.get(outcome.job.split()[-1]) if isinstance(outcome, Outcome) else None
        if pid and not answers:  # as where Ray's monitor ends the process of an actor
            answers.append(outcome.job)
            os.kill(pid, signal.SIGKILL)
            raise ray.exceptions.OutOfMemoryError("1 worker(s) were killed due to the node running low on memory.")
        return outcome

    def watch(event: Event) -> None:
        if event["event"] == "host":
            pids.update(dict.fromkeys(str(event["entity"]).split("+"), int(event["pid"])))
        if event["event"] == "restart":
            told.append(str(event["reason"]))

    monkeypatch.setattr(ray, "get", get)
    found = play(small(), Where(out=tmp_path), watch)
    assert (len(answers), len(told)) == (1, 1)
    assert told[0].startswith("out of memory: 1 worker(s) were killed")
    assert not found.failures


WITHOUT_A_RAYLET = """
import sys
from pathlib import Path
import psutil
from collab.cli import main
from collab.runtime import progress

def watch(explain, killed=[]):
    def explained(event):
        if event["event"] == "start" and event["stage"] == "poison" and not killed:
            killed += [child for child in psutil.Process().children() if child.name() == "raylet"]
            killed[0].kill()
        return explain(event)
    return explained

progress._explain = watch(progress._explain)
main()
"""


@pytest.mark.slow
def test_a_raylet_that_is_killed_is_told_its_hosts_end_with_it_and_the_same_command_goes_on(
    played: Played, tmp_path: Path
) -> None:
    sets = [part for override in [*SMALL, "resources.workers=2"] for part in ("--set", override)]
    arguments = [
        "run",
        str(TINY),
        *sets,
        "--device",
        "cpu",
        "--out",
        str(tmp_path),
        "--set",
        "entities.a4.defense.epochs=99",
    ]
    before = set(psutil.pids())
    program = [sys.executable, "-c", WITHOUT_A_RAYLET, *arguments]
    ended = subprocess.run(program, capture_output=True, text=True, check=False, timeout=300)
    assert ended.returncode in (1, 3), ended.stderr[-2000:]  # 1: Ray was first, and ended the process itself
    assert ended.returncode == 1 or "error: Ray's raylet has died" in ended.stderr
    deadline = time.monotonic() + 30
    while (left := hosts_since(before)) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert not left
    program = [sys.executable, "-c", "from collab.cli import main; main()", *arguments]
    assert subprocess.run(program, capture_output=True, check=False, timeout=300).returncode == 0
    runs = sorted(tmp_path.glob("tiny/*"))
    assert shards(runs[-1])[:3] == shards(played.run)[:3]


def hosts_since(before: set[int]) -> list[int]:
    """Processes of hosts that were not there before."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.pid not in before and "ray::_RemoteHost" in " ".join(process.cmdline()):
                found.append(process.pid)
    return found


def test_out_of_memory_is_named(small: Callable[..., Scenario]) -> None:
    told = "The actor died.\n\n Task was killed due to the node running low on memory.\nMemory on the node ..."
    assert _explain_death(told).startswith("out of memory: ")
    assert not _explain_death("The actor died because its worker process has died.").startswith("out of memory")
    crashed = "The actor died. There are some potential root causes. (1) The process is killed by SIGKILL by OOM killer"
    assert not _explain_death(crashed).startswith("out of memory")
