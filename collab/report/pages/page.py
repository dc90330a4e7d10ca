"""One offline HTML page from the files of a run, or from the means of a sweep."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from collab.report.attack_page.cells import cells_of
from collab.report.drawing import fill_in
from collab.report.figures.bars import MEANINGS, bars_of
from collab.report.figures.curves import accuracy_curves, frontier
from collab.report.figures.labels import MOST_NAMES, counts_table, dealt_in_words, held_table, label_map
from collab.report.figures.losses import curves_of
from collab.report.figures.poisoning import cost_frontier, poisoning_curves, poisoning_table
from collab.report.figures.sheets import contact_sheet
from collab.report.figures.strips import strips_of
from collab.report.pages.compare import in_words, scenario_differences, side_by_side, the_runs
from collab.report.pages.facts import (
    at_a_glance,
    beside_the_paper,
    bytes_sent,
    copies,
    environment,
    not_measured,
    refusals,
    stages,
)
from collab.report.pages.summary import summary
from collab.report.tables.crossings import boundaries
from collab.report.tables.exposed import decoded_sheet, feature_maps
from collab.report.tables.federated import exchange_curve
from collab.report.tables.over_seeds import failures_table, gains_table, headline_gains, means_table
from collab.report.tables.published import entropy_curve
from collab.report.tables.tables import describe, tables, verdict_table
from collab.results.aggregate import Mean
from collab.results.gains import name_reference
from collab.results.opened import Opened, open_run
from collab.scenario.model import Refinement, Scenario
from collab.scenario.sweep import Sweep
from collab.store.pictures import Sheet
from collab.tasks import main_metric_in
from collab.verdicts.verdicts import Verdict


def write_page(run: Path, target: Path | None = None) -> Path:
    """Draws the page of a run directory from its files alone; `report.html` in it unless `target` is given."""
    opened = open_run(run)
    target = target or run / "report.html"
    target.write_text(page_of(opened), encoding="utf-8")
    return target


def write_comparison(runs: Sequence[Path], target: Path) -> Path:
    """Sets runs side by side in one page at `target`; differences are to the first."""
    opened = [open_run(run) for run in runs]
    differing = scenario_differences(opened)
    scenarios = list(dict.fromkeys(run.scenario.name for run in opened))
    title = f"{len(opened)} runs of {scenarios[0]}" if len(scenarios) == 1 else f"{' and '.join(scenarios)}, compared"
    page = fill_in(
        "compare.html", title=title, words=in_words(opened, differing), runs=the_runs(opened), differing=differing,
        tables=side_by_side(opened),
    )  # fmt: skip
    target.write_text(page, encoding="utf-8")
    return target


def page_of(run: Opened) -> str:
    """The page of a run."""
    scenario, record = run.scenario, run.record
    names = [entity.name for entity in scenario.entities]
    sent = boundaries(names, run.crossings, scenario.data.image_size, run.rows)
    told = summary(scenario, run.rows, sent, run.pictures, cells_of(run), (*copies(record), *record.get("notices", ())))
    made = tables(scenario, run.rows)
    table_5 = next((table for table in made if table.title.startswith("Table 5")), None)
    others = tuple(table for table in made if table is not table_5)
    labels, classes = record.get("labels", {}), record["classes"]  # no labels: a run from before they were recorded
    strips, left_out = strips_of(run.pictures, classes)
    curves = curves_of(run.losses, record.get("jobs", {}))
    beside = beside_the_paper(run.rows)
    parts: dict[str, Any] = {
        "run": run, "record": {"collab": "", "failures": {}, **record}, "refused": refusals(record),
        "source": run.source, "summary": told,
        "glance": at_a_glance(
            told, sent, scenario.data.main_metric, name_reference(row.row for row in run.rows)
        ), "bars": bars_of(scenario, run.rows),
        "meanings": MEANINGS, "table_5": table_5, "tables": others, "not_measured": not_measured(made),
        "sheet": contact_sheet({_titled(scenario, name): each for name, each in run.sheets.items()}),
        "decoded": decoded_sheet(run.exhibits), "maps": feature_maps(run.exhibits),
        "beside": beside, "strips": strips, "strips_left_out": left_out, "curves": curves,
        "held": held_table(labels, classes, dealt_in_words(scenario)) if labels else None,
        "label_map": label_map(labels, classes) if labels else "",
        "counts": counts_table(labels, classes) if labels and max(len(labels), len(classes)) <= MOST_NAMES else None,
        "bytes": bytes_sent(sent),
        "entropy": entropy_curve(scenario, run.rows), "exchange": exchange_curve(scenario, run.rows),
        "environment": environment(record), "stages": stages(record.get("jobs", {})),
    }  # fmt: skip
    contents = [("answer", "The answer")]
    contents += [("table-5", "Table 5")] if table_5 else []
    contents += [("tables", "Other tables")] if others else []
    contents += [("paper", "Beside the paper")] if beside else []
    contents += [("pictures", "Pictures"), ("curves", "Training")]
    contents += [("labels", "Classes")] if labels else []
    contents += [("bytes", "Bytes"), ("repeat", "How to repeat it")]
    return fill_in("page.html", scenario=scenario, contents=contents, **parts)


def write_sweep_page(
    folder: Path,
    spec: Sweep,
    found: Sequence[Mean],
    rows: Sequence[Refinement],
    failures: Sequence[tuple[str, str]],
    missing: Sequence[str],
    *,
    verdicts: Sequence[Verdict] = (),
    sheets: Mapping[str, Sheet] | None = None,
) -> Path:
    """Draws `report.html` of a sweep: curves, frontiers, pictures, verdicts, means, what failed.

    `rows` are those of the scenarios; `sheets` are named by the values of their cell, and the entity if there are more.
    """
    axes = [axis.vary for axis in spec.axes]
    main = main_metric_in(each.metric for each in found)
    is_banded = any(each.figure.low is not None for each in found)
    band = "Bands: 95 % interval of the mean over seeds (Student)." if is_banded else "One seed: no bands; see --seeds."
    target = folder / "report.html"
    page = fill_in(
        "sweep.html", spec=spec, axes=axes, main=main, missing=missing, band=band,
        curves=accuracy_curves(found, axes, {str(row.name): describe(row) for row in rows}) if axes else "",
        poisoning=poisoning_curves(found, axes) if axes else "", poisoned=poisoning_table(found, axes),
        frontier=frontier(found, axes, headline_gains(found, rows)), costs=cost_frontier(found, axes) if axes else "",
        sheet=contact_sheet(sheets or {}), verdicts=verdict_table(verdicts, "of each point") if verdicts else None,
        gains=gains_table(found, axes, rows), means=means_table(found, axes), failures=failures_table(failures),
    )  # fmt: skip
    target.write_text(page, encoding="utf-8")
    return target


def _titled(scenario: Scenario, name: str) -> str:
    """An entity and what it protects its features with."""
    return f"{name}: {next(each.protection for each in scenario.entities if each.name == name)}"
