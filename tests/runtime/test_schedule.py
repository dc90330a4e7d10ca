"""How jobs are handed out, on a backend that plays none of them."""

import cProfile
import pstats
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typing_extensions import override

from collab.runtime.host import Outcome, RunSpec
from collab.runtime.prepared import Prepared, Where
from collab.runtime.run import Run
from collab.runtime.schedule import schedule
from collab.scenario.model import Scenario
from collab.scenario.reader import read_scenario
from collab.stages.base import Job
from collab.types import Report
from tests.places import SCENARIOS


class Pretending:
    """One job at a time; those whose name holds `fails` fail."""

    slots, start_seconds = 1, 0.0

    def __init__(self, fails: str) -> None:
        self.fails, self.names = fails, list[str]()
        self._job: tuple[RunSpec, Job] | None = None

    def is_free(self, run_spec: RunSpec, who: str) -> bool:
        return self._job is None

    def submit(self, run_spec: RunSpec, job: Job, key: str) -> None:
        self._job = run_spec, job
        self.names.append(job.name)

    def wait(self) -> list[tuple[RunSpec, Outcome]]:
        assert self._job is not None
        (run_spec, job), self._job = self._job, None
        failure = "it broke" if self.fails and self.fails in job.name else ""
        return [(run_spec, Outcome(job.name, Report(), 0.0, "cpu", 0, failure, 4 if failure else 0))]

    def forget(self, run_spec: RunSpec) -> None: ...


def pretend(scenario: Scenario, out: Path, fails: str = "") -> tuple[Run, list[str]]:
    where = Where("inprocess", out=out)
    run, backend = Run(Prepared.of(scenario, where), where), Pretending(fails)

    @contextmanager
    def opened() -> Iterator[Pretending]:
        yield backend

    schedule([run], opened, lambda event: None)
    return run, backend.names


def federated(rounds: int) -> str:
    return f"federated=[{{row: fed, entities: [a1, a2], rounds: {rounds}}}]"


def test_jobs_start_in_the_order_of_the_plan_each_after_what_it_needs(
    small: Callable[..., Scenario], tmp_path: Path
) -> None:
    run, names = pretend(small(federated(3)), tmp_path)
    assert sorted(names) == sorted(job.name for job in run.jobs)
    for job in run.jobs:
        assert all(names.index(need) < names.index(job.name) for need in job.needs)
    rounds = [name for name in names if name.startswith("federate ")]
    assert rounds == [f"federate {entity} row fed round {number}" for number in (1, 2, 3) for entity in ("a1", "a2")]


def test_what_needs_a_failed_job_is_given_up_and_all_else_is_played(
    small: Callable[..., Scenario], tmp_path: Path
) -> None:
    run, names = pretend(small(federated(3), "on_failure=continue"), tmp_path, fails="federate a1 row fed round 2")
    assert set(run.failures) == {
        *(f"federate {entity} row fed round 3" for entity in ("a1", "a2")),
        *(f"average {entity} row fed" for entity in ("a1", "a2")),
        *(f"aggregate row fed round {number}" for number in (2, 3)),
        "federate a1 row fed round 2",
    }
    assert len(names) == len(run.jobs) - 6
    assert not run.is_waiting


@pytest.mark.parametrize("fails", ["", "decode"])
def test_handing_out_a_job_costs_the_same_in_a_long_plan(
    small: Callable[..., Scenario], tmp_path: Path, fails: str
) -> None:
    calls = []
    for rounds in (20, 200):
        scenario = small(federated(rounds), "on_failure=continue")
        profile = cProfile.Profile()
        run, _ = profile.runcall(pretend, scenario, tmp_path, fails)
        scheduled = [count for (file, *_), (count, *_) in pstats.Stats(profile).stats.items() if "/runtime/" in file]
        calls.append(sum(scheduled) / len(run.jobs))
    assert calls[1] < 1.5 * calls[0]


def test_the_oracle_makes_what_all_wait_for_before_its_long_row(tmp_path: Path) -> None:
    run, _ = pretend(read_scenario(SCENARIOS / "four_entities.yaml").scenario, tmp_path)
    row = next(job for job in run.jobs if job.name == "refine oracle row 5")
    assert "featurize heldout" in row.after  # it would start while F is trained, and hold the oracle for long after


def test_rounds_of_a_federation_share_the_cores_and_nothing_else_does(
    small: Callable[..., Scenario], tmp_path: Path
) -> None:
    where = Where("inprocess", out=tmp_path)
    run, backend = Run(Prepared.of(small(federated(2)), where), where), SideBySide()

    @contextmanager
    def opened() -> Iterator[SideBySide]:
        yield backend

    schedule([run], opened, lambda event: None)
    rounds = {f"federate {name} row fed round 2" for name in ("a1", "a2")}
    assert any(rounds <= names for names in backend.together)
    assert all(
        sum(not name.startswith(("federate ", "aggregate ")) for name in names) <= 1 for names in backend.together
    )


class SideBySide(Pretending):
    """One core, and a host for each participant; of what is handed out the last ends first."""

    def __init__(self) -> None:
        super().__init__("")
        self._jobs = list[tuple[RunSpec, Job]]()
        self.together = list[set[str]]()

    @override
    def is_free(self, run_spec: RunSpec, who: str) -> bool:
        return all(job.participant != who for _, job in self._jobs)

    @override
    def submit(self, run_spec: RunSpec, job: Job, key: str) -> None:
        self._jobs.append((run_spec, job))

    @override
    def wait(self) -> list[tuple[RunSpec, Outcome]]:
        self.together.append({job.name for _, job in self._jobs})
        run_spec, job = self._jobs.pop()
        return [(run_spec, Outcome(job.name, Report(), 0.0, "cpu", 0))]
