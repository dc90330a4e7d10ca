"""Pages of what was played: drawn, and searched for what is private before anybody reads them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from collab.plugins.discovery import INSTALLED, Plugins
from collab.report.attack_page.failed import Failure, find_failures, write_own_pages
from collab.report.attack_page.page import write_audit
from collab.report.pages.decision import write_decision
from collab.report.pages.page import write_page
from collab.results.opened import open_run
from collab.runtime.leak_check import LeakCheck, refuse
from collab.scenario.model import Scenario


@dataclass(frozen=True)
class Pages:
    """What was drawn of a run: its report, that for who decides, its audit where somebody attacked, and the warnings.

    The warnings stand in all of them.
    """

    report: Path
    decision: Path
    audit: Path | None
    failures: tuple[Failure, ...]


def draw_pages(run: Path, check: LeakCheck) -> Pages:
    """Draws `report.html` and `decision.html` of a run, and `audit.html` where somebody attacked, from its files.

    `check` knows what is private in the run. `audit.html` shows true images, for the victims' own eyes; nothing else
    that is private may stand in it. An entity whose defense failed finds its pictures in its private folder; who was
    attacked finds there which of its images that hits.
    Raises BoundaryError if something private stands in a page.
    """
    opened = open_run(run)
    report, decision, audit = write_page(opened), write_decision(opened), write_audit(opened)
    refuse(check.search_pages([report, decision, *([audit] if audit else [])]), run)
    failures = find_failures(opened)
    write_own_pages(opened, failures)
    if audit:
        from collab.report.attack_page.exposed import write_exposed  # only it needs scipy, which is slow to import

        write_exposed(opened)
    return Pages(report, decision, audit, failures)


def refuse_leaks(page: Path, runs: Mapping[Path, Scenario], plugins: Plugins = INSTALLED) -> None:
    """Raises BoundaryError if a sweep's page holds what is private in one of the runs that were played for it."""
    for run, scenario in runs.items():
        refuse(LeakCheck(run, scenario, plugins).search_pages([page]), run)
