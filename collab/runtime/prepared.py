"""A scenario before it is played: where, its rows dealt out, its jobs and under which keys."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from collab.participants.assignment import Assignment
from collab.participants.sources import Sources
from collab.plugins.discovery import INSTALLED, Plugins
from collab.results.catalog import add_entries
from collab.results.metric import Metric, load_metrics
from collab.runtime.cache import Cache
from collab.runtime.deal import Look, deal
from collab.runtime.host import Emit, tell_notes
from collab.runtime.plan import make_keys, needed, plan
from collab.scenario.model import Scenario
from collab.stages.base import Job
from collab.stages.keys import Setting
from collab.stages.registry import STAGES
from collab.store.private import private_seed
from collab.training.precision import resolve_compute


@dataclass(frozen=True)
class Where:
    """Where a scenario is played: backend, cluster, device, the folder of run directories, and what is reused.

    `only` names a job: it is played, with what it needs, and nothing else. `plugins` are those of the scenario's file.
    """

    backend: Literal["ray", "inprocess"] = "ray"
    address: str = "local"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    out: Path = Path("runs")
    is_fresh: bool = False
    only: str | None = None
    plugins: Plugins = INSTALLED

    @property
    def cache(self) -> Path:
        """The stage cache that runs in this folder share."""
        return self.out / "cache"

    def count_cores(self, threads: int) -> int:
        """How many jobs of so many `threads` this machine plays side by side."""
        return 1 if self.backend == "inprocess" else max(1, (os.cpu_count() or 1) // threads)


@dataclass(frozen=True)
class Prepared:
    """A scenario with its rows dealt out: what will be played, under which keys, and on what (`Setting`).

    `metrics` are those of plugins, which tables know from here on.
    """

    scenario: Scenario
    assignment: Assignment
    jobs: tuple[Job, ...]
    keys: dict[str, str]
    setting: Setting
    metrics: tuple[Metric, ...] = ()

    @classmethod
    def of(cls, scenario: Scenario, where: Where, watch: Emit = lambda event: None) -> "Prepared":
        """A scenario that is dealt here; `watch` is told what its sources have to say.

        Raises DataError with the files that are no images, unless all were decoded before or broken ones are left out.
        """
        sources = Sources.open(scenario)
        prepared = cls.of_dealt(scenario, deal(scenario, sources, tell=tell_notes(watch)), where)
        if prepared.needs_look(where):
            look = Look()
            look.at(scenario, sources, prepared.assignment)
            look.refuse()
        return prepared

    def needs_look(self, where: Where) -> bool:
        """Whether files that are no images would end this run: some were never decoded."""
        decoding = [job for job in self.jobs if STAGES[job.stage].fails_whole]
        cache = Cache(where.cache)
        is_decoded = all(cache.holds(self.keys[job.name], job.participant) for job in decoding)
        return self.scenario.on_failure == "stop" and (where.is_fresh or not is_decoded)

    @classmethod
    def of_dealt(cls, scenario: Scenario, assignment: Assignment, where: Where) -> "Prepared":
        """Jobs with their keys, as device, threads and plugins make them."""
        metrics = load_metrics(scenario, where.plugins)
        add_entries(metric.entry for metric in metrics)
        jobs = plan(scenario, assignment.images)
        jobs = jobs if where.only is None else needed(jobs, where.only)
        compute = str(resolve_compute(scenario.precision, where.device, **scenario.compute.model_dump()))
        setting = Setting(compute, scenario.resources.entity.cpus)
        drawn = [each.name for each in scenario.entities if scenario.private_seeds == "drawn"]
        seeds = {name: private_seed(where.cache.resolve(), name) for name in drawn}
        keys = make_keys(scenario, assignment, jobs, setting, where.plugins, seeds)
        return cls(scenario, assignment, jobs, keys, setting, metrics)
