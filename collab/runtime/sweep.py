"""Plays the cells of a sweep on one backend: nothing twice, nothing lost, one table at the end."""

import hashlib
import json
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from collab.errors import BoundaryError
from collab.participants.assignment import Assignment
from collab.participants.sources import Sources
from collab.plain_json import json_text, read_kept
from collab.report.attack_page.cells import judge_attacks
from collab.report.attack_page.failed import Failure as FailedDefense
from collab.report.attack_page.failed import find_failures, tell_failures_of_cells
from collab.report.attack_page.got import Got, list_got
from collab.report.pages.page import write_sweep_page
from collab.report.pages.sweep_answer import answer_sweep
from collab.report.tables.over_seeds import name_points
from collab.results.aggregate import average_seeds, write_cells, write_means
from collab.results.gains import list_worths
from collab.results.opened import open_run
from collab.results.table import read_results, write_results
from collab.results.words import FOR_CHOOSING
from collab.runtime.cache import Cache
from collab.runtime.deal import Look, deal_cells, deal_possible
from collab.runtime.forecast import START, forecast
from collab.runtime.forecast import Forecast as Expected
from collab.runtime.host import Emit, tell_notes
from collab.runtime.leak_check import refuse
from collab.runtime.pages import refuse_leaks
from collab.runtime.play import backend_for
from collab.runtime.prepared import Prepared, Where
from collab.runtime.room import see_to_room
from collab.runtime.run import Run
from collab.runtime.schedule import schedule
from collab.runtime.tracking import Trackers
from collab.scenario.model import Scenario
from collab.scenario.rows import list_played_rows
from collab.scenario.sweep import Cell, Sweep
from collab.stages.base import Job
from collab.store.files import place_file
from collab.store.pictures import Sheet, read_pictures, write_pictures
from collab.verdicts.sweeps import gather_points, judge_points, judge_sweep
from collab.verdicts.verdicts import Verdict

LANES = 64
"""Sets of hosts that a sweep starts at most; each plays whole cells, and there are as many as there is room for."""

AT_ONCE = 4
"""Cells under way at a time in one process or lane, so that one cell's last jobs do not leave cores idle."""


KEPT = "sweep.json"

RESULTS = 5
"""Meaning of what a cell's results hold beside what its stages measured; raise it when that changes."""


@dataclass(frozen=True)
class Failure:
    """A cell that did not end: its label and why."""

    cell: str
    reason: str


@dataclass(frozen=True)
class Swept:
    """What a sweep left behind: its folder, how many cells there are, were there already, and failed."""

    folder: Path
    cells: int
    finished_before: int
    failures: tuple[Failure, ...]
    seconds: float
    verdicts: tuple[Verdict, ...] = ()
    answer: tuple[str, ...] = ()
    failed_defenses: tuple[str, ...] = ()

    def keep(self) -> None:
        """Writes down what its tables do not hold, so that the folder can be opened later."""
        text = json_text({**asdict(self), "folder": self.folder.name}, indent=1).encode()
        place_file(self.folder, KEPT, lambda file: file.write(text), what="the record of the sweep", mode=0o644)

    @classmethod
    def open(cls, folder: Path) -> "Swept":
        """What `keep` wrote; StoreError where `folder` holds no sweep that ended."""
        advice = "Name the folder that `collab sweep` prints, or give its command again."
        kept = read_kept(folder / KEPT, of="sweep that ended", advice=advice)
        failures = tuple(Failure(**each) for each in kept["failures"])
        verdicts = tuple(Verdict(**each) for each in kept["verdicts"])
        told = {name: tuple(kept[name]) for name in ("answer", "failed_defenses")}
        return cls(**kept | {"folder": folder, "failures": failures, "verdicts": verdicts, **told})


@dataclass(frozen=True)
class Forecast:
    """One cell before it is played: its jobs, and how many of them an earlier cell makes, or the cache holds."""

    label: str
    is_finished: bool
    jobs: int
    shared: int
    cached: int


@dataclass(frozen=True)
class Outlook:
    """What a sweep would do, and a guess of its `seconds`, None where there is none.

    It is from like stages in the cache, or from passes over images where that has none (`is_measured` is False).
    """

    cells: tuple[Forecast, ...]
    seconds: float | None
    unknown: tuple[str, ...]
    is_measured: bool = True


