"""Plays jobs of the participants that live in this process; the same object inside a Ray actor and without Ray."""

import hashlib
import json
import os
import platform
import resource
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from collab.data.joined import DEALT, Joined
from collab.data.source import Pictures, Source
from collab.errors import MAKE_ROOM, BoundaryError, CollabError, EntityError, ResourceError, StoreError, is_full_disk
from collab.participants.assignment import ORACLE, Assignment
from collab.participants.left_out import leave_out
from collab.participants.sources import open_origin
from collab.plugins.discovery import Plugins
from collab.results.metric import load_metrics
from collab.runtime.cache import Cache, list_files
from collab.scenario.model import Scenario
from collab.stages.base import Job, Playing
from collab.stages.keys import Setting
from collab.stages.registry import STAGES
from collab.stages.trials import defense_of
from collab.store.answers import count_bytes, take_answers
from collab.store.files import place_file
from collab.store.private import private_folder, private_seed
from collab.store.remote import send_again
from collab.store.signing import Signer
from collab.store.store import Store
from collab.training.precision import SWITCH, Compute, resolve_compute
from collab.training.progress import Progress
from collab.types import Crossing, Measure, Report, check_report

if TYPE_CHECKING:
    from collab.participants.entity import Entity
    from collab.participants.oracle import Oracle

DRIVER = "driver"
"""Whom reports go to, in the ledger."""

Event = dict[str, str | int | float]
Emit = Callable[[Event], None]


def tell_notes(emit: Emit) -> Callable[[str], None]:
    """Tells sentences as events of their own: what somebody should read before a run, or while it is played."""
    return lambda text: emit({"event": "note", "text": text})


@dataclass(frozen=True)
class RunSpec:
    """What a host needs to know of a run: its scenario and folder, who holds which rows, what to reuse, its plugins.

    `setting` is what the driver found device and precision to be; a host that finds otherwise refuses to play.
    `plugins` come first: their files must have arrived before options of their classes can be read.
    """

    plugins: Plugins
    scenario: Scenario
    run: Path
    assignment: Assignment
    device: Literal["auto", "cpu", "cuda"]
    setting: Setting
    cache: Path
    is_fresh: bool


@dataclass(frozen=True)
class Outcome:
    """What came of a job: a report, or the plain text of a failure; never an object of the participant's.

    `losses` are the mean losses of each epoch of each minimization; None where they were not kept. `answered` is when
    the report was given, in seconds since 1970; from the cache, when it first was.
    """

    job: str
    report: Report
    seconds: float
    device: str
    peak_bytes: int
    failure: str = ""
    exit_code: int = 0
    trace: str = ""
    is_cached: bool = False
    losses: tuple[tuple[float, ...], ...] | None = None
    answered: float | None = None

    @classmethod
    def of_entry(cls, job: str, kept: Mapping[str, Any]) -> "Outcome":
        """What the cache kept of an equal job, as the outcome of `job`."""
        report = Report(
            tuple(Measure(**measure) for measure in kept["measures"]),
            tuple(Crossing(**crossing | {"shape": tuple(crossing["shape"])}) for crossing in kept["crossings"]),
            kept["facts"],
        )
        losses = kept.get("losses")  # entries from before they were kept have none
        curves = None if losses is None else tuple(tuple(curve) for curve in losses)
        found = cls(job, report, kept["seconds"], kept["device"], kept["peak_bytes"], is_cached=True, losses=curves)
        return replace(found, answered=kept.get("answered"))

    def entry(self) -> dict[str, Any]:
        """What the cache keeps of this."""
        kept = {"seconds": self.seconds, "device": self.device, "peak_bytes": self.peak_bytes}
        return {**asdict(self.report), **kept, "losses": self.losses, "answered": self.answered}

    def crossings(self, participant: str, stage: str) -> Iterator[Crossing]:
        """What crossed the boundary of `who` in this stage: what the report lists, and the report with its losses."""
        for crossing in self.report.crossings:
            yield replace(crossing, time=self.answered)
        if participant != ORACLE:
            content, shape = self.report.content() + json.dumps(self.losses).encode(), (len(self.report.measures),)
            digest = hashlib.sha256(content).hexdigest()
            yield Crossing(stage, participant, DRIVER, "report", digest, len(content), "json", shape, self.answered)


