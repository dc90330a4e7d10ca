"""Plays tasks of the participants that live in this process; the same object inside a Ray actor and without Ray."""

import platform
import resource
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from collab import plugins
from collab.data.source import Source
from collab.entity import Entity
from collab.errors import CollabError
from collab.runtime.assign import ORACLE, Assignment, Holding, open_scenario_source
from collab.runtime.oracle import Oracle
from collab.runtime.plan import Task
from collab.scenario.model import Scenario
from collab.store.private import private_folder
from collab.training.loop import Progress
from collab.training.precision import resolve_compute
from collab.types import Measure, Report

Event = dict[str, str | int | float]
Emit = Callable[[Event], None]


@dataclass(frozen=True)
class Job:
    """What a host needs to know: the scenario, where the run lies, and which rows its participants hold."""

    scenario: Scenario
    run: Path
    assignment: Assignment
    device: Literal["auto", "cpu", "cuda"]
    threads: int


@dataclass(frozen=True)
class Outcome:
    """What came of a task: a report, or the plain text of a failure; never an object of the participant's."""

    task: str
    report: Report
    seconds: float
    device: str
    peak_bytes: int
    failure: str = ""
    exit_code: int = 0
    trace: str = ""


class Host:
    """One process with one or more participants; it plays one task at a time."""

    def __init__(self, job: Job, names: tuple[str, ...], emit: Emit) -> None:
        self._job = job
        self._emit = emit
        self._source: Source | None = None
        self._compute = resolve_compute(job.scenario.precision, job.device)
        self._participants = {name: self._participant(name) for name in names}

    def play(self, task: Task) -> Outcome:
        """Plays `task` with the job's number of threads; a failure is an outcome, not an exception."""
        torch.set_num_threads(self._job.threads)
        start = time.perf_counter()
        say: dict[str, str | int | float] = {"entity": task.who, "stage": task.stage.split("_")[0], "task": task.name}
        self._emit({"event": "start", **say})

        def progress(epoch: int, epochs: int, loss: float) -> None:
            self._emit({"event": "epoch", **say, "epoch": epoch, "epochs": epochs, "loss": loss})

        report, failure, code, trace = Report(), "", 0, ""
        try:
            report = self._played(task, progress)
        except CollabError as cause:  # says itself what is wrong
            failure, code = str(cause), cause.exit_code
        except Exception as cause:
            failure, code = f"{type(cause).__name__}: {cause}", CollabError.exit_code
            trace = traceback.format_exc()
        seconds = time.perf_counter() - start
        self._emit({"event": "failed" if failure else "done", **say, "seconds": round(seconds, 3)})
        return Outcome(task.name, report, seconds, str(self._compute), _peak_bytes(), failure, code, trace)

    def _played(self, task: Task, progress: Progress) -> Report:
        participant = self._participants[task.who]
        match task.stage:
            case "decode":
                return self._decode(private_folder(self._job.run, task.who), self._holding(task.who))
            case "decode_heldout":
                return self._decode(participant.layout.heldout, self._job.assignment.heldout)
            case "decode_public":
                return self._decode(participant.layout.public, self._job.assignment.public)
            case "refine" if task.row is not None:
                return participant.refine(task.row, task.most_rows, progress)
            case _:
                report: Report = getattr(participant, task.stage)(progress)
                return report

    def _participant(self, name: str) -> Entity | Oracle:
        job = self._job
        classes = len(job.assignment.classes)
        if name == ORACLE:
            oracle = Oracle(name, job.scenario, job.run, classes=classes, compute=self._compute)
            oracle.assignment, oracle.holding = job.assignment, self._holding(name)
            return oracle
        stated = next(entity for entity in job.scenario.entities if entity.name == name)
        entity: Entity = plugins.load("entities", stated.kind)(
            name, job.scenario, job.run, classes=classes, compute=self._compute
        )
        entity.defense = plugins.load("defenses", stated.defense.kind).from_options(stated.defense)
        return entity

    def _holding(self, name: str) -> Holding:
        given = self._job.assignment
        if name != ORACLE:
            return given.entities[name]
        rows = self._job.scenario.refinements
        if any(row.share is not None for row in rows):
            return given.everything
        held = np.concatenate([holding.rows for holding in given.entities.values()])
        return given.everything.part(np.searchsorted(given.everything.rows, np.unique(held)))

    def _decode(self, folder: Path, holding: Holding) -> Report:
        """Draws or reads images of the source into `folder`, block by block; never more than a block in memory."""
        self._source = self._source or open_scenario_source(self._job.scenario)
        folder.mkdir(parents=True, exist_ok=True)
        side = self._job.scenario.data.image_size
        target = np.lib.format.open_memmap(
            folder / "images.npy", mode="w+", dtype=np.uint8, shape=(len(holding), 3, side, side)
        )
        at = 0
        for block in self._source.images(holding.split, holding.rows):
            target[at : at + len(block)] = block
            at += len(block)
        target.flush()
        np.save(folder / "labels.npy", holding.labels.astype(np.int64))
        return Report((Measure("images", len(holding)),))


def host_names(participants: tuple[str, ...], workers: int) -> tuple[tuple[str, ...], ...]:
    """Participants dealt to at most `workers` hosts, in turn."""
    count = min(workers, len(participants))
    return tuple(participants[first::count] for first in range(count))


def environment() -> Mapping[str, str]:
    """What this process runs on, for the record of a run."""
    return {"python": platform.python_version(), "machine": platform.machine(), "torch": torch.__version__}


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
