"""The command that shows a run while it is played, from its files."""

from pathlib import Path
from typing import Annotated

import typer

from collab.cli_options import Out


def watch(
    run: Annotated[
        Path | None, typer.Argument(metavar="[RUN]", help="A run directory; the one that began last unless given.")
    ] = None,
    out: Out = Path("runs"),
) -> None:
    """Shows how far a run is, from any terminal, until it ends; Ctrl-C ends the watching alone."""
    from rich.console import Console

    from collab.runtime.progress import show_run
    from collab.runtime.watching import find_latest, follow

    folder = find_latest(out) if run is None else run
    console = Console(stderr=True)
    console.print(str(folder), highlight=False, soft_wrap=True)
    with show_run(console) as tell:
        ending = follow(folder, tell)
    print(ending)
