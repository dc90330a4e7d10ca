"""An audit as a page: which defense is broken by which attack, at what price, and what is seen (ATTACKS 3.2)."""

from collections.abc import Sequence
from pathlib import Path

from collab.report.attack_page.cells import Cell, judge_attacks, name_defenses
from collab.report.attack_page.controls import judge_controls
from collab.report.attack_page.failed import WHAT_TO_DO, draw_attack_sheet, find_failures
from collab.report.attack_page.shown import find_nearest
from collab.report.attack_page.tables import (
    tabulate_controls,
    tabulate_details,
    tabulate_matrix,
    tabulate_numbers,
    tabulate_verdicts,
)
from collab.report.drawing import fill_in, inline_svg, same_for_everybody
from collab.report.figures.curves import draw_panels
from collab.report.figures.sheets import ContactSheet
from collab.results.opened import Opened, open_run
from collab.results.words import FOR_CHOOSING, measure_gain


@same_for_everybody()
def write_audit(run: Path | Opened) -> Path | None:
    """Draws `audit.html` in a run directory; None where nobody attacked. It shows images that victims hold."""
    opened = open_run(run) if isinstance(run, Path) else run
    if not any(result.attack for result in opened.rows):
        return None
    cells, target = judge_attacks(opened), opened.folder / "audit.html"
    page = fill_in(
        "audit.html", scenario=opened.scenario, run=opened, matrix=tabulate_matrix(cells),
        verdicts=tabulate_verdicts(cells), controls=tabulate_controls(judge_controls(opened)),
        curves=tabulate_numbers(cells), details=tabulate_details(cells),
        failures=find_failures(opened, cells), what_to_do=WHAT_TO_DO,
        frontier=draw_frontier(opened, cells), sheets=_sheets(opened, cells),
        notice=FOR_CHOOSING if opened.scenario.data.is_for_choosing else "",
    )  # fmt: skip
    target.write_text(page, encoding="utf-8")
    return target


def draw_frontier(run: Opened, cells: Sequence[Cell]) -> str:
    """What a defense is worth against what the best attack on it gets, as SVG; nothing where neither was measured.

    Worth is what a peer gains from it where rows say so of two defenses or more, else what C loses on its rows.
    """
    main, gains = run.scenario.data.main_metric, _gains(run)
    worth = gains if len(gains) > 1 else _costs(run)
    meaning = f"{main.points} that a peer gains" if len(gains) > 1 else f"{main.points} that it costs"
    points = []
    for name in dict.fromkeys(cell.defense for cell in cells):
        worst = max((c.leakage.value for c in cells if c.defense == name and c.leakage is not None), default=None)
        if name in worth and worst is not None:
            points.append((worst, sum(worth[name]) / len(worth[name]), name))
    if len(points) < 2:  # one alone has nothing to be compared with
        return ""
    figure, (panel,) = draw_panels(1)
    for leakage, value, name in points:
        panel.plot([leakage], [value], "o", color="#0b6e99")
        panel.annotate(name, (leakage, value), textcoords="offset points", xytext=(4, 4), fontsize=7)
    panel.ticklabel_format(useOffset=False)
    panel.set_xlabel("leakage by the best attack")
    panel.set_ylabel(meaning)
    return inline_svg(figure)


def _costs(run: Opened) -> dict[str, list[float]]:
    """By defense what the main metric of C loses on what each of its entities publishes."""
    names, main, results = name_defenses(run.scenario), run.scenario.data.main_metric, run.results
    costs: dict[str, list[float]] = {}
    for entity, defense in names.items():
        plain, poisoned = (results.find("tables_1_2", entity, f"{main.name}_{of}") for of in ("original", "poisoned"))
        if poisoned is not None and poisoned.value is not None:
            costs.setdefault(defense, []).append(main.gain((plain and plain.value) or 0, poisoned.value))
    return costs


def _gains(run: Opened) -> dict[str, list[float]]:
    """By defense what the rows gain whose pool is one entity with it, over own features alone (or the control)."""
    names, main, results = name_defenses(run.scenario), run.scenario.data.main_metric, run.results
    features = [row for row in run.scenario.refinements if row.is_refining and not row.unpoisoned]
    alone = {name: results.find(f"c_own_{name}", name, main.name) for name in names}
    alone |= {str(row.entity): results.find(str(row.name), row.entity, main.name) for row in features if not row.pool}
    gains: dict[str, list[float]] = {}
    for row in features:
        gain = measure_gain(main, results.find(str(row.name), row.entity, main.name), alone.get(str(row.entity)))
        if len(row.pool) == 1 and gain is not None:
            gains.setdefault(names[row.pool[0]], []).append(main.scale * gain.value)
    return gains


def _sheets(run: Opened, cells: Sequence[Cell]) -> list[tuple[str, ContactSheet]]:
    """Truth and answer of the attacks that rebuild most: for each defense an outsider's, and anybody's."""
    names, made = name_defenses(run.scenario), dict[str, ContactSheet]()
    outsiders = {(cell.defense, cell.attack) for cell in cells if cell.adversary == "outsider"}
    for defense in dict.fromkeys(cell.defense for cell in cells):
        results = [each for each in run.rows if each.attack and names.get(str(each.entity)) == defense]
        for some in ([each for each in results if (defense, each.attack) in outsiders], results):
            made |= draw_attack_sheet(run, defense, *find_nearest(some))
    return list(made.items())