def sweep(spec: Sweep, cells: Sequence[Cell], where: Where, watch: Emit) -> Swept:
    """Plays the cells that no earlier call has finished, several side by side, and writes tables, curves and a page.

    A cell that fails, also because its images cannot be dealt, is a line of the table of failures; the others go on.
    Raises ScenarioError if none can be dealt, and DataError with the files of all cells that are no images. Results of
    a cell are kept under a digest of all that they depend on, so that more values of an axis, or more seeds, cost only
    their own cells.
    """
    start = time.perf_counter()
    folder = where.out / spec.name
    note = tell_notes(watch)
    prepared, look = list[Prepared](), Look()

    def visit(cell: Cell, sources: Sources, assignment: Assignment) -> None:
        prepared.append(each := Prepared.of_dealt(cell.scenario, assignment, where))
        if each.needs_look(where) and (where.is_fresh or not _place(folder, each).exists()):
            look.at(cell.scenario, sources, assignment)

    dealt, refusals = deal_possible(cells, note, visit)
    for label, reason in refusals.items():
        note(f"cell {label} cannot be played: {reason}")
    look.refuse()
    count, cells = len(cells), [cell for cell, each in zip(cells, dealt, strict=True) if each is not None]
    places = [_place(folder, each) for each in prepared]
    todo = [at for at, place in enumerate(places) if where.is_fresh or not place.exists()]
    watch({"event": "sweep", "cells": len(cells), "todo": len(todo), "keys": len(_list_missing(prepared, todo, where))})
    if notice := see_to_room([prepared[at] for at in todo], where):
        note(notice)
    failures = [Failure(label, reason) for label, reason in refusals.items()]
    tell = Trackers(where.plugins, watch)
    at_of, scenarios_of = dict[Path, int](), dict[Path, Scenario]()

    def runs() -> Iterator[Run]:
        for at in todo:
            run = Run(prepared[at], where)
            at_of[run.folder] = at
            tell.begin(run.scenario, run.folder)
            tell({"event": "cell", "cell": cells[at].label, "jobs": len(run.jobs), "run": run.folder.name})
            yield run

    def ended(run: Run) -> None:
        at = at_of.pop(run.folder)
        scenarios_of[run.folder] = run.scenario
        rows, errors = run.write(), run.errors()
        try:
            refuse(run.leaks(), run.folder)
        except BoundaryError as error:
            errors.append(error)
        failures.extend(Failure(cells[at].label, str(error)) for error in errors)
        if not errors:
            for name, sheet in run.sheets().items():
                write_pictures(places[at].parent, sheet, _sheet_name(places[at], name))
            opened = open_run(run.folder)
            attacks = judge_attacks(opened)
            _keep(places[at], "failed", find_failures(opened, attacks))
            _keep(places[at], "attacked", list_got(run.scenario, attacks))
            write_results(places[at], rows)
        tell.end(run.folder, () if errors else rows)
        watch({"event": "cell_done", "cell": cells[at].label, "failed": len(errors), "run": run.folder.name})

    try:
        if todo:
            lanes = min(LANES, len(todo))
            scenarios = [cells[at].scenario for at in todo]
            backend = backend_for(scenarios, where, tell, lanes)
            schedule(runs(), backend, tell, is_fresh=where.is_fresh, at_once=AT_ONCE * lanes, ended=ended)
    finally:
        tell.close()
        verdicts, answer, failed = _write(spec, cells, places, folder, failures)
    if (page := folder / "report.html").exists():
        refuse_leaks(page, scenarios_of, where.plugins)
    seconds = time.perf_counter() - start
    swept = Swept(folder, count, len(cells) - len(todo), tuple(failures), seconds, verdicts, answer, failed)
    swept.keep()
    return swept


def outlook(spec: Sweep, cells: Sequence[Cell], where: Where) -> Outlook:
    """What `sweep` would play, and about how long it would take on this machine's cores."""
    dealt = zip(cells, deal_cells(cells), strict=True)
    prepared = [Prepared.of_dealt(cell.scenario, each, where) for cell, each in dealt]
    cache, seen, forecasts = Cache(where.cache), set[str](), []
    known: dict[str, list[float]] = {}
    for entry in cache.entries():
        known.setdefault(entry.stage, []).append(entry.seconds)
    total, unknown, keys = 0.0, set[str](), set[str]()
    takes = list[Expected | None]()
    for cell, each in zip(cells, prepared, strict=True):
        is_finished = _place(where.out / spec.name, each).exists() and not where.is_fresh
        cached = shared = 0
        new = list[Job]()
        for job in each.jobs:
            key = each.keys[job.name]
            is_cached = not where.is_fresh and cache.holds(key, job.participant)
            cached += is_cached
            shared += not is_cached and key in seen
            if not is_finished and not is_cached and key not in keys:
                keys.add(key)
                new.append(job)
                if job.stage in known:
                    total += statistics.median(known[job.stage])
                else:
                    unknown.add(job.stage)
            seen.add(key)
        forecasts.append(Forecast(cell.label, is_finished, len(each.jobs), shared, cached))
        takes += [forecast(each.scenario, each.assignment, new, each.setting.compute)] if new else []
    slots = where.count_cores(prepared[0].setting.threads)
    if known or not keys:
        return Outlook(tuple(forecasts), total / slots, tuple(sorted(unknown)))
    guesses = [each for each in takes if each is not None]
    if len(guesses) < len(takes):
        return Outlook(tuple(forecasts), None, tuple(sorted(unknown)))
    left_out = sorted({stage for each in guesses for stage in each.unknown})
    total = START + sum(each.seconds - START for each in guesses) / slots
    return Outlook(tuple(forecasts), total, tuple(left_out), is_measured=False)


