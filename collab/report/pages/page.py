"""One offline HTML page from the files of a run, or from the means of a sweep."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from collab.report.attack_page.cells import judge_attacks
from collab.report.attack_page.failed import WHAT_TO_DO, find_failures
from collab.report.attack_page.frontier import draw_attacked_frontier, gather_attacked, tabulate_attacked
from collab.report.attack_page.got import Got
from collab.report.cells import Table
from collab.report.drawing import fill_in, same_for_everybody
from collab.report.figures import labels as holdings
from collab.report.figures.bars import MEANINGS, make_bars
from collab.report.figures.curves import draw_accuracy
from collab.report.figures.frontier import draw_frontier
from collab.report.figures.losses import make_curves
from collab.report.figures.poisoning import draw_costs, draw_poisoning, tabulate_poisoning
from collab.report.figures.sheets import make_contact_sheet
from collab.report.figures.strips import make_strips
from collab.report.pages import facts
from collab.report.pages.answer import TABLE_5, answer_run, find_sent
from collab.report.pages.compare import compare_results, compare_scenarios, describe_differences, tabulate_runs
from collab.report.tables.exposed import draw_feature_maps, make_decoded_sheet
from collab.report.tables.federated import draw_exchange
from collab.report.tables.over_seeds import (
    CELL,
    OVER_SEEDS,
    find_point,
    name_points,
    pick_headline_gains,
    tabulate_gains,
    tabulate_means,
)
from collab.report.tables.published import draw_entropy
from collab.report.tables.tables import describe, make_tables, tabulate_verdicts
from collab.report.tables.worth import draw_worths, tabulate_worths
from collab.results.aggregate import Mean, Point, Values
from collab.results.gains import Worth, name_reference
from collab.results.local import LOCAL
from collab.results.opened import Opened, open_run
from collab.results.words import FOR_CHOOSING
from collab.scenario.model import Refinement
from collab.scenario.sweep import Sweep
from collab.store.pictures import Sheet
from collab.tasks import find_main_metric
from collab.verdicts.verdicts import Verdict


def write_page(run: Path | Opened, target: Path | None = None) -> Path:
    """Draws the page of a run directory from its files alone; `report.html` in it unless `target` is given."""
    opened = open_run(run) if isinstance(run, Path) else run
    target = target or opened.folder / "report.html"
    target.write_text(draw_page(opened), encoding="utf-8")
    return target


@same_for_everybody()
def write_comparison(runs: Sequence[Path], target: Path) -> Path:
    """Sets runs side by side in one page at `target`; differences are to the first."""
    opened = [open_run(run) for run in runs]
    differing = compare_scenarios(opened)
    scenarios = list(dict.fromkeys(run.scenario.name for run in opened))
    title = f"{len(opened)} runs of {scenarios[0]}" if len(scenarios) == 1 else f"{' and '.join(scenarios)}, compared"
    page = fill_in(
        "compare.html", title=title, words=describe_differences(opened, differing), runs=tabulate_runs(opened),
        differing=differing, tables=compare_results(opened),
    )  # fmt: skip
    target.write_text(page, encoding="utf-8")
    return target


@same_for_everybody()
def draw_page(run: Opened) -> str:
    """The page of a run."""
    scenario, record = run.scenario, run.record
    sent, cells = find_sent(run), judge_attacks(run)
    summary = answer_run(run, cells)
    made = make_tables(scenario, run.rows)
    table_5 = next((table for table in made if table.title.startswith(TABLE_5)), None)
    others = tuple(table for table in made if table is not table_5)
    labels, classes = record.get("labels", {}), record["classes"]  # no labels: a run from before they were recorded
    has_names = bool(labels) and max(len(labels), len(classes)) <= holdings.MOST_NAMES
    strips, left_out = make_strips(run.pictures, classes)
    shown = [entity for entity in scenario.entities if entity.name in run.sheets]
    sheets = {f"{entity.name}: {entity.protection}": run.sheets[entity.name] for entity in shown}
    curves = make_curves(run.losses, record.get("jobs", {}))
    beside = facts.tabulate_printed(run.rows)
    reference = name_reference(result.row for result in run.rows)
    parts: dict[str, Any] = {
        "failures": find_failures(run, cells), "what_to_do": WHAT_TO_DO,
        "notice": FOR_CHOOSING if scenario.data.is_for_choosing else "",
        "run": run, "record": {"collab": "", "failures": {}, **record}, "refused": facts.list_refusals(record),
        "source": run.source, "summary": summary, "bars": make_bars(scenario, run.rows),
        "glance": facts.tabulate_answers(summary, sent, scenario.data.main_metric, reference),
        "meanings": MEANINGS, "table_5": table_5, "tables": others, "not_measured": facts.list_unmeasured(made),
        "sheet": make_contact_sheet(sheets),
        "decoded": make_decoded_sheet(run.exhibits), "maps": draw_feature_maps(run.exhibits),
        "beside": beside, "strips": strips, "strips_left_out": left_out, "curves": curves,
        "held": holdings.tabulate_holdings(labels, classes, holdings.describe_partition(scenario)) if labels else None,
        "label_map": holdings.draw_label_map(labels, classes) if labels else "",
        "counts": holdings.tabulate_counts(labels, classes) if has_names else None, "bytes": facts.tabulate_bytes(sent),
        "entropy": draw_entropy(scenario, run.rows), "exchange": draw_exchange(scenario, run.rows),
        "environment": facts.tabulate_environment(record), "stages": facts.tabulate_stages(record.get("jobs", {})),
    }  # fmt: skip
    contents = (
        ("answer", "The answer", True), ("table-5", "Table 5", table_5), ("tables", "Other tables", others),
        ("paper", "Beside the paper", beside), ("pictures", "Pictures", True), ("curves", "Training", True),
        ("labels", "Classes", labels), ("bytes", "Bytes", True), ("repeat", "How to repeat it", True),
    )  # fmt: skip
    shown_contents = [(anchor, title) for anchor, title, is_there in contents if is_there]
    return fill_in("page.html", scenario=scenario, contents=shown_contents, **parts)


@same_for_everybody()
def write_sweep_page(
    folder: Path,
    spec: Sweep,
    means: Sequence[Mean],
    rows: Sequence[Refinement],
    failures: Sequence[tuple[str, str]],
    missing: Sequence[str],
    *,
    verdicts: Sequence[Verdict] = (),
    sheets: Mapping[str, Sheet] | None = None,
    notice: str = "",
    worths: Sequence[tuple[Values, Worth]] = (),
    answer: Sequence[str] = (),
    failed_defenses: Sequence[str] = (),
    found: Sequence[tuple[Values, Sequence[Got]]] = (),
) -> Path:
    """Draws `report.html` of a sweep: curves, frontiers, pictures, verdicts, means, what failed.

    `rows` are those of the scenarios; `sheets` are named by the values of their cell, and the entity if there are more.
    `failed_defenses`, `notice` and `answer` are to be read first; `worths` are what rows keep of plain sharing, where
    the axes stand as they say. `found` is what attacks got in each cell.
    """
    axes = [CELL] if spec.combine == "star" else [axis.vary for axis in spec.axes]
    means = name_points(spec, means)
    at_points: dict[Point, list[Sequence[Got]]] = {}
    for values, got in found:
        at_points.setdefault(find_point(spec, values), []).append(got)
    attacked = gather_attacked(means, at_points)
    main = find_main_metric(mean.metric for mean in means)
    has_seeds = any((mean.figure.n or 0) > 1 for mean in means)
    over = "held-out images and seeds together" if has_seeds else "held-out images; one seed, see --seeds"
    band = f"Bands, or bars over names: 95 % interval over {over}."
    target = folder / "report.html"
    base = {axis.vary: axis.values[0] for axis in spec.axes}
    is_line = bool(axes) and spec.combine != "star"
    page = fill_in(
        "sweep.html", spec=spec, failed_defenses=failed_defenses, answer=answer, axes=axes, main=main, missing=missing,
        band=band, notice=notice,
        curves=draw_accuracy(means, axes, {str(row.name): describe(row) for row in rows}) if is_line else "",
        worths=tabulate_worths(main, base, worths), worth=draw_worths(main, base, worths),
        poisoning=draw_poisoning(means, axes) if is_line else "", poisoned=tabulate_poisoning(means, axes),
        frontier=draw_frontier(means, axes, pick_headline_gains(means, rows)),
        attacks=tabulate_attacked(main, axes, attacked), attacked=draw_attacked_frontier(main, attacked),
        costs=draw_costs(means, axes) if axes else "", sheet=make_contact_sheet(sheets or {}),
        verdicts=tabulate_verdicts(verdicts, OVER_SEEDS) if verdicts else None,
        local=tabulate_gains(means, axes, rows, LOCAL), gains=tabulate_gains(means, axes, rows),
        means=tabulate_means(means, axes),
        failures=Table("Cells that failed", ("cell", "why"), tuple(failures)),
    )  # fmt: skip
    target.write_text(page, encoding="utf-8")
    return target
