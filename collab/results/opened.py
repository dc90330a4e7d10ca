"""A run directory as the report reads it: plain files, no torch, nothing that is not there."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from collab.errors import StoreError
from collab.results.catalog import Entry, add_entries
from collab.results.results import Results
from collab.results.table import Result, drop_verdicts, read_results
from collab.scenario.model import Scenario
from collab.scenario.reader import read_scenario
from collab.store.ledger import read_ledger
from collab.store.pictures import Exhibit, Pictures, Sheet, read_pictures
from collab.types import Crossing

Losses = tuple[tuple[float, ...], ...]
"""The mean loss of each epoch of each minimization of a stage."""


@dataclass(frozen=True)
class Opened:
    """What a run left: `source` is the text of its scenario, `losses` are by job.

    Losses are None where the job came from a cache from before they were kept. `rows` are without those of verdicts,
    which pages draw from the others.
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
        return cls(folder, scenario, "", drop_verdicts(rows), (), record, {}, {}, {}, {})

    @cached_property
    def results(self) -> Results:
        """Its rows, to be asked for; found by their keys once, for all that is drawn of them."""
        return Results(self.rows)

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
    add_entries(Entry(**each | {"forms": tuple(each["forms"])}) for each in record.get("metrics", ()))
    scenario = read_scenario(folder / "scenario.yaml", check_paths=False, check_plugins=False).scenario
    folders = {entity.name: folder / "pictures" / entity.name for entity in scenario.entities}
    return Opened(
        folder=folder,
        scenario=scenario,
        source=(folder / "scenario.yaml").read_text(encoding="utf-8"),
        rows=drop_verdicts(read_results(folder / "results.parquet")),
        crossings=tuple(read_ledger(folder / "ledger.parquet")),
        record=record,
        pictures={name: shown for name, of in folders.items() if (shown := read_pictures(of, Pictures)) is not None},
        sheets={name: sheet for name, of in folders.items() if (sheet := read_pictures(of, Sheet)) is not None},
        exhibits={name: exhibit for name, of in folders.items() if (exhibit := read_pictures(of, Exhibit)) is not None},
        losses={
            name: None if job.get("losses") is None else tuple(map(tuple, job["losses"]))
            for name, job in record.get("jobs", {}).items()
        },
    )