def _list_missing(prepared: Sequence[Prepared], todo: Sequence[int], where: Where) -> set[str]:
    """Keys that have to be played."""
    cache = Cache(where.cache)
    return {
        each.keys[job.name]
        for each in (prepared[at] for at in todo)
        for job in each.jobs
        if where.is_fresh or not cache.holds(each.keys[job.name], job.participant)
    }


def _place(folder: Path, prepared: Prepared) -> Path:
    """Where a cell's results lie: named by everything that they depend on."""
    jobs = [[job.name, prepared.keys[job.name], job.labels] for job in prepared.jobs]
    scenario = prepared.scenario.model_dump(mode="json", include={"name", "expect"})
    digest = hashlib.sha256(json.dumps([RESULTS, jobs, scenario], sort_keys=True).encode()).hexdigest()
    return folder / "cells" / f"{digest[:32]}.parquet"


def _write(
    spec: Sweep, cells: Sequence[Cell], places: Sequence[Path], folder: Path, failures: Sequence[Failure]
) -> tuple[tuple[Verdict, ...], tuple[str, ...], tuple[str, ...]]:
    """Tables, curves and page of the cells that are finished; verdicts on what is expected, answer, failed defenses."""
    axes = [axis.vary for axis in spec.axes]
    finished = [(cell, place, read_results(place)) for cell, place in zip(cells, places, strict=True) if place.exists()]
    done = [(cell.values, results) for cell, _, results in finished]
    folder.mkdir(parents=True, exist_ok=True)
    means, is_for_choosing = average_seeds(done), any(cell.scenario.data.is_for_choosing for cell in cells)
    verdicts = () if is_for_choosing else (*judge_sweep(spec.expect, axes, done), *judge_points(cells, done))
    write_cells(folder / "results.parquet", axes, done)
    write_means(folder / "means.parquet", axes, means)
    text = json.dumps([{"cell": each.cell, "reason": each.reason} for each in failures], indent=1).encode()
    place_file(folder, "failures.json", lambda file: file.write(text), what="the table of failures", mode=0o644)
    answer: tuple[str, ...] = ()
    of_cells = [
        (cell.label, FailedDefense(**each | {"happened": tuple(each["happened"])}))
        for cell, place, _ in finished
        for each in _read_kept(place, "failed")
    ]
    found = [
        (cell.values, [Got.of_kept(each) for each in _read_kept(place, "attacked")]) for cell, place, _ in finished
    ]
    failed = tell_failures_of_cells(len(finished), of_cells)
    if done:
        rows = {row.name: row for cell in cells for row in cell.scenario.refinements}
        parties = {each.name for cell in cells for each in cell.scenario.entities if each.is_publishing_party}
        answer = answer_sweep(name_points(spec, means), tuple(rows.values()), parties)
        missing = [cell.label for cell, place in zip(cells, places, strict=True) if not place.exists()]
        sheets = {
            _name_cell(cell, entity.name): sheet
            for cell, place, _ in finished
            for entity in cell.scenario.entities
            if cell.seed == cells[0].seed
            and (sheet := read_pictures(place.parent, Sheet, _sheet_name(place, entity.name))) is not None
        }
        played = tuple({row.name: row for cell in cells for row in list_played_rows(cell.scenario)}.values())
        main, points = cells[0].scenario.data.main_metric, gather_points(done)
        worths = [(values, worth) for values, results in points for worth in list_worths(main, results, played)]
        write_sweep_page(
            folder, spec, means, tuple(rows.values()), [(each.cell, each.reason) for each in failures], missing,
            verdicts=verdicts, sheets=sheets, notice=FOR_CHOOSING if is_for_choosing else "",
            worths=worths, answer=answer, failed_defenses=failed, found=found,
        )  # fmt: skip
    return verdicts, answer, failed


def _keep(place: Path, what: str, found: Sequence[FailedDefense] | Sequence[Got]) -> None:
    """What attacks did in a cell, beside its results, which say nothing of who attacked."""
    text, name = json_text([asdict(each) for each in found]).encode(), f"{place.stem}.{what}.json"
    place_file(place.parent, name, lambda file: file.write(text), what=f"what was {what} in a cell", mode=0o644)


def _read_kept(place: Path, what: str) -> list[dict[str, Any]]:
    kept: list[dict[str, Any]] = json.loads(place.with_suffix(f".{what}.json").read_text(encoding="utf-8"))
    return kept


def _name_cell(cell: Cell, entity: str) -> str:
    """A cell by its values, and by the entity where there are several."""
    told = [str(value) for value in cell.values.values()]
    return ", ".join([*told, entity] if len(cell.scenario.entities) > 1 or not told else told)


def _sheet_name(place: Path, entity: str) -> str:
    """Beside a cell's results: the pictures of one of its entities."""
    return f"{place.stem}-{entity}.npz"
