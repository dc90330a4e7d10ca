"""Small Parquet tables with a schema and its version: equal rows give equal bytes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from collab.errors import StoreError
from collab.store.files import open_regular, place_file

VERSION_KEY = b"collab.schema_version"


def write_table(path: Path, schema: pa.Schema, rows: Sequence[dict[str, Any]], *, what: str) -> None:
    """Replaces `path` by a table of `rows`; StoreError if a value does not fit or the file cannot be written."""
    try:
        table = pa.Table.from_pylist(list(rows), schema=schema)
        table.validate(full=True)
        for column in schema:
            if not column.nullable and table.column(column.name).null_count:
                raise ValueError(f"column {column.name!r} has a row without a value")
            if pa.types.is_integer(column.type) and any(isinstance(row[column.name], float) for row in rows):
                raise ValueError(f"column {column.name!r} takes whole numbers")  # Arrow would cut off the fraction
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        raise StoreError(f"{what}: a value does not fit its column: {error}.") from error
    place_file(
        path.parent, path.name, lambda file: parquet.write_table(table, file, compression="zstd"), what=what, mode=0o644
    )


def read_parquet(source: Any) -> pa.Table:
    """The table in an open file or a buffer, read by the calling thread alone.

    `parquet.read_table` reads in threads of Arrow's, which let go of `source`, an object of Python's, when they like:
    a process that ends meanwhile aborts ("terminate called without an active exception").
    """
    return parquet.ParquetFile(source, pre_buffer=False).read(use_threads=False)


def open_table(path: Path, schema: pa.Schema | None = None, *, what: str) -> pa.Table:
    """A table that has exactly `schema`, where one is given; StoreError if there is none or another."""
    try:
        with open_regular(path) as file:
            table = read_parquet(pa.BufferReader(file.read()))  # Arrow asks an object of Python's for each piece
    except FileNotFoundError as error:
        raise StoreError(f"{what}: there is no file {path}.") from error
    except (pa.ArrowException, OSError) as error:
        raise StoreError(f"{what}: {path} is no Parquet file: {error}.") from error
    version = dict(table.schema.metadata or {}).get(VERSION_KEY)
    if schema is not None and (not table.schema.equals(schema) or version != schema.metadata[VERSION_KEY]):
        raise StoreError(
            f"{what}: {path} has version {version!r} and columns {table.schema.names}; "
            f"this program reads version {schema.metadata[VERSION_KEY]!r} with {schema.names}."
        )
    return table


def read_table(path: Path, schema: pa.Schema, *, what: str) -> list[dict[str, Any]]:
    """The rows of a table that has exactly `schema`; StoreError if there is none or another."""
    rows: list[dict[str, Any]] = open_table(path, schema, what=what).to_pylist()
    return rows
