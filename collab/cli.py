"""The command line; torch, ray, pyarrow and jinja2 are imported inside the commands that need them."""

import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from collab.errors import INTERRUPTED, CollabError

app = typer.Typer(
    help="Who gains what, and who discloses what, when parties share poisoned features instead of images.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
store_app = typer.Typer(help="What was published to a store.", no_args_is_help=True)
bench_app = typer.Typer(
    help="Figures of docs/performance.md, measured side by side on this machine.", no_args_is_help=True
)
cache_app = typer.Typer(help="Stages that runs have played and others may take.", no_args_is_help=True)
app.add_typer(store_app, name="store")
app.add_typer(cache_app, name="cache")
app.add_typer(bench_app, name="bench")

ScenarioFile = Annotated[Path, typer.Argument(metavar="SCENARIO", help="A scenario file.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Change one value of the scenario; repeatable.")
]
Seed = Annotated[int | None, typer.Option(help="Another seed than the scenario's.")]
Out = Annotated[Path, typer.Option(help="Folder for run directories and their cache.")]
BackendName = Annotated[Literal["ray", "inprocess"], typer.Option(help="Actors side by side, or one process.")]
Address = Annotated[str, typer.Option(help="Ray cluster: local (a new one), auto, or HOST:PORT.")]
Device = Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where networks are computed.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Play every stage, whatever the cache holds.")]
AsJson = Annotated[bool, typer.Option("--json", help="Results as JSON on standard output.")]


@app.command()
def run(
    scenario: ScenarioFile,
    overrides: Overrides = None,
    seed: Seed = None,
    out: Out = Path("runs"),
    backend: BackendName = "ray",
    address: Address = "local",
    device: Device = "auto",
    fresh: Fresh = False,
    only: Annotated[str | None, typer.Option(metavar="TASK", help="Play one task and what it needs.")] = None,
    as_json: AsJson = False,
) -> None:
    """Plays one scenario end to end, prints its tables, and writes its run directory.

    Stages that an earlier run in the same folder has played are taken from its cache; a killed run goes on where it was.
    """
    from rich.console import Console

    from collab.scenario.reader import read_scenario

    loaded = read_scenario(scenario, overrides or (), seed)
    quiet = Console(stderr=True)
    with quiet.status("loading torch …") if quiet.is_terminal else _nothing():
        from collab.report.page import write_page
        from collab.runtime.play import Where, play
        from collab.runtime.progress import watching
    with watching(quiet) as watch:
        played = play(loaded.scenario, Where(backend, address, device, out, fresh, only), watch)
    page = write_page(played.run)
    if as_json:
        from dataclasses import asdict

        result = {
            "run": str(played.run),
            "seconds": played.seconds,
            "start_seconds": played.start_seconds,
            "cached": played.cached,
            "failures": [str(failure) for failure in played.failures],
            "rows": [asdict(row) for row in played.rows],
        }
        print(json.dumps(result))
    else:
        _print_tables(loaded.scenario, played.rows)
        took = f"{played.seconds:.0f} s, of which {played.start_seconds:.1f} s until work began"
        cached = f"{played.cached} of {played.tasks} tasks from the cache"
        print(f"\n{took}; {cached}\nreport   {page}\nresults  {played.run / 'results.parquet'}")
    if played.failures:
        for failure in played.failures[:-1]:
            _say(f"error: {failure}")
        raise played.failures[-1]


@app.command()
def sweep(
    file: Annotated[Path, typer.Argument(metavar="SWEEP", help="A sweep file, or a scenario with --vary.")],
    vary: Annotated[
        list[str] | None, typer.Option("--vary", metavar="PATH=V1,V2,...", help="One more axis; repeatable.")
    ] = None,
    zipped: Annotated[bool, typer.Option("--zip", help="First values together, second ones, ...; no grid.")] = False,
    seeds: Annotated[int | None, typer.Option(min=1, help="How many seeds, from the scenario's own upward.")] = None,
    overrides: Overrides = None,
    out: Out = Path("runs"),
    backend: BackendName = "ray",
    address: Address = "local",
    device: Device = "auto",
    fresh: Fresh = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be played, and about how long.")] = False,
    as_json: AsJson = False,
) -> None:
    """Plays a scenario over the values of axes and over seeds; finished cells are not played again."""
    from rich.console import Console

    from collab.scenario.sweep import read_sweep

    spec, cells = read_sweep(
        file, vary or (), seeds=seeds, combine="zip" if zipped else None, overrides=overrides or ()
    )
    quiet = Console(stderr=True)
    with quiet.status("loading torch …") if quiet.is_terminal else _nothing():
        from collab.runtime import sweep as played
        from collab.runtime.play import Where
        from collab.runtime.progress import watching_sweep
    where = Where(backend, address, device, out, fresh)
    if dry_run:
        _print_outlook(played.outlook(spec, cells, where), as_json)
        return
    with watching_sweep(quiet) as watch:
        swept = played.sweep(spec, cells, where, watch)
    if as_json:
        from dataclasses import asdict

        print(json.dumps({**asdict(swept), "folder": str(swept.folder)}))
    else:
        took = f"{swept.seconds:.0f} s; {swept.cells} cells, {swept.finished_before} of them finished before"
        print(f"{took}\nreport   {swept.folder / 'report.html'}\nresults  {swept.folder / 'results.parquet'}")
        print(f"means    {swept.folder / 'means.parquet'}")
    for failure in swept.failures:
        _say(f"error: cell {failure.cell}: {failure.reason}")
    if swept.failures:
        raise typer.Exit(4)


@app.command()
def validate(scenario: ScenarioFile, overrides: Overrides = None) -> None:
    """Lists all mistakes of a scenario at once, each with its line and column."""
    from collab.scenario.reader import read_scenario

    loaded = read_scenario(scenario, overrides or ())
    count = len(loaded.scenario.refinements)
    print(f"{scenario}: valid: {len(loaded.scenario.entities)} entities, {count} refinements")


@app.command()
def schema(
    kind: Annotated[Literal["scenario", "sweep"], typer.Argument(help="Which files it is for.")] = "scenario",
) -> None:
    """Prints the JSON Schema of scenario or sweep files, for editors."""
    from collab.scenario.reader import json_schema
    from collab.scenario.sweep import sweep_schema

    print(json.dumps(json_schema() if kind == "scenario" else sweep_schema(), indent=2))


@app.command()
def report(runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run directories.")]) -> None:
    """Draws the report of each run again from its files."""
    from collab.report.page import write_page

    for each in runs:
        print(write_page(each))


@store_app.command("ls")
def store_ls(store: Annotated[Path, typer.Argument(metavar="STORE")]) -> None:
    """What was published, by whom, how large."""
    records = _store(store).records()
    for record in records:
        shape = "×".join(map(str, record.shape))
        print(
            f"{record.entity:12} {record.sha256[:16]}  {record.rows:>7} rows  "
            f"{shape} {record.dtype}  {record.bytes:>13,} bytes"
        )
    print(f"{len(records)} shards, {sum(record.bytes for record in records):,} bytes")


@store_app.command("verify")
def store_verify(store: Annotated[Path, typer.Argument(metavar="STORE")]) -> None:
    """Hashes and validates every shard again; exit code 5 if one is not what its manifest says."""
    findings = _store(store).verify()
    for finding in findings:
        print(f"{finding.path}  {finding.problem or 'ok'}")
    bad = sum(1 for finding in findings if finding.problem)
    print(f"{len(findings)} files, {bad} refused")
    if bad:
        raise typer.Exit(5)


@cache_app.command("ls")
def cache_ls(out: Out = Path("runs")) -> None:
    """What stages the cache of a folder of runs holds, least recently used first."""
    import time

    entries = _cache(out).entries()
    for entry in entries:
        days = (time.time() - entry.used) / 86400
        place = "private" if entry.is_private else "shared"
        print(f"{entry.stage:18} {entry.who:12} {place:8} {entry.bytes:>14,} bytes  {entry.seconds:8.1f} s to make  "
              f"used {days:5.1f} days ago")  # fmt: skip
    print(f"{len(entries)} stages, {sum(entry.bytes for entry in entries):,} bytes")


@cache_app.command("gc")
def cache_gc(
    out: Out = Path("runs"),
    older_than: Annotated[float | None, typer.Option(min=0, metavar="DAYS", help="Not used for so long.")] = None,
    keep: Annotated[str | None, typer.Option(metavar="SIZE", help="Most that may stay, such as 20GiB.")] = None,
) -> None:
    """Removes stages by age and size, least recently used first; finished runs keep their files."""
    from collab.errors import ScenarioError
    from collab.scenario.base import bytes_of

    if older_than is None and keep is None:
        raise ScenarioError("say what may go: --older-than DAYS, --keep SIZE, or both.")
    gone = _cache(out).gc(
        older_than=None if older_than is None else older_than * 86400, keep_bytes=None if keep is None else bytes_of(keep)
    )
    print(f"{len(gone)} stages removed, {sum(entry.bytes for entry in gone):,} bytes")


@bench_app.command("overhead")
def bench_overhead(
    scenario: Annotated[Path, typer.Option(help="The scenario that both play.")] = Path("scenarios/four_entities.yaml"),
    repeats: Annotated[int, typer.Option(min=1, help="Runs of each, in turn.")] = 1,
    overrides: Overrides = None,
) -> None:
    """Times a run against the same work as one plain loop without Ray or Arrow, in turn, and prints the ratio."""
    from collab.runtime.overhead import measure

    measure(scenario, repeats, overrides or [])


@bench_app.command("sweep")
def bench_sweep(
    scenario: Annotated[Path, typer.Option(help="The reduced scenario that is swept.")] = Path("scenarios/tiny.yaml"),
    seeds: Annotated[int, typer.Option(min=1, help="Seeds of each of four subset sizes.")] = 3,
    cells: Annotated[int, typer.Option(min=0, help="Cells of the memory measurement; 0 leaves it out.")] = 100,
    overrides: Overrides = None,
) -> None:
    """Times a sweep against separate runs of its cells, and watches the memory of many cells."""
    from collab.runtime.sweep_cost import measure_memory, measure_saving

    measure_saving(scenario, seeds, overrides or [])
    if cells:
        measure_memory(scenario, cells, overrides or [])


def main() -> None:
    """Runs the command line; errors of our tree become one message and their exit code."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started us in the background may have ignored it
    try:
        code = app(standalone_mode=False)  # typer answers an exit code, 130 for Ctrl-C, where it does not exit itself
        if code == INTERRUPTED:
            _say("interrupted")
        if code:
            sys.exit(code)
    except CollabError as error:
        _say(f"error: {error}")
        for note in getattr(error, "__notes__", []):
            _say(f"\n{note.rstrip()}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        _say("interrupted")
        sys.exit(INTERRUPTED)
    except Exception as error:
        show: Callable[[], Any] | None = getattr(error, "show", None)  # a usage error of the command line
        if show is None:
            raise
        show()
        sys.exit(2)


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _store(root: Path) -> Any:
    from collab.errors import StoreError
    from collab.store.store import Store

    if not (root / "manifest").is_dir():
        raise StoreError(f"{root} is no store: it has no folder `manifest`. A run's store is RUN/store.")
    return Store(root)


def _cache(out: Path) -> Any:
    from collab.runtime.cache import Cache

    return Cache(out / "cache")


def _print_outlook(outlook: Any, as_json: bool) -> None:
    if as_json:
        from dataclasses import asdict

        print(json.dumps(asdict(outlook)))
        return
    for cell in outlook.cells:
        new = cell.tasks - cell.shared - cell.cached
        told = "finished" if cell.is_finished else f"{new} to play, {cell.shared} shared, {cell.cached} in the cache"
        print(f"{cell.label}: {cell.tasks} tasks, {told}")
    todo = sum(1 for cell in outlook.cells if not cell.is_finished)
    guess = "no stage like these was played here yet, so there is no guess of the time"
    if outlook.seconds is not None:
        unknown = f"; not counting {', '.join(outlook.unknown)}" if outlook.unknown else ""
        guess = f"about {outlook.seconds / 60:.1f} min by the median of like stages in the cache{unknown}"
    print(f"{todo} of {len(outlook.cells)} cells to play, {guess}")


def _nothing() -> Any:
    from contextlib import nullcontext

    return nullcontext()


def _print_tables(scenario: Any, rows: Any) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from collab.report.tables import tables

    console = Console(width=None if sys.stdout.isatty() else 140)
    for table in tables(scenario, rows):
        drawn = Table(title=table.title, title_justify="left", box=box.SIMPLE_HEAD, caption_justify="left")
        for index, column in enumerate(table.columns):
            drawn.add_column(column, justify="left" if index < 3 else "right", no_wrap=index < 2)
        for index, line in enumerate(table.lines):
            if index in table.rules:
                drawn.add_section()
            drawn.add_row(*line)
        drawn.caption = "\n".join(table.notes)
        console.print(drawn)
