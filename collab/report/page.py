"""One offline HTML page from the files of a run, or from the means of a sweep."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from collab.report.aggregate import Mean
from collab.report.curves import accuracy_curves, frontier
from collab.report.labels import MOST_NAMES, held_labels, label_map
from collab.report.poisoning import poisoning_curves, poisoning_table
from collab.report.tables import describe, tables
from collab.scenario.model import Refinement
from collab.scenario.reader import read_scenario
from collab.scenario.sweep import Sweep
from collab.store.ledger import read_ledger
from collab.store.results import read_results


def write_page(run: Path) -> Path:
    """Draws `report.html` of a run directory, from its scenario, results, ledger and record alone."""
    scenario = read_scenario(run / "scenario.yaml", check_paths=False, check_plugins=False).scenario
    rows = read_results(run / "results.parquet")
    sent: dict[str, int] = {}
    for crossing in read_ledger(run / "ledger.parquet"):
        if crossing.kind == "shard" and crossing.stage == "publish":
            sent[crossing.sender] = sent.get(crossing.sender, 0) + crossing.bytes
    record = json.loads((run / "record.json").read_text())
    side = scenario.data.image_size
    bytes_sent = [
        (name, record["images"][name], size, size / record["images"][name], 3 * side * side)
        for name, size in sent.items()
    ]
    source = (run / "scenario.yaml").read_text(encoding="utf-8")
    target = run / "report.html"
    parts = {"tables": tables(scenario, rows), "bytes_sent": bytes_sent, "record": record, "source": source}
    labels, classes = record.get("labels", {}), record["classes"]  # no labels: a run from before they were recorded
    parts |= {
        "held": held_labels(labels, classes),
        "label_map": label_map(labels, classes) if labels else "",
        "has_counts": max(len(labels), len(classes)) <= MOST_NAMES,
    }
    target.write_text(_drawn("page.html", scenario=scenario, **parts), encoding="utf-8")
    return target


def write_sweep_page(
    folder: Path,
    spec: Sweep,
    found: Sequence[Mean],
    rows: Sequence[Refinement],
    failures: Sequence[tuple[str, str]],
    missing: Sequence[str],
) -> Path:
    """Draws `report.html` of a sweep: curves, frontier, means, what failed; `rows` are those of the scenarios."""
    axes = [axis.vary for axis in spec.axes]
    pooled = {str(row.row) for row in rows if row.pool}
    top1 = [each for each in found if each.metric == "top1"]
    is_banded = any(each.low is not None for each in top1)
    band = "Bands: 95 % interval of the mean over seeds (Student)." if is_banded else "One seed: no bands; see --seeds."
    target = folder / "report.html"
    page = _drawn(
        "sweep.html", spec=spec, axes=axes or ["seed"], top1=top1, failures=failures, missing=missing, band=band,
        curves=accuracy_curves(found, axes or ["all cells"], {str(row.row): describe(row) for row in rows}),
        poisoning=poisoning_curves(found, axes or ["all cells"]), poisoned=poisoning_table(found),
        frontier=frontier(found, axes, pooled) if pooled else "",
    )  # fmt: skip
    target.write_text(page, encoding="utf-8")
    return target


def _drawn(template: str, **parts: Any) -> str:
    environment = Environment(
        loader=PackageLoader("collab.report", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template(template).render(**parts)
