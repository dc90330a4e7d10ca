"""The commands that play: `run`, `sweep` and `demo`; what they do, Python does by `collab.run` and `collab.sweep`."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import collab
from collab.cli_options import (
    Address,
    AsJson,
    AuditDepth,
    BackendName,
    Device,
    Fresh,
    Out,
    Overrides,
    PluginDirs,
    ScoredOn,
    Seed,
    Track,
)
from collab.cli_tables import print_answer, print_measured, print_tables, print_verdicts, print_warnings
from collab.errors import ScenarioError
from collab.plain_json import json_text

if TYPE_CHECKING:
    from collab.runtime.sweep import Outlook

CHECK = "Exit with 1 if the data contradict what is expected, with 7 if they cannot decide it."

NOTHING_JUDGED = (
    "--check judges what held-out images say, and this is scored on validation images, which are for choosing. Leave "
    "out --check, or score on held-out ones: --on heldout."
)

Check = Annotated[bool, typer.Option("--check", help=CHECK)]
AllTables = Annotated[bool, typer.Option("--tables", help="Print all tables, not only the answer.")]


def run(
    scenario: Annotated[Path, typer.Argument(metavar="SCENARIO", help="A scenario file.")],
    overrides: Overrides = None,
    on: ScoredOn = None,
    seed: Seed = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Play so many seeds, from the scenario's own upward, with one report.")
    ] = None,
    out: Out = Path("runs"),
    backend: BackendName = "ray",
    address: Address = "local",
    device: Device = "auto",
    fresh: Fresh = False,
    check: Check = False,
    only: Annotated[str | None, typer.Option(metavar="JOB", help="Play one job and what it needs.")] = None,
    audit: AuditDepth = None,
    track: Track = None,
    plugin_dirs: PluginDirs = None,
    tables: AllTables = False,
    as_json: AsJson = False,
) -> None:
    """Plays one scenario end to end, prints its answer, and writes its run directory and report.

    Stages that an earlier run in the same folder has played are taken from its cache: a killed run goes on.
    """
    options: dict[str, Any] = {"out": out, "backend": backend, "address": address, "device": device, "fresh": fresh}
    if seeds is not None:
        if only is not None:
            raise ScenarioError("--seeds plays whole scenarios side by side; leave out --only.")
        changes = [*(overrides or ()), *([] if seed is None else [f"seed={seed}"])]
        asked: dict[str, Any] = {
            "seeds": seeds,
            "set": changes,
            "on": on,
            "audit": audit,
            "track": track or (),
            "plugin_dirs": plugin_dirs or (),
        }
        _sweep(scenario, asked, options, check=check, tables=tables, as_json=as_json)
        return
    from collab.front.playing import list_options

    changes = [*(overrides or ()), *list_options(on, track or ())]
    stated = collab.Scenario(scenario, set=changes, seed=seed, audit=audit, plugin_dirs=plugin_dirs or ())
    if check and only is not None:
        raise ScenarioError("--check judges all results, and --only plays a part of the scenario.")
    if check:
        _refuse_check([stated.parts], bool(stated.expectations), scenario)
    for origin in stated.origins:
        print(origin, file=sys.stderr)
    with _going_on(fresh):
        played = collab.run(stated, only=only, progress="lines", **options)
    told = played.played
    assert told is not None
    if as_json:
        print(json_text(_describe(played)))
    else:
        _print_run(played, only, all_tables=tables)
    if told.failures:
        for failure in told.failures[:-1]:
            print(f"error: {failure}", file=sys.stderr)
        raise told.failures[-1]
    if check:
        played.check()


def sweep(
    file: Annotated[Path, typer.Argument(metavar="SWEEP", help="A sweep file, or a scenario with --vary.")],
    vary: Annotated[
        list[str] | None, typer.Option("--vary", metavar="PATH=V1,V2,...", help="One more axis; repeatable.")
    ] = None,
    zipped: Annotated[bool, typer.Option("--zip", help="First values together, second ones, ...; no grid.")] = False,
    seeds: Annotated[int | None, typer.Option(min=1, help="How many seeds, from the scenario's own upward.")] = None,
    overrides: Overrides = None,
    on: ScoredOn = None,
    audit: AuditDepth = None,
    track: Track = None,
    plugin_dirs: PluginDirs = None,
    out: Out = Path("runs"),
    backend: BackendName = "ray",
    address: Address = "local",
    device: Device = "auto",
    fresh: Fresh = False,
    check: Check = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be played, and about how long.")] = False,
    tables: AllTables = False,
    as_json: AsJson = False,
) -> None:
    """Plays a scenario over the values of axes and over seeds; finished cells are not played again."""
    asked: dict[str, Any] = {
        "vary": vary or (), "zip": zipped, "seeds": seeds, "set": overrides or (), "on": on, "audit": audit,
        "track": track or (), "plugin_dirs": plugin_dirs or (),
    }  # fmt: skip
    options: dict[str, Any] = {"out": out, "backend": backend, "address": address, "device": device, "fresh": fresh}
    if dry_run:
        del options["address"], asked["track"]
        _print_outlook(collab.forecast(file, **asked, **options), as_json)
        return
    _sweep(file, asked, options, check=check, tables=tables, as_json=as_json)


def demo(out: Out = Path("runs"), tables: AllTables = False, as_json: AsJson = False) -> None:
    """Plays a small collaboration of three parties on drawn images, in less than a minute, and draws its report.

    What one party with few images gains from what two others publish, and what an outsider makes of it.
    """
    from collab.front.playing import DEMO

    with _going_on(False):
        played = collab.run(DEMO, out=out, backend="inprocess", progress="lines")
    if as_json:
        print(json_text(_describe(played)))
        return
    _print_run(played, None, all_tables=tables)
    print(f"scenario {played.folder / 'scenario.yaml'}")
    print("next     collab init --party a=FOLDER --party b=FOLDER --public FOLDER")


def _sweep(
    file: Path, asked: dict[str, Any], options: dict[str, Any], *, check: bool, tables: bool, as_json: bool
) -> None:
    """Plays a sweep, prints its answer, and ends as `--check` says."""
    if check:
        from collab.front.playing import read_cells

        spec, cells = read_cells(file, **asked)
        scenarios = [cell.scenario for cell in cells]
        is_expecting = spec.expect is not None or any(each.expectations for each in scenarios)
        _refuse_check(scenarios, is_expecting, Path(spec.scenario))
    with _going_on(options["fresh"]):
        swept = collab.sweep(file, **asked, **options, progress="lines")
    if as_json:
        print(json_text(swept.to_dict()))
    else:
        print_warnings(swept.failed_defenses)
        print("\n".join(swept.answer))
        if swept.verdicts:
            print_verdicts(swept.verdicts, tables=tables)
        took = f"{swept.seconds:.0f} s; {swept.cells} cells, {swept.finished_before} of them finished before"
        print(f"{took}\nreport   {swept.report()}\nresults  {swept.folder / 'results.parquet'}")
        print(f"means    {swept.folder / 'means.parquet'}")
    for failure in swept.failures:
        print(f"error: cell {failure.cell}: {failure.reason}", file=sys.stderr)
    if swept.failures:
        raise typer.Exit(4)
    if check:
        swept.check()


def _refuse_check(scenarios: Sequence[Any], is_expecting: bool, file: Path) -> None:
    """Raises ScenarioError where `--check` could judge nothing, before anything is played."""
    if any(each.data.is_for_choosing for each in scenarios):
        raise ScenarioError(NOTHING_JUDGED)
    if not is_expecting:
        raise ScenarioError(f"--check needs `expect`, and {file} has none.")


def _describe(played: "collab.Run") -> dict[str, Any]:
    """What `--json` prints of a run that was just played."""
    told = played.played
    assert told is not None
    return {
        "run": str(played.folder),
        "seconds": told.seconds,
        "start_seconds": told.start_seconds,
        "cached": told.cached,
        "failures": [str(failure) for failure in told.failures],
        "answer": dict(played.answer.parts),
        "rows": [result.columns() for result in told.rows],
        "verdicts": [asdict(verdict) for verdict in played.verdicts],
        "warnings": list(played.failed_defenses),
    }


def _print_run(run: Any, only: str | None, *, all_tables: bool) -> None:
    """The answer first: warnings, three lines, Table 5 in short; or all tables; then where everything lies."""
    print_warnings(run.failed_defenses)
    if only is not None:
        print_measured(run.played.rows)
    else:
        print_answer(run.answer, run.scenario)
    if all_tables:
        print_tables(run.tables)
    elif only is None:
        print_tables([run.short_table] if run.short_table else [])
        print_verdicts(run.verdicts)
    told = run.played
    took = f"{told.seconds:.0f} s, of which {told.start_seconds:.1f} s until work began"
    print(f"{took}; {told.cached} of {told.jobs} jobs from the cache")
    if only is not None:
        needed = f"with {told.jobs - 1} jobs that it needs" if told.jobs > 1 else "which needs no other job"
        print(f"played   {only!r} alone, {needed}")
    print(f"report   {run.folder / 'report.html'}")
    if (run.folder / "audit.html").exists():
        print(f"audit    {run.folder / 'audit.html'}")
    print(f"results  {run.folder / 'results.parquet'}")
    if not all_tables and only is None and run.tables:
        print(f"tables   collab report {run.folder} --tables")


@contextmanager
def _going_on(is_fresh: bool) -> Iterator[None]:
    """Says to whoever interrupts that nothing is lost."""
    try:
        yield
    except KeyboardInterrupt:
        again = "the same command without --fresh" if is_fresh else "the same command"
        print(f"What was finished is kept; {again} goes on from there.", file=sys.stderr)
        raise


def _print_outlook(outlook: "Outlook", as_json: bool) -> None:
    if as_json:
        print(json_text(asdict(outlook)))
        return
    for cell in outlook.cells:
        new = cell.jobs - cell.shared - cell.cached
        work = "finished" if cell.is_finished else f"{new} to play, {cell.shared} shared, {cell.cached} in the cache"
        print(f"{cell.label}: {cell.jobs} jobs, {work}")
    todo = sum(1 for cell in outlook.cells if not cell.is_finished)
    guess = "no stage like these was played here yet, so there is no guess of the time"
    if outlook.seconds is not None:
        by = "the median of like stages in the cache" if outlook.is_measured else "the passes over images"
        unknown = f"; not counting {', '.join(outlook.unknown)}" if outlook.unknown else ""
        guess = f"about {outlook.seconds / 60:.1f} min by {by}{unknown}"
    print(f"{todo} of {len(outlook.cells)} cells to play, {guess}")
