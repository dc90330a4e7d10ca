"""One scenario while it is played: its folder, its jobs and their keys, what came of each."""

import os
import secrets
import shlex
import time
from bisect import bisect_right, insort
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from collab.errors import BoundaryError, CollabError, DataError, EntityError, ResourceError, StoreError
from collab.participants.assignment import ORACLE, Assignment, count_labels
from collab.participants.left_out import leave_out
from collab.plain_json import json_text
from collab.report.attack_page.verdicts import list_verdicts
from collab.results.metric import score_answers
from collab.results.opened import Opened
from collab.results.table import Result, write_results
from collab.runtime.cache import Cache
from collab.runtime.forecast import forecast
from collab.runtime.host import Outcome, RunSpec, environment, publish_again
from collab.runtime.leak_check import Leak, LeakCheck, find_unlisted
from collab.runtime.prepared import Prepared, Where
from collab.runtime.tabulate import tabulate
from collab.scenario.reader import to_yaml
from collab.stages.base import Job
from collab.stages.registry import STAGES
from collab.store.answers import Answers, take_answers
from collab.store.ledger import write_ledger
from collab.store.pictures import Sheet, read_pictures
from collab.store.shelves import shelf_at, uri_of_run
from collab.store.signing import Signer, write_keys
from collab.types import Report

PLAN = "plan.json"

MEND_THEM = "Repair or remove these images and give the same command"
LEAVE_THEM_OUT = ", or leave them out: --set data.broken=skip"


