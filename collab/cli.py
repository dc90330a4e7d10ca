"""The command line; torch, ray, pyarrow and jinja2 are imported inside the commands that need them."""

import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from collab.cli_advise import advise
from collab.cli_check_data import check_data
from collab.cli_export import export
from collab.cli_init import init
from collab.cli_papers import papers
from collab.cli_play import demo, run, sweep
from collab.cli_plugins import new, plugins_app, schema
from collab.cli_process import Interruption, open_streams
from collab.cli_report import report
from collab.cli_store import cache_app, store_app
from collab.cli_validate import validate
from collab.cli_watch import watch
from collab.errors import INTERRUPTED, MAKE_ROOM, CollabError, StoreError, is_full_disk

BEGIN, PLAY, LOOK, EXTEND = "Begin", "Play", "Look at what was played", "Extend"
"""What somebody wants who asks for help."""

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
for panel, commands in (
    (BEGIN, (demo, init, check_data, validate)),
    (PLAY, (run, sweep, papers, watch, advise)),
    (LOOK, (report, export)),
    (EXTEND, (new, schema)),
):
    for command in commands:
        app.command(command.__name__.replace("_", "-"), rich_help_panel=panel)(command)
app.add_typer(store_app, name="store", rich_help_panel=LOOK)
app.add_typer(cache_app, name="cache", rich_help_panel=LOOK)
app.add_typer(plugins_app, name="plugins", rich_help_panel=EXTEND)


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


def _say(text: str) -> None:
    print(text, file=sys.stderr)
