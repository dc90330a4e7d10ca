"""The command that draws what was played again."""

from pathlib import Path
from typing import Annotated

import typer

import collab
from collab.cli_options import Runs
from collab.cli_tables import print_answer, print_tables, print_warnings
from collab.errors import ScenarioError
from collab.plain_json import json_text


def report(
    runs: Runs,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="The page; RUN/report.html, or comparison.html here, unless given."),
    ] = None,
    tables: Annotated[bool, typer.Option("--tables", help="Print the answer and all tables too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report for who decides as JSON.")] = False,
) -> None:
    """Draws the report of a run again from its files, or sets several runs side by side in one page.

    Beside `report.html` lies `decision.html`, for who has to decide: made to be printed and filed.
    """
    from collab.front.sweep import Sweep
    from collab.report.attack_page.page import write_audit
    from collab.report.pages.decision import write_decision
    from collab.report.pages.page import write_comparison, write_page

    if len(runs) > 1:
        if tables or as_json:
            raise ScenarioError("--tables and --json are of one run; name one, or leave them out.")
        print(write_comparison(runs, out or Path("comparison.html")))
        return
    opened = collab.load(runs[0])
    print_warnings(opened.failed_defenses, is_error=True)
    if isinstance(opened, Sweep):
        print("\n".join((*opened.answer, str(opened.report()))))
        return
    if as_json:
        print(json_text(opened.decision(), indent=1))
        return
    page = write_page(opened.folder, out)
    if out is None:
        write_decision(opened.folder)
        write_audit(opened.folder)
    if tables:
        print_answer(opened.answer, opened.scenario)
        print_tables(opened.tables)
    print(page)
