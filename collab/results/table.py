"""Results: one tidy Parquet table for each run, and a line of JSON for each event while it runs. Free of torch."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from collab.errors import StoreError, is_full_disk
from collab.plain_json import json_text
from collab.results.figure import Figure
from collab.scenario import stage_rows
from collab.store.answers import Answers, read_answers, write_answers
from collab.store.tables import VERSION_KEY, open_table, read_table, write_table


@dataclass(frozen=True)
class Result:
    """One number of a run, where it comes from, and what the paper says of it; None is what was not measured or stated.

    `row` names a line of a table ("7", "c_own_a1"), or of an attack who attacks ("by a1"); `entity` is whose number it
    is, of an attack the victim. `low` and `high` bound the 95 % interval over `n` images, `paper` is the published
    figure and `verdict` what became of it here; `seconds` is the time of the stage on `device`. No two rows of a table
    agree in all of `KEY`. docs/results.md explains every column and metric. No columns, but kept beside the table, are
    `answers`, what each held-out image got; `of_seeds` are the results that this one is the mean of, in a sweep.
    """

    scenario: str
    row: str
    entity: str | None
    defense: str | None
    attack: str | None
    metric: str
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    seed: int | None = None
    paper: float | None = None
    verdict: str | None = None
    seconds: float | None = None
    device: str | None = None
    answers: Answers | None = field(default=None, compare=False, repr=False)
    of_seeds: tuple["Result", ...] = field(default=(), compare=False, repr=False)

    def columns(self) -> dict[str, Any]:
        """Its columns in results.parquet."""
        return {column.name: getattr(self, column.name) for column in RESULT_FIELDS}

    @property
    def figure(self) -> Figure | None:
        """The number with its interval; None where there is none."""
        return None if self.value is None else Figure(self.value, self.low, self.high, self.n)


RESULT_FIELDS = [
    pa.field("scenario", pa.string(), nullable=False),
    pa.field("row", pa.string(), nullable=False),
    pa.field("entity", pa.string()),
    pa.field("defense", pa.string()),
    pa.field("attack", pa.string()),
    pa.field("metric", pa.string(), nullable=False),
    *(pa.field(name, pa.float64()) for name in ("value", "low", "high")),
    *(pa.field(name, pa.int64()) for name in ("n", "seed")),
    pa.field("paper", pa.float64()),
    pa.field("verdict", pa.string()),
    pa.field("seconds", pa.float64()),
    pa.field("device", pa.string()),
]
"""The columns of results, in their order."""

KEY = ("scenario", "row", "entity", "attack", "metric", "seed")
"""The columns that tell rows apart: no two rows of a table have the same values in all of them."""

_SCHEMA = pa.schema(RESULT_FIELDS, metadata={VERSION_KEY: "1"})


def write_results(path: Path, rows: Sequence[Result]) -> None:
    """Replaces the table at `path` by `rows`, in their order, and puts what each held-out image got beside it.

    Raises StoreError if a value does not fit its column, or two rows have one key.
    """
    told = [row.columns() for row in rows]
    refuse_repeats(told, KEY, what="the results")
    kept = {(row.row, row.entity or "", row.metric): row.answers for row in rows if row.answers is not None}
    if kept:  # first: whoever finds the results takes them for complete
        write_answers(answers_beside(path), kept)
    write_table(path, _SCHEMA, told, what="the results")


def answers_beside(path: Path) -> Path:
    """Where answers lie of the results at `path`: `answers.parquet` beside `results.parquet`."""
    return path.with_name("answers.parquet" if path.stem == "results" else f"{path.stem}-answers.parquet")


def refuse_repeats(rows: Sequence[Mapping[str, Any]], key: Sequence[str], *, what: str) -> None:
    """Raises StoreError, which names the first key that two rows have."""
    seen = set[tuple[Any, ...]]()
    for row in rows:
        values = tuple(row[name] for name in key)
        if values in seen:
            told = ", ".join(f"{name} {value!r}" for name, value in zip(key, values, strict=True))
            raise StoreError(f"{what}: two rows have the key {told}. A stage has measured this twice; look there.")
        seen.add(values)


def read_results(path: Path) -> list[Result]:
    """The rows of the table at `path`, in their order, with the answers beside it.

    StoreError if there is none, or one of another version.
    """
    answers = read_answers(answers_beside(path))
    rows = [Result(**row) for row in read_table(path, _SCHEMA, what="the results")]
    # An attack's figures are of its victim's images, never of held-out ones.
    return [
        replace(row, answers=None if row.attack else answers.get((row.row, row.entity or "", row.metric)))
        for row in rows
    ]


def open_results(path: Path) -> pa.Table:
    """The table at `path` as Arrow; StoreError if there is none, or one of another version."""
    return open_table(path, _SCHEMA, what="the results")


def append_metrics(path: Path, event: Mapping[str, Any]) -> None:
    """Adds one line of JSON to `path`, whole even if several processes write; what is not finite becomes null.

    An event is for whoever looks: one for which a disk has no room is lost, in part perhaps, and ends nothing. Raises
    StoreError if it cannot be written for another reason.
    """
    try:
        line = json_text(event) + "\n"
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(descriptor, line.encode())  # one call: appending is atomic, nothing waits in a buffer
        finally:
            os.close(descriptor)
    except (OSError, TypeError, ValueError) as error:
        if is_full_disk(error):
            return
        raise StoreError(f"an event cannot be written to {path}: {error}.") from error


def parse_metrics(lines: Iterable[str | bytes]) -> Iterator[dict[str, Any]]:
    """The events in lines that `append_metrics` wrote, without those that a full disk has cut."""
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        yield event


def drop_verdicts(rows: Iterable[Result]) -> tuple[Result, ...]:
    """The rows without those of verdicts, which follow from the others; pages draw them from these anew."""
    return tuple(result for result in rows if result.row != stage_rows.VERDICT)