class Host:
    """One process with one or more participants; it plays one job at a time.

    Stages communicate through files, so participants are made when they are first needed, and those of one run only are
    kept: a sweep of a thousand cells leaves nothing behind.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self._run: Path | None = None
        self._sources: dict[str, Source] = {}
        self._participants: dict[str, Entity | Oracle] = {}

    def play(self, run_spec: RunSpec, job: Job, key: str, emit: Emit) -> Outcome:
        """Plays `job`, or takes it from the cache if another process has played it; a failure is an outcome."""
        start = time.perf_counter()

        def tell(event: str, facts: Event) -> None:
            about = {"entity": job.participant, "stage": job.stage.replace("_", " "), "job": job.name}
            emit({"event": event, **about, **facts})

        def tell_epoch(epoch: int, epochs: int, loss: float, terms: Mapping[str, float]) -> None:
            tell("epoch", {"epoch": epoch, "epochs": epochs, "loss": loss, **terms})

        def note(text: str) -> None:
            tell("note", {"text": f"{job.name}: {text}"})

        tell("start", {})
        device = ""
        try:
            compute = resolve_here(run_spec) if STAGES[job.stage].computes else None
            device = run_spec.setting.compute
            cache = Cache(run_spec.cache)
            with cache.claim(key):
                kept = None if run_spec.is_fresh else cache.take(key, job.participant, run_spec.run)
                if kept is not None:
                    outcome = Outcome.of_entry(job.name, kept)
                    publish_again(run_spec, job)
                else:
                    progress = Progress(tell_epoch, private_folder(cache.root, job.participant), key, noted=note)
                    outcome = self._compute(run_spec, job, key, compute, cache, progress, start)
        except Exception as cause:
            outcome = _make_failure(job, cause, time.perf_counter() - start, device)
        event = "failed" if outcome.failure else "cached" if outcome.is_cached else "done"
        tell(event, {"seconds": round(time.perf_counter() - start, 3)})
        return outcome

    def _compute(
        self,
        run_spec: RunSpec,
        job: Job,
        key: str,
        compute: Compute | None,
        cache: Cache,
        progress: Progress,
        start: float,
    ) -> Outcome:
        if self._run != run_spec.run:
            self._run = run_spec.run
            self._sources.clear()
            self._participants.clear()
        leads, is_oracle = job.participant == run_spec.scenario.model.pretrain.leader, job.participant == ORACLE
        list_own = partial(list_files, run_spec.run, job.participant, leads=leads, is_oracle=is_oracle)
        before = list_own()
        if run_spec.is_fresh:
            progress.forget()
        player, stage = None, STAGES[job.stage]
        given = leave_out(run_spec.assignment, run_spec.scenario, run_spec.run) if is_oracle else run_spec.assignment
        with ExitStack() as stack:
            if compute is not None:
                import torch

                torch.set_num_threads(run_spec.setting.threads)
                player = self._participant(run_spec, job.participant, compute)
                if is_oracle:  # what others have left out since it was made is not there
                    oracle = cast("Oracle", player)
                    oracle.assignment, oracle.holding = given, given.oracle(run_spec.scenario)
                # Whatever else draws from torch's generator; and on a GPU nothing else waits for this job's kernels.
                stack.enter_context(player.stream(job.stage).initialization("otherwise"))
                stack.enter_context(compute.lane())
            playing = Playing(
                run_spec.scenario,
                run_spec.run,
                given,
                run_spec.plugins,
                source=partial(self._open_sources, run_spec, job.participant),
            )
            found = stage.play(player, job, playing, progress)
        name = f"{type(player or stage).__name__}.{job.stage}"
        report = check_report(found, name)
        report = replace(report, crossings=(*report.crossings, *list_answers(run_spec.run, job, report)))
        metrics = [measure.metric for measure in report.measures]
        if repeated := sorted({metric for metric in metrics if metrics.count(metric) > 1}):
            raise EntityError(
                f"{name} measured {', '.join(repeated)} twice. A metric has one "
                "value in a report; give the others names of their own."
            )
        losses = tuple(tuple(curve) for curve in progress.curves)
        seconds = time.perf_counter() - start
        device, peak = run_spec.setting.compute, _peak_bytes()
        outcome = Outcome(job.name, report, seconds, device, peak, losses=losses, answered=time.time())
        written = sorted(place for place, state in list_own().items() if before.get(place) != state)
        has_refused = any(fact.startswith("refused[") for fact in report.facts)
        if not has_refused:  # an equal stage elsewhere might find all shards whole
            cache.keep(key, job.participant, run_spec.run, written, outcome.entry(), stage=job.stage)
        progress.forget()
        return outcome

    def _participant(self, run_spec: RunSpec, name: str, compute: Compute) -> "Entity | Oracle":
        if name not in self._participants:
            self._participants[name] = _participant(run_spec, name, compute)
            self._participants[name].metrics = load_metrics(run_spec.scenario, run_spec.plugins)
        return self._participants[name]

    def _open_sources(self, run_spec: RunSpec, reader: str) -> Pictures:
        """Images of the run for one participant, who reads no other's own; each source is opened once, when needed."""

        def open_once(origin: str) -> Source:
            if origin not in self._sources:
                self._sources[origin] = open_origin(run_spec.scenario, origin)
            return self._sources[origin]

        origins = run_spec.assignment.origins
        return Joined(origins, open_once, reader) if len(origins) > 1 else open_once(DEALT)


def resolve_here(run_spec: RunSpec) -> Compute:
    """What this process computes on. Raises ResourceError where that is not what the driver found."""
    compute = resolve_compute(run_spec.scenario.precision, run_spec.device, **run_spec.scenario.compute.model_dump())
    if str(compute) != run_spec.setting.compute:
        raise ResourceError(
            f"this process computes on {compute}, the driver on {run_spec.setting.compute}. "
            "Set `--device` and `precision` so that all machines agree."
        )
    return compute


