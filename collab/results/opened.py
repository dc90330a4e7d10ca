"""A run directory as the report reads it: plain files, no torch, nothing that is not there."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collab.errors import StoreError
from collab.results.table import Result, measured, read_results
from collab.scenario.model import Scenario
from collab.scenario.reader import read_scenario
from collab.store.ledger import read_ledger
from collab.store.pictures import Exhibit, Pictures, Sheet, read_pictures
from collab.types import Crossing

Losses = tuple[tuple[float, ...], ...]
"""The mean loss of each epoch of each minimization of a stage."""


@dataclass(frozen=True)
class Opened:
    """What a run left: `losses` by job, None where neither record nor events have them; `source` is the scenario.

    `rows` are without those of verdicts, which pages draw from the others.
    """

    folder: Path
    scenario: Scenario
    source: str
    rows: tuple[Result, ...]
    crossings: tuple[Crossing, ...]
    record: Mapping[str, Any]
    pictures: Mapping[str, Pictures]
    losses: Mapping[str, Losses | None]
    sheets: Mapping[str, Sheet]
    exhibits: Mapping[str, Exhibit]

    @classmethod
    def of_results(
        cls, folder: Path, scenario: Scenario, rows: Sequence[Result], record: Mapping[str, Any]
    ) -> "Opened":
        """The results and the record alone, of a run that is still being written."""
        return cls(folder, scenario, "", measured(rows), (), record, {}, {}, {}, {})

    @property
    def name(self) -> str:
        """The name of the run's folder: when it began."""
        return self.folder.name


def open_run(folder: Path) -> Opened:
    """Reads the files of a run; StoreError if `folder` is none, or was stopped before it wrote its results."""
    folder = folder.resolve()
    missing = [name for name in ("scenario.yaml", "results.parquet", "record.json") if not (folder / name).is_file()]
    if missing:
        raise StoreError(
            f"{folder} is no run that ended: there is no {', '.join(missing)}. "
            "Name a run directory, as `collab run` prints it (runs/<scenario>/<run>)."
        )
    try:
        record = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    except ValueError as cause:
        raise StoreError(f"{folder / 'record.json'} is no JSON: {cause}. Run the scenario again.") from cause
    scenario = read_scenario(folder / "scenario.yaml", check_paths=False, check_plugins=False).scenario
    found = {entity.name: read_pictures(folder / "pictures" / entity.name, Pictures) for entity in scenario.entities}
    sheets = {entity.name: read_pictures(folder / "pictures" / entity.name, Sheet) for entity in scenario.entities}
    exhibits = {entity.name: read_pictures(folder / "pictures" / entity.name, Exhibit) for entity in scenario.entities}
    return Opened(
        folder=folder,
        scenario=scenario,
        source=(folder / "scenario.yaml").read_text(encoding="utf-8"),
        rows=measured(read_results(folder / "results.parquet")),
        crossings=tuple(read_ledger(folder / "ledger.parquet")),
        record=record,
        pictures={name: pictures for name, pictures in found.items() if pictures is not None},
        sheets={name: sheet for name, sheet in sheets.items() if sheet is not None},
        exhibits={name: exhibit for name, exhibit in exhibits.items() if exhibit is not None},
        losses=_losses(record.get("jobs", {}), folder / "metrics.jsonl"),
    )


def _losses(jobs: Mapping[str, Mapping[str, Any]], events: Path) -> dict[str, Losses | None]:
    """From the record; for a run of before it had them, from the events of what this run played itself."""
    heard: dict[str, list[list[float]]] = {}
    if any("losses" not in job for job in jobs.values()) and events.is_file():
        with events.open(encoding="utf-8") as lines:
            heard = curves_of_events(lines)
    found: dict[str, Losses | None] = {}
    for name, job in jobs.items():
        kept = job.get("losses", heard.get(name, None if job.get("cached") else []))
        found[name] = None if kept is None else tuple(tuple(curve) for curve in kept)
    return found


def curves_of_events(lines: Iterable[str]) -> dict[str, list[list[float]]]:
    """Losses by job from lines of metrics.jsonl; where the number of the epoch does not rise, a new curve begins."""
    found: dict[str, list[list[float]]] = {}
    last: dict[str, int] = {}
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:  # the last line of a run that was killed
            continue
        if event.get("event") != "epoch" or event.get("loss") is None:
            continue
        job, epoch = str(event["job"]), int(event["epoch"])
        if epoch <= last.get(job, epoch):
            found.setdefault(job, []).append([])
        last[job] = epoch
        found[job][-1].append(float(event["loss"]))
    return found
