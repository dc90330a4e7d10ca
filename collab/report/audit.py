"""An audit as a page: which defense is broken by which attack, at what price, and what is seen (ATTACKS 3.2)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from collab.report.audit_cells import Cell, cells_of, defense_names, in_order
from collab.report.audit_tables import curves, details, matrix, verdicts
from collab.report.curves import draw_panels
from collab.report.opened import Opened, open_run
from collab.report.sheets import ContactSheet, Line
from collab.report.strips import data_url
from collab.report.svg import inline_svg
from collab.store.pictures import judged_file
from collab.store.results import Row


def write_audit(run: Path) -> Path | None:
    """Draws `audit.html` in a run directory; None where nobody attacked. It shows images that victims hold."""
    opened = open_run(run)
    if not any(row.attack for row in opened.rows):
        return None
    from collab.report.page import drawn

    cells = cells_of(opened)
    target = run / "audit.html"
    page = drawn(
        "audit.html", scenario=opened.scenario, run=opened, matrix=matrix(cells), verdicts=verdicts(cells),
        curves=curves(cells), details=details(cells), frontier=frontier(opened, cells), sheets=_sheets(opened, cells),
    )  # fmt: skip
    target.write_text(page, encoding="utf-8")
    return target


def frontier(run: Opened, cells: Sequence[Cell]) -> str:
    """What a defense costs against what the best attack on it gets, as SVG; nothing where no cost was measured."""
    names, main = defense_names(run.scenario.entities), run.scenario.data.main_metric
    found = {(row.entity, row.metric): row.value for row in run.rows if row.row == "tables_1_2"}
    points = []
    for name in in_order(cell.defense for cell in cells):
        holders = [entity for entity, defense in names.items() if defense == name]
        pairs = [[found.get((who, f"{main.name}_{what}")) for what in ("original", "poisoned")] for who in holders]
        costs = [main.gain(plain or 0, poisoned) for plain, poisoned in pairs if poisoned is not None]
        worst = max((c.leakage.value for c in cells if c.defense == name and c.leakage is not None), default=None)
        if costs and worst is not None:
            points.append((worst, sum(costs) / len(costs), name))
    if len(points) < 2:  # one alone has nothing to be compared with
        return ""
    figure, (panel,) = draw_panels(1)
    for leakage, cost, name in points:
        panel.plot([leakage], [cost], "o", color="#0b6e99")
        panel.annotate(name, (leakage, cost), textcoords="offset points", xytext=(4, 4), fontsize=7)
    panel.ticklabel_format(useOffset=False)
    panel.set_xlabel("leakage by the best attack")
    panel.set_ylabel(f"{main.points} that it costs")
    return inline_svg(figure)


def _sheets(run: Opened, cells: Sequence[Cell]) -> list[tuple[str, ContactSheet]]:
    """Truth and answer of the attacks that rebuild most: for each defense an outsider's, and anybody's."""
    names, made = defense_names(run.scenario.entities), dict[str, ContactSheet]()
    outsiders = {(cell.defense, cell.attack) for cell in cells if cell.adversary == "outsider"}
    likeness = [
        row for row in run.rows
        if row.attack and row.entity in names and row.metric.startswith("ssim_max[") and row.metric.endswith("]")
    ]  # fmt: skip
    for defense in in_order(cell.defense for cell in cells):
        rows = [row for row in likeness if names[str(row.entity)] == defense]
        for some in ([row for row in rows if (defense, row.attack) in outsiders], rows):
            made |= _sheet(run, defense, max(some, key=lambda row: row.value or 0, default=None))
    return list(made.items())


def _sheet(run: Opened, defense: str, row: Row | None) -> dict[str, ContactSheet]:
    """The sheet of one attack on one victim under its title; nothing where its pictures are not there."""
    if row is None:
        return {}
    file = (
        run.folder / "private" / "oracle" / judged_file(row.row.removeprefix("by "), str(row.attack), str(row.entity))
    )
    if not file.is_file():
        return {}
    truth, rebuilt = np.load(file, allow_pickle=False)
    lines = tuple(
        Line(name, tuple(map(data_url, images)), ("",) * len(images))
        for name, images in (("true", truth), ("rebuilt", rebuilt))
    )
    side = max(40, min(96, truth.shape[-1]))
    title = f"{defense}: {row.attack} on {row.entity}, SSIM {row.value:.2f} on the average"
    return {title: ContactSheet(lines, "SSIM", 0, side, 0)}