def list_answers(run: Path, job: Job, report: Report) -> list[Crossing]:
    """A line of the ledger for what each held-out image got in each measure of an entity's report that kept it.

    StoreError if a file is not there or holds anything but answers, BoundaryError if it is about other images.
    """
    lines, folder = {}, run / "answers" / job.participant
    for measure in report.measures:
        if measure.answers is not None:
            answers = take_answers(folder, measure.answers)
            if answers.count != measure.n:
                raise BoundaryError(
                    f"{job.participant} answered {measure.metric} over {measure.n} images, and keeps answers to "
                    f"{answers.count}. What is kept is about the held-out images and no others."
                )
            size, form = count_bytes(folder, answers.digest), str(answers.values.dtype)
            sent = (job.participant, DRIVER, "answers", answers.digest, size, form, answers.values.shape)
            lines[answers.digest] = Crossing(job.stage, *sent)
    return [] if job.participant == ORACLE else list(lines.values())


def publish_again(run_spec: RunSpec, job: Job) -> None:
    """What a stage of the cache had published is signed for this run, and put where the scenario keeps its stores."""
    if job.stage not in ("exchange", "publish", "withdraw"):
        return
    run, stated = run_spec.run, next(each for each in run_spec.scenario.entities if each.name == job.participant)
    if stated.signing_key_path is not None:
        Store(run / "store", signer=Signer(stated.signing_key_path)).renew(stated.name, run=run.name)
    if run_spec.scenario.store.uri is not None:
        send_again(run_spec.scenario.store.uri, run, job.participant)


def deal_hosts(participants: tuple[str, ...], workers: int) -> tuple[tuple[str, ...], ...]:
    """Participants dealt to at most `workers` hosts, in turn."""
    count = min(workers, len(participants))
    return tuple(participants[first::count] for first in range(count))


def environment() -> Mapping[str, str]:
    """What this process runs on, for the record of a run."""
    known = {
        "collab": version("collab"),
        "python": platform.python_version(),
        "torch": version("torch"),
        "system": platform.system(),
        "machine": platform.machine(),
    }
    return {**known, SWITCH: os.environ[SWITCH]} if SWITCH in os.environ else known


def _participant(run_spec: RunSpec, name: str, compute: Compute) -> "Entity | Oracle":
    from collab.participants.oracle import Oracle
    from collab.training.tasks import task_of

    given = run_spec.assignment
    task, classes = task_of(given.asked.task, given.outputs), len(given.classes)
    if name == ORACLE:
        oracle = Oracle(name, run_spec.scenario, run_spec.run, task=task, classes=classes, compute=compute)
        names = [each.name for each in run_spec.scenario.entities]
        oracle.seeds = {each: seed for each in names if (seed := _fetch_seed(run_spec, each)) is not None}
        return oracle
    stated = next(each for each in run_spec.scenario.entities if each.name == name)
    entity: Entity = run_spec.plugins.load("entities", stated.kind)(
        name, run_spec.scenario, run_spec.run, task=task, classes=classes, compute=compute
    )
    if (seed := _fetch_seed(run_spec, name)) is not None:
        entity.seeds = {name: seed}
    entity.options, entity.class_names = stated.options, run_spec.assignment.classes
    entity.defense, entity.releases_module = defense_of(stated, run_spec.plugins), stated.opens_module
    return entity


def _fetch_seed(run_spec: RunSpec, name: str) -> int | None:
    """The secret of an entity, kept in the run's folder too; None where its randomness follows from the scenario."""
    if run_spec.scenario.private_seeds == "derived":
        return None
    seed, kept = private_seed(run_spec.cache, name), private_folder(run_spec.run, name) / "seed"
    if not kept.exists():
        place_file(kept.parent, kept.name, lambda file: file.write(f"{seed:064x}".encode()), what="a seed", mode=0o400)
    return seed


def _make_failure(job: Job, cause: Exception, seconds: float, device: str) -> Outcome:
    """The failure as plain text: an exception may hold what must not leave the process."""
    outcome = Outcome(job.name, Report(), seconds, device, _peak_bytes(), exit_code=CollabError.exit_code)
    if isinstance(cause, CollabError):  # says itself what is wrong
        return replace(outcome, failure=str(cause), exit_code=cause.exit_code)
    if is_full_disk(cause):
        return replace(outcome, failure=f"a disk is full: {cause}. {MAKE_ROOM}", exit_code=StoreError.exit_code)
    import torch

    is_memory = isinstance(cause, MemoryError | torch.OutOfMemoryError)
    advice = "out of memory: smaller batches, fewer workers or more `gpu_memory` may help: " if is_memory else ""
    failure = f"{advice}{type(cause).__name__}: {cause}"
    return replace(outcome, failure=failure, trace=traceback.format_exc())


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
