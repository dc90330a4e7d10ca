"""The ledger: every object that crossed an entity's boundary, as one Parquet table."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from collab.store.tables import VERSION_KEY, read_table, write_table
from collab.types import Crossing

_TEXTS = ("stage", "sender", "receiver", "kind", "digest")
_SCHEMA = pa.schema(
    [
        *(pa.field(name, pa.string(), nullable=False) for name in _TEXTS),
        pa.field("bytes", pa.int64(), nullable=False),
        pa.field("dtype", pa.string(), nullable=False),
        pa.field("shape", pa.list_(pa.field("element", pa.int64(), nullable=False)), nullable=False),
        pa.field("time", pa.timestamp("us", tz="UTC")),
    ],
    metadata={VERSION_KEY: "2"},
)


def write_ledger(path: Path, crossings: Sequence[Crossing]) -> None:
    """Replaces the ledger at `path` by `crossings`, in their order."""
    rows = [vars(crossing) | {"time": _moment(crossing.time)} for crossing in crossings]
    write_table(path, _SCHEMA, rows, what="the ledger")


def read_ledger(path: Path) -> list[Crossing]:
    """The crossings in the ledger at `path`, in their order; StoreError if there is none."""
    rows = read_table(path, _SCHEMA, what="the ledger")
    return [Crossing(**row | {"shape": tuple(row["shape"]), "time": _seconds(row["time"])}) for row in rows]


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
