"""The ledger: every object that crossed an entity's boundary, as one Parquet table."""

from collections.abc import Sequence
from dataclasses import asdict
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
    ],
    metadata={VERSION_KEY: "1"},
)


def write_ledger(path: Path, crossings: Sequence[Crossing]) -> None:
    """Replaces the ledger at `path` by `crossings`, in their order."""
    write_table(path, _SCHEMA, [asdict(crossing) for crossing in crossings], what="the ledger")


def read_ledger(path: Path) -> list[Crossing]:
    """The crossings in the ledger at `path`, in their order; StoreError if there is none."""
    return [Crossing(**row | {"shape": tuple(row["shape"])}) for row in read_table(path, _SCHEMA, what="the ledger")]