class Run:
    """A prepared scenario and its folder, ready to be played job by job."""

    def __init__(self, prepared: Prepared, where: Where) -> None:
        self._began = time.perf_counter()
        Cache(where.cache).refuse_another_users()
        if prepared.scenario.store.uri is not None:
            shelf_at(prepared.scenario.store.uri).probe()  # rather now than after hours, when somebody publishes
        self.scenario, self.assignment = prepared.scenario, prepared.assignment
        self.jobs, self.keys, self._metrics = prepared.jobs, prepared.keys, prepared.metrics
        self.untold: list[str] = []
        """Sentences about metrics of plugins that failed on answers."""
        self.folder = _new_folder(where.out / self.scenario.name)
        (self.folder / "scenario.yaml").write_text(to_yaml(self.scenario), encoding="utf-8")
        signers = {each.name: Signer(path) for each in self.scenario.entities if (path := each.signing_key_path)}
        if signers:
            write_keys(self.folder, {name: signer.public for name, signer in signers.items()})
        cache = where.cache.resolve()
        self._cache = Cache(cache)
        self.run_spec = RunSpec(
            scenario=self.scenario,
            run=self.folder,
            assignment=self.assignment,
            device=where.device,
            setting=prepared.setting,
            cache=cache,
            is_fresh=where.is_fresh,
            plugins=where.plugins,
        )
        self.outlook = self._look_ahead(where)
        """How many jobs there are, how many of them the cache holds, how long the others take: in plan.json too."""
        (self.folder / PLAN).write_text(json_text({**self.outlook, "pid": os.getpid()}), encoding="utf-8")
        self.outcomes: dict[str, Outcome] = {}
        self.failures: dict[str, Outcome] = {}
        self._named = {job.name: job for job in self.jobs}
        self._places = {name: place for place, name in enumerate(self._named)}
        self._waiting = set(self._named)
        # Kept by job, so that the end of one costs what follows it, and not a walk over the whole plan.
        self._unmet: dict[str, set[str]] = {}
        self._followers: dict[str, list[Job]] = {name: [] for name in self._named}
        self._startable, self._failed = list[int](), list[str]()
        for job in self.jobs:
            self._unmet[job.name] = {name for name in (*job.needs, *job.after) if name in self._named}
            for name in self._unmet[job.name]:
                self._followers[name].append(job)
            if not self._named.keys() >= set(job.needs):
                self._give_up(job)
            elif not self._unmet[job.name]:
                self._startable.append(self._places[job.name])

    @property
    def is_waiting(self) -> bool:
        """Whether a job has not been handed out yet."""
        return bool(self._waiting)

    def ready(self) -> Iterator[Job]:
        """Jobs that could start now, most urgent first, also such as could only since others were taken from the cache.

        What needs a failed job is given up.
        """
        while self._failed:
            failed = self._failed.pop(0)
            for job in self._followers[failed]:
                if failed in job.needs or self.failures[failed].exit_code:
                    self._give_up(job)
            self._meet(failed)
        place = -1
        while (at := bisect_right(self._startable, place)) < len(self._startable):
            place = self._startable[at]
            yield self.jobs[place]

    def _give_up(self, job: Job) -> None:
        if job.name in self._waiting:
            self._waiting.remove(job.name)
            self._failed.append(job.name)
            self.failures[job.name] = Outcome(job.name, Report(), 0.0, "", 0, "what it needs has failed")

    def _meet(self, ended: str) -> None:
        """Lets those start that waited for the job `ended` and for nothing else."""
        for job in self._followers[ended]:
            self._unmet[job.name].discard(ended)
            if not self._unmet[job.name] and job.name in self._waiting:
                insort(self._startable, self._places[job.name])

    def hand_out(self, job: Job) -> None:
        """`job` is under way."""
        self._waiting.remove(job.name)
        self._startable.remove(self._places[job.name])

    def stop(self, failed: str) -> bool:
        """Hands out nothing more but jobs of the stage of `failed` if that fails as a whole: whether it does."""
        stage = self._named[failed].stage
        kept = {name for name in self._waiting if STAGES[stage].fails_whole and self._named[name].stage == stage}
        self._waiting &= kept
        self._startable = [place for place in self._startable if self.jobs[place].name in kept]
        return STAGES[stage].fails_whole

    def restore(self, job: Job) -> bool:
        """Whether the cache held this job's outcome, which is then ours and its files in the run's folder."""
        entry = self._cache.take(self.keys[job.name], job.participant, self.folder)
        if entry is None:
            return False
        publish_again(self.run_spec, job)
        self.hand_out(job)
        self.take(Outcome.of_entry(job.name, entry))
        return True

    def notes(self, job: str) -> list[str]:
        """Sentences that whoever plays this should read as soon as `job` has ended: which images stand twice."""
        is_telling = STAGES[self._named[job].stage].tells and job in self.outcomes
        return list(self.outcomes[job].report.facts.values()) if is_telling else []

    def take(self, outcome: Outcome) -> None:
        """Notes what came of a job that was handed out."""
        if outcome.failure:
            self.failures[outcome.job] = outcome
            self._failed.append(outcome.job)
        else:
            self.outcomes[outcome.job] = outcome
            self._meet(outcome.job)

    def write(self) -> tuple[Result, ...]:
        """Writes results, ledger and record of what was played so far; returns the rows."""
        outcomes = {job.name: self.outcomes[job.name] for job in self.jobs if job.name in self.outcomes}
        named = [(self._named[name], outcome) for name, outcome in outcomes.items()]
        crossings = (outcome.crossings(job.participant, job.stage) for job, outcome in named)
        write_ledger(self.folder / "ledger.parquet", list(chain.from_iterable(crossings)))
        present, played = self.present, [job for job, _ in named]
        answers_of, local = partial(self._answers_of, present.heldout_digest), self._find_local(present)
        rows = tabulate(self.scenario, played, outcomes, answers_of, local, self._score_answers)
        record = self._record(named)
        if any(row.attack for row in rows):
            rows += list_verdicts(Opened.of_results(self.folder, self.scenario, rows, record))
        write_results(self.folder / "results.parquet", rows)
        return tuple(rows)

    def _find_local(self, present: Assignment) -> Mapping[str, np.ndarray]:
        """Which of the held-out images are an entity's own, of those who may gain."""
        return present.find_local(
            each.name for each in self.scenario.entities if each.name in present.holders and not each.is_onlooker
        )

    def _answers_of(self, scored: str, participant: str, digest: str) -> Answers:
        """What a participant kept of each held-out image, and which images those are."""
        answers = take_answers(self.folder / "answers" / participant, digest)
        return replace(answers, images=scored)

    def _score_answers(self, rows: Sequence[Result]) -> list[Result]:
        """What metrics of plugins make of the answers of held-out images."""
        classes = self.present.heldout.labels
        main = self.scenario.data.main_metric.name
        return score_answers(self._metrics, rows, main, np.asarray(classes), self.untold.append)

    def sheets(self) -> dict[str, Sheet]:
        """The contact sheets of its entities, of those who made one."""
        names = [each.name for each in self.scenario.entities]
        found = {name: read_pictures(self.folder / "pictures" / name, Sheet) for name in names}
        return {name: sheet for name, sheet in found.items() if sheet is not None}

    @property
    def present(self) -> Assignment:
        """Who holds which rows, without those that were left out so far."""
        return leave_out(self.assignment, self.scenario, self.folder)

    @cached_property
    def audit(self) -> LeakCheck:
        """An audit of what is private in this run, when it is first asked for: after all is played."""
        return LeakCheck(self.folder, self.scenario, self.run_spec.plugins)

    def leaks(self) -> list[Leak]:
        """Private things that lie where others can read, or crossed without a line of the ledger; after `write`."""
        found = self.audit.search_run(self._cache, self.keys.values()) + self.audit.search_store()
        facts = {fact for outcome in self.outcomes.values() for fact in outcome.report.facts}
        refused = {name for name in self.assignment.entities if f"refused[{name}]" in facts}
        is_whole = not self.failures and not self._waiting
        return found + (find_unlisted(self.folder, refused, self.scenario.store.uri) if is_whole else [])

    def errors(self) -> list[CollabError]:
        """What failed by itself, each with what to do; what merely needed it is not named. Broken images are one."""
        failed = {name: outcome for name, outcome in self.failures.items() if outcome.exit_code}
        broken = [name for name in failed if self._is_broken(name)]
        errors = [self._error(self._named[name], outcome) for name, outcome in failed.items() if name not in broken]
        lists = "\n".join(failed[name].failure for name in self._named if name in broken)
        nothing = "Nothing was trained. " if self.scenario.on_failure == "stop" else ""
        way_out = MEND_THEM + (LEAVE_THEM_OUT if self.scenario.data.broken == "refuse" else ".")
        return [DataError(f"{lists}\n{nothing}{way_out}"), *errors] if broken else errors

    def _is_broken(self, failed: str) -> bool:
        stage = STAGES[self._named[failed].stage]
        return stage.fails_whole and self.failures[failed].exit_code == DataError.exit_code

    def _look_ahead(self, where: Where) -> dict[str, str | int | float]:
        new = [
            job for job in self.jobs if where.is_fresh or not self._cache.holds(self.keys[job.name], job.participant)
        ]
        told: dict[str, str | int | float] = {"jobs": len(self.jobs), "cached": len(self.jobs) - len(new)}
        if not new:
            return {**told, "text": f"nothing to play: all {len(self.jobs)} jobs are in the cache"}
        of = f" of {len(self.jobs)}" if told["cached"] else ""
        count = f"{len(new)}{of} jobs to play{', the others are in the cache' if of else ''}"
        takes = forecast(self.scenario, self.assignment, new, self.run_spec.setting.compute)
        if takes is None:
            on = f"{self.scenario.model.backbone} on {self.run_spec.setting.compute}"
            return {**told, "text": f"{count}; nobody has measured how long {on} takes, so there is no guess"}
        cores = where.count_cores(self.run_spec.setting.threads)
        return {**told, "text": f"{count}: {takes.describe(cores)}", "seconds": round(takes.on(cores), 1)}

    @property
    def seconds(self) -> float:
        """Since this run was made."""
        return time.perf_counter() - self._began

    def _error(self, job: Job, outcome: Outcome) -> CollabError:
        if STAGES[job.stage].tells and outcome.exit_code == DataError.exit_code:
            return DataError(outcome.failure)  # nobody failed: the images are not fit for this
        kinds = (StoreError, ResourceError, BoundaryError)
        kind = next((each for each in kinds if each.exit_code == outcome.exit_code), EntityError)
        participant = "the oracle" if job.participant == ORACLE else f"entity {job.participant!r}"
        error = kind(
            f"{participant} failed in stage {job.stage.replace('_', ' ')!r} ({job.name}): {outcome.failure}\n"
            f"What was finished is kept. To play this stage again in one process:\n  {self._again(job)}"
        )
        if outcome.trace:
            error.add_note(outcome.trace)
        return error

    def _again(self, job: Job) -> str:
        """The command that plays a job alone, from any folder and with the plugins and the device of this run."""
        words = ["collab", "run", self.folder / "scenario.yaml", "--out", self.folder.parents[1]]
        words += ["--backend", "inprocess"]
        words += [] if self.run_spec.device == "auto" else ["--device", self.run_spec.device]
        for folder in self.run_spec.plugins.folders_of(sorted(self.scenario.kinds)):
            words += ["--plugin-dir", folder]
        return shlex.join(map(str, [*words, "--only", job.name]))

    def _record(self, outcomes: list[tuple[Job, Outcome]]) -> dict[str, Any]:
        """What the run was made on and what each job took; the figures of results.parquet do not depend on it."""
        jobs = {
            job.name: {
                # So that nobody takes its name apart.
                "stage": job.stage,
                "entity": job.participant,
                "attack": job.attack,
                "victim": job.victim,
                "rehearsed_on": job.rehearsed_on,
                "seconds": round(each.seconds, 3),
                "peak_bytes": each.peak_bytes,
                "cached": each.is_cached,
                "losses": each.losses,
                "facts": each.report.facts,
            }
            for job, each in outcomes
        }
        uri = self.scenario.store.uri
        record = {
            **environment(),
            "cores": os.cpu_count(),
            "compute": self.run_spec.setting.compute,
            "store": uri_of_run(uri, self.folder) if uri else "store",
            "source": self.assignment.source_digest,
            "file_names": self.assignment.names_digests,
            "notices": self.assignment.notices,
            "metrics": [asdict(metric.entry) for metric in self._metrics],
            "classes": self.assignment.classes,
            "images": self.present.images,
            "labels": count_labels(self.present),
            "seconds": round(self.seconds, 2),
            "jobs": jobs,
            "failures": {name: each.failure for name, each in self.failures.items()},
            "facts": {job.name: each.report.facts for job, each in outcomes if each.report.facts},
        }
        (self.folder / "record.json").write_text(json_text(record, indent=1))
        return record


def _new_folder(parent: Path) -> Path:
    name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"  # random: it says nothing about the seed
    folder = (parent / name).resolve()
    try:
        folder.mkdir(parents=True)
    except OSError as cause:
        raise StoreError(
            f"the run directory {folder} cannot be made: {cause.strerror}. Choose another with `--out`."
        ) from cause
    return folder
