"""One offline HTML page from the files of a run."""

import json
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from collab.report.tables import tables
from collab.scenario.reader import read_scenario
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
    environment = Environment(
        loader=PackageLoader("collab.report", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    page = environment.get_template("page.html").render(
        scenario=scenario,
        tables=tables(scenario, rows),
        bytes_sent=bytes_sent,
        record=record,
        source=(run / "scenario.yaml").read_text(encoding="utf-8"),
    )
    target = run / "report.html"
    target.write_text(page, encoding="utf-8")
    return target
