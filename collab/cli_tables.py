"""Tables on a terminal."""

import sys
from collections.abc import Iterable
from typing import Any


def print_tables(tables: Iterable[Any]) -> None:
    """Prints tables as wide as the terminal."""
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 140)
    for table in tables:
        drawn = Table(title=escape(table.title), title_justify="left", box=box.SIMPLE_HEAD, caption_justify="left")
        for index, column in enumerate(table.columns):
            drawn.add_column(
                escape(column), justify="left" if index < 3 else "right", no_wrap=index < 2 or column == "attack"
            )
        for index, line in enumerate(table.lines):
            if index in table.rules:
                drawn.add_section()
            drawn.add_row(*map(escape, line))
        drawn.caption = escape("\n".join(table.notes))
        console.print(drawn)
