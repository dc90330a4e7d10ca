"""Pages of what was played: drawn, and searched for what is private before anybody reads them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from collab.plugins.discovery import INSTALLED, Plugins
from collab.report.attack_page.page import write_audit
from collab.report.pages.page import write_page
from collab.results.opened import open_run
from collab.runtime.leak_check import LeakCheck, refuse
from collab.scenario.model import Scenario


@dataclass(frozen=True)
class Pages:
    """`report.html` of a run, and `audit.html` where somebody attacked."""

    report: Path
    audit: Path | None


def draw_pages(run: Path, audit: LeakCheck) -> Pages:
    """Draws the pages of a run from its files. Raises BoundaryError if something private stands in them.

    `audit` is that of the run, which knows what is private in it. `audit.html` shows true images, for the victims' own
    eyes; nothing else that is private may stand in it.
    """
    opened = open_run(run)
    pages = Pages(write_page(opened), write_audit(opened))
    refuse(audit.search_pages([page for page in (pages.report, pages.audit) if page]), run)
    return pages


def refuse_leaks(page: Path, runs: Mapping[Path, Scenario], plugins: Plugins = INSTALLED) -> None:
    """Raises BoundaryError if a sweep's page holds what is private in one of the runs that were played for it."""
    for run, scenario in runs.items():
        refuse(LeakCheck(run, scenario, plugins).search_pages([page]), run)
