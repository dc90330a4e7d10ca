"""The command line; torch, ray, pyarrow and jinja2 are imported inside the commands that need them."""

import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from collab.cli_plugins import PluginDirs, new, plugins_app, schema
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
app.add_typer(store_app, name="store")
app.add_typer(bench_app, name="bench")
app.add_typer(plugins_app, name="plugins")

ScenarioFile = Annotated[Path, typer.Argument(metavar="SCENARIO", help="A scenario file.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Change one value of the scenario; repeatable.")
]
Seed = Annotated[int | None, typer.Option(help="Another seed than the scenario's.")]


@app.command()
def run(
    scenario: ScenarioFile,
    overrides: Overrides = None,
    seed: Seed = None,
    out: Annotated[Path, typer.Option(help="Folder for run directories.")] = Path("runs"),
    backend: Annotated[Literal["ray", "inprocess"], typer.Option(help="Actors side by side, or one process.")] = "ray",
    address: Annotated[str, typer.Option(help="Ray cluster: local (a new one), auto, or HOST:PORT.")] = "local",
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where networks are computed.")] = "auto",
    plugin_dirs: PluginDirs = None,
    as_json: Annotated[bool, typer.Option("--json", help="Results as JSON on standard output.")] = False,
) -> None:
    """Plays one scenario end to end, prints its tables, and writes its run directory."""
    from rich.console import Console

    from collab.scenario.reader import read_scenario

    loaded = read_scenario(scenario, overrides or (), seed, plugin_dirs=plugin_dirs or ())
    for origin in loaded.origins:
        _say(origin)
    quiet = Console(stderr=True)
    with quiet.status("loading torch …") if quiet.is_terminal else _nothing():
        from collab.report.page import write_page
        from collab.runtime.play import Where, play
        from collab.runtime.progress import watching
    with watching(quiet) as watch:
        played = play(loaded.scenario, Where(backend, address, device, out, plugins=loaded.plugins), watch)
    page = write_page(played.run)
    if as_json:
        from dataclasses import asdict

        result = {
            "run": str(played.run),
            "seconds": played.seconds,
            "start_seconds": played.start_seconds,
            "rows": [asdict(row) for row in played.rows],
        }
        print(json.dumps(result))
        return
    _print_tables(loaded.scenario, played.rows)
    took = f"{played.seconds:.0f} s, of which {played.start_seconds:.1f} s until work began"
    print(f"\n{took}\nreport   {page}\nresults  {played.run / 'results.parquet'}")


@app.command()
def validate(scenario: ScenarioFile, overrides: Overrides = None, plugin_dirs: PluginDirs = None) -> None:
    """Lists all mistakes of a scenario at once, each with its line and column."""
    from collab.scenario.reader import read_scenario

    loaded = read_scenario(scenario, overrides or (), plugin_dirs=plugin_dirs or ())
    for origin in loaded.origins:
        _say(origin)
    count = len(loaded.scenario.refinements)
    print(f"{scenario}: valid: {len(loaded.scenario.entities)} entities, {count} refinements")


app.command()(schema)
app.command()(new)


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


@bench_app.command("overhead")
def bench_overhead(
    scenario: Annotated[Path, typer.Option(help="The scenario that both play.")] = Path("scenarios/four_entities.yaml"),
    repeats: Annotated[int, typer.Option(min=1, help="Runs of each, in turn.")] = 1,
    overrides: Overrides = None,
) -> None:
    """Times a run against the same work as one plain loop without Ray or Arrow, in turn, and prints the ratio."""
    from collab.runtime.overhead import measure

    measure(scenario, repeats, overrides or [])


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
