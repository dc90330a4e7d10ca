"""Reading a table leaves nobody behind who still holds it: else a process that ends then aborts, one in a hundred."""

import io
import threading

import pyarrow as pa
from pyarrow import parquet

from collab.store.tables import read_parquet


class Watched(io.BytesIO):
    """A file that notes which threads read it."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.readers = set[int]()

    def read(self, size: int | None = -1, /) -> bytes:
        self.readers.add(threading.get_ident())
        return super().read(size)


def watched(table: pa.Table) -> Watched:
    file = io.BytesIO()
    parquet.write_table(table, file)
    return Watched(file.getvalue())


TABLE = pa.table({f"column {number}": list(range(1000)) for number in range(20)})


def test_a_table_is_read_by_the_calling_thread_alone() -> None:
    file = watched(TABLE)
    assert read_parquet(file).equals(TABLE)
    assert file.readers == {threading.get_ident()}


def test_others_read_it_where_arrow_may_choose() -> None:
    """The guard of the test above: what it watches for does happen."""
    file = watched(TABLE)
    parquet.read_table(file)
    assert file.readers - {threading.get_ident()}
