"""What a command says on a terminal: warnings, the answer, tables, verdicts."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any


def _console(is_error: bool = False) -> Any:
    """As wide as the terminal, and wide where there is none."""
    from rich.console import Console

    stream = sys.stderr if is_error else sys.stdout
    return Console(width=None if stream.isatty() else 140, stderr=is_error, highlight=False)


def print_tables(tables: Iterable[Any]) -> None:
    """Prints tables as wide as the terminal."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    console = _console()
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


def print_measured(rows: Sequence[Any]) -> None:
    """Prints what a part of a run measured; nothing where that measures nothing."""
    from collab.report.tables.measured import tabulate_measured

    table = tabulate_measured(rows)
    print_tables([table] if table.lines else [])


def print_warnings(warnings: Iterable[str], *, is_error: bool = False) -> None:
    """Prints in red what is to be read first; to standard error where standard output is for something else."""
    from rich.text import Text

    console = _console(is_error)
    for warning in warnings:
        console.print(Text(warning, style="bold red"))


def print_answer(answer: Any, scenario: Any) -> None:
    """Three lines: who gained, what was disclosed, what it cost; then how many things are to be read with care."""
    from rich.table import Table
    from rich.text import Text

    console, lines = _console(), Table.grid(padding=(0, 2))
    lines.add_column(no_wrap=True, style="bold")
    lines.add_column()
    for title, text in answer.parts:
        lines.add_row(title, Text(text))
    if answer.cautions:
        count = len(answer.cautions)
        more = f" ({count - 1} more in the report)" if count > 1 else ""
        lines.add_row("Read with care", Text(f"{answer.cautions[0]}{more}"))
    console.print(Text(scenario.name, style="bold"))
    console.print(lines)
    console.print()


def print_verdicts(verdicts: Sequence[Any], *, tables: bool = False) -> None:
    """How many expectations came out, and those that failed; with `tables` each of them."""
    from collab.report.tables.over_seeds import OVER_SEEDS
    from collab.report.tables.tables import tabulate_verdicts
    from collab.verdicts.verdicts import list_lines

    if not verdicts:
        return
    if tables:
        print_tables([tabulate_verdicts(verdicts, OVER_SEEDS)])
        return
    failed = [each for each in verdicts if each.has_failed]
    undecided = sum(each.is_undecided for each in verdicts)
    silent = sum(each.verdict.startswith("not comparable") for each in verdicts)
    held = len(verdicts) - len(failed) - undecided - silent
    counts = (("held", held), ("undecided", undecided), ("failed", len(failed)), ("not comparable", silent))
    told = ", ".join(f"{count} {word}" for word, count in counts if count)
    print(f"Expectations: {told}" + (f"\n{list_lines(failed)}" if failed else ""))
