"""The command line; torch, ray, pyarrow and jinja2 are imported inside the commands that need them."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from collab.cli_check_data import check_data
from collab.cli_export import export
from collab.cli_init import init
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
from collab.cli_plugins import new, plugins_app, schema
from collab.cli_process import Interruption, open_streams
from collab.cli_store import cache_app, store_app
from collab.cli_tables import print_tables
from collab.cli_validate import validate
from collab.errors import INTERRUPTED, MAKE_ROOM, CollabError, ScenarioError, StoreError, is_full_disk
from collab.plain_json import json_text

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(store_app, name="store")
app.add_typer(cache_app, name="cache")
app.add_typer(plugins_app, name="plugins")

CHECK = "Exit with 1 if the data contradict what is expected, with 7 if they cannot decide it."

ScenarioFile = Annotated[Path, typer.Argument(metavar="SCENARIO", help="A scenario file.")]


def _print_version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

        print(f"collab {version('collab')}")
        raise typer.Exit


@app.callback()
def collab(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Says which version this is.")
    ] = False,
) -> None:
    """Who gains what, and who discloses what, when parties share poisoned features instead of images."""


NOTHING_JUDGED = (
    "--check judges what held-out images say, and this is scored on validation images, which are for choosing. Leave "
    "out --check, or score on held-out ones: --on heldout."
)


@app.command()
def run(
    scenario: ScenarioFile,
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
    check: Annotated[bool, typer.Option("--check", help=CHECK)] = False,
    only: Annotated[str | None, typer.Option(metavar="JOB", help="Play one job and what it needs.")] = None,
    audit: AuditDepth = None,
    track: Track = None,
    plugin_dirs: PluginDirs = None,
    as_json: AsJson = False,
) -> None:
    """Plays one scenario end to end, prints its tables, and writes its run directory.

    Stages that an earlier run in the same folder has played are taken from its cache: a killed run goes on.
    """
    if seeds is not None:
        if only is not None or audit is not None:
            raise ScenarioError("--seeds plays whole scenarios side by side; leave out --only and --audit.")
        from collab.scenario.sweep import read_sweep

        first = [] if seed is None else [f"seed={seed}"]
        changes = [*_changes(overrides, on, track), *first]
        spec, cells = read_sweep(scenario, (), seeds=seeds, overrides=changes, plugin_dirs=plugin_dirs or ())
        _play_sweep(spec, cells, out, backend, address, device, fresh=fresh, check=check, as_json=as_json)
        return

    from rich.console import Console

    from collab.runtime.ray_session import start_beside_imports
    from collab.scenario.reader import read_scenario

    loaded = read_scenario(scenario, _changes(overrides, on, track), seed, plugin_dirs=plugin_dirs or (), audit=audit)
    if check and only is not None:
        raise ScenarioError("--check judges all results, and --only plays a part of the scenario.")
    if check and loaded.scenario.data.is_for_choosing:
        raise ScenarioError(NOTHING_JUDGED)
    if check and not loaded.scenario.expectations:
        raise ScenarioError(f"--check needs `expect`, and {scenario} has none.")
    for origin in loaded.origins:
        _say(origin)
    quiet = Console(stderr=True)
    with ExitStack() as stack:
        with quiet.status("starting …") if quiet.is_terminal else nullcontext():
            session = None
            if backend == "ray" and (fresh or not (out / "cache").exists()):  # else it may hold all that is needed
                session = stack.enter_context(start_beside_imports(loaded.scenario, address))
            from collab.report.tables.tables import make_tables
            from collab.runtime.pages import draw_pages
            from collab.runtime.play import Where, play
            from collab.runtime.progress import show_run
            from collab.verdicts import verdicts
        with _going_on(fresh), show_run(quiet) as watch:
            where = Where(backend, address, device, out, fresh, only, loaded.plugins)
            played = play(loaded.scenario, where, watch, session)
    pages = draw_pages(played.run, played.audit)
    judged = verdicts.judge(loaded.scenario, played.rows)
    if as_json:
        result = {
            "run": str(played.run),
            "seconds": played.seconds,
            "start_seconds": played.start_seconds,
            "cached": played.cached,
            "failures": [str(failure) for failure in played.failures],
            "rows": [result.columns() for result in played.rows],
            "verdicts": [asdict(verdict) for verdict in judged],
            "warnings": [failure.told for failure in pages.failures],
        }
        print(json_text(result))
    else:
        _print_warnings([failure.told for failure in pages.failures])
        print_tables(make_tables(loaded.scenario, played.rows))
        took = f"{played.seconds:.0f} s, of which {played.start_seconds:.1f} s until work began"
        cached = f"{played.cached} of {played.jobs} jobs from the cache"
        if only is not None:
            needed = f"with {played.jobs - 1} jobs that it needs" if played.jobs > 1 else "which needs no other job"
            cached += f"\nplayed   {only!r} alone, {needed}"
        audited = f"audit    {pages.audit}\n" if pages.audit else ""
        print(f"\n{took}; {cached}\nreport   {pages.report}\n{audited}results  {played.run / 'results.parquet'}")
    if played.failures:
        for failure in played.failures[:-1]:
            _say(f"error: {failure}")
        raise played.failures[-1]
    if check:
        verdicts.check(judged)


@app.command()
def sweep(
    file: Annotated[Path, typer.Argument(metavar="SWEEP", help="A sweep file, or a scenario with --vary.")],
    vary: Annotated[
        list[str] | None, typer.Option("--vary", metavar="PATH=V1,V2,...", help="One more axis; repeatable.")
    ] = None,
    zipped: Annotated[bool, typer.Option("--zip", help="First values together, second ones, ...; no grid.")] = False,
    seeds: Annotated[int | None, typer.Option(min=1, help="How many seeds, from the scenario's own upward.")] = None,
    overrides: Overrides = None,
    on: ScoredOn = None,
    track: Track = None,
    plugin_dirs: PluginDirs = None,
    out: Out = Path("runs"),
    backend: BackendName = "ray",
    address: Address = "local",
    device: Device = "auto",
    fresh: Fresh = False,
    check: Annotated[bool, typer.Option("--check", help=CHECK)] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be played, and about how long.")] = False,
    as_json: AsJson = False,
) -> None:
    """Plays a scenario over the values of axes and over seeds; finished cells are not played again."""
    from collab.scenario.sweep import read_sweep

    spec, cells = read_sweep(
        file, vary or (), seeds=seeds, combine="zip" if zipped else None, overrides=_changes(overrides, on, track),
        plugin_dirs=plugin_dirs or (),
    )  # fmt: skip
    _play_sweep(spec, cells, out, backend, address, device, fresh=fresh, check=check, dry_run=dry_run, as_json=as_json)


app.command()(init)
app.command()(validate)
app.command("check-data")(check_data)
app.command()(schema)
app.command()(new)
app.command()(export)


@app.command()
def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run directories.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="The page; RUN/report.html, or comparison.html here, unless given."),
    ] = None,
) -> None:
    """Draws the report of a run again from its files, or sets several runs side by side in one page."""
    from collab.report.pages.page import write_comparison, write_page

    if len(runs) == 1:
        print(write_page(runs[0], out))
    else:
        print(write_comparison(runs, out or Path("comparison.html")))


def main() -> None:
    """Runs the command line; errors of our tree become one message and their exit code."""
    interruption = Interruption()
    interruption.listen()
    open_streams()
    try:
        try:
            code = app(standalone_mode=False)  # typer answers a code, 130 for Ctrl-C, where it does not exit itself
        finally:
            sys.stdout.flush()
        if code == INTERRUPTED:
            raise KeyboardInterrupt
        if code:
            sys.exit(code)
    except CollabError as error:
        _say(f"error: {error}")
        for note in getattr(error, "__notes__", []):
            _say(f"\n{note.rstrip()}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        _say("interrupted")
        sys.exit(interruption.exit_code)
    except Exception as error:
        show: Callable[[], Any] | None = getattr(error, "show", None)  # a usage error of the command line
        if is_full_disk(error):
            _say(f"error: a disk is full: {error}. {MAKE_ROOM}")
            sys.exit(StoreError.exit_code)
        if show is None:
            raise
        show()
        sys.exit(2)


def _play_sweep(
    spec: Any, cells: Any, out: Path, backend: Any, address: str, device: Any, *, fresh: bool, check: bool,
    as_json: bool, dry_run: bool = False,
) -> None:  # fmt: skip
    """Plays the cells of a sweep, prints where its tables lie, and ends as `--check` says."""
    from rich.console import Console

    if check and any(cell.scenario.data.is_for_choosing for cell in cells):
        raise ScenarioError(NOTHING_JUDGED)
    if check and spec.expect is None and not any(cell.scenario.expectations for cell in cells):
        raise ScenarioError(f"--check needs `expect`, and {spec.scenario} has none.")
    quiet = Console(stderr=True)
    with quiet.status("loading torch …") if quiet.is_terminal else nullcontext():
        from collab.report.tables.over_seeds import OVER_SEEDS
        from collab.report.tables.tables import tabulate_verdicts
        from collab.runtime import sweep as played
        from collab.runtime.play import Where
        from collab.runtime.progress import show_sweep
        from collab.verdicts import verdicts
    where = Where(backend, address, device, out, fresh, plugins=cells[0].plugins)
    if dry_run:
        _print_outlook(played.outlook(spec, cells, where), as_json)
        return
    with _going_on(fresh), show_sweep(quiet) as watch:
        swept = played.sweep(spec, cells, where, watch)
    if as_json:
        print(json_text({**asdict(swept), "folder": str(swept.folder)}))
    else:
        print("\n".join(swept.answer))
        if swept.verdicts:
            print_tables([tabulate_verdicts(swept.verdicts, OVER_SEEDS)])
        took = f"{swept.seconds:.0f} s; {swept.cells} cells, {swept.finished_before} of them finished before"
        print(f"{took}\nreport   {swept.folder / 'report.html'}\nresults  {swept.folder / 'results.parquet'}")
        print(f"means    {swept.folder / 'means.parquet'}")
    for failure in swept.failures:
        _say(f"error: cell {failure.cell}: {failure.reason}")
    if swept.failures:
        raise typer.Exit(4)
    if check:
        verdicts.check(swept.verdicts)


@contextmanager
def _going_on(is_fresh: bool) -> Iterator[None]:
    """Says to whoever interrupts that nothing is lost."""
    try:
        yield
    except KeyboardInterrupt:
        again = "the same command without --fresh" if is_fresh else "the same command"
        _say(f"What was finished is kept; {again} goes on from there.")
        raise


def _changes(overrides: list[str] | None, on: str | None, track: list[str] | None) -> list[str]:
    """What options change in a scenario that are short for an override."""
    scored = [] if on is None else [f"data.score_on={on}"]
    return [*(overrides or ()), *scored, *([f"trackers=[{', '.join(track)}]"] if track else [])]


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _print_outlook(outlook: Any, as_json: bool) -> None:
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
        unknown = f"; not counting {', '.join(outlook.unknown)}" if outlook.unknown else ""
        guess = f"about {outlook.seconds / 60:.1f} min by the median of like stages in the cache{unknown}"
    print(f"{todo} of {len(outlook.cells)} cells to play, {guess}")


def _print_warnings(warnings: Sequence[str]) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else 140)
    for warning in warnings:
        console.print(Text(warning, style="bold red"))
