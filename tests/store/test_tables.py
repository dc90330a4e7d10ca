"""Results, ledger and metrics: tidy, deterministic, and free of torch."""

import errno
import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from collab.errors import StoreError
from collab.results.table import KEY, RESULT_FIELDS, Result, append_metrics, parse_metrics, read_results, write_results
from collab.store.ledger import read_ledger, write_ledger
from collab.types import Crossing

FULL = Result("table5", "7", "ann", "dpm", "inversion", "top1", 0.5, 0.4, 0.6, 1000, 3, 0.55, "within", 12.5, "cpu")
BARE = Result("table5", "c_own", None, None, None, "top1", None)
CROSSING = Crossing("publish", "ann", "everyone", "shard", "f" * 64, 1 << 40, "float16", (20, 64, 16, 16))

texts = st.none() | st.text(max_size=8)
numbers = st.none() | st.floats(allow_nan=False)
counts = st.none() | st.integers(-(1 << 63), (1 << 63) - 1)
some_rows = st.builds(
    Result,
    *(st.text(max_size=8), st.text(max_size=8), texts, texts, texts, st.text(max_size=8)),
    *(numbers, numbers, numbers, counts, counts, numbers, texts, numbers, texts),
)


@given(rows=st.lists(some_rows, max_size=5, unique_by=attrgetter(*KEY)))
def test_rows_come_back_in_order(rows: list[Result], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "results.parquet"
    write_results(path, rows)
    assert read_results(path) == rows


def test_the_columns_are_those_of_the_design() -> None:
    listed = "scenario row entity defense attack metric value low high n seed paper verdict seconds device"
    assert [column.name for column in RESULT_FIELDS] == listed.split()


def test_equal_rows_are_equal_bytes_and_others_are_not(tmp_path: Path) -> None:
    def content(*rows: Result) -> bytes:
        write_results(tmp_path / "results.parquet", rows)
        return (tmp_path / "results.parquet").read_bytes()

    assert content(FULL, BARE) == content(FULL, BARE)
    assert content(FULL, BARE) != content(BARE, FULL)
    assert content(FULL) != content(replace(FULL, value=math.nextafter(0.5, 1)))


def test_pandas_opens_results_as_they_are(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    write_results(tmp_path / "results.parquet", [FULL, BARE])
    frame = pandas.read_parquet(tmp_path / "results.parquet")
    assert list(frame.columns) == [column.name for column in RESULT_FIELDS]
    assert frame.value[0] == 0.5
    assert frame.value.isna().tolist() == [False, True]
    assert frame.row.tolist() == ["7", "c_own"]


@pytest.mark.parametrize(
    "change", [{"metric": None}, {"row": 7}, {"value": "high"}, {"n": 1.5}, {"seed": 1 << 63}, {"scenario": None}]
)
def test_a_value_that_does_not_fit_its_column_is_refused(change: dict[str, Any], tmp_path: Path) -> None:
    wrong = replace(FULL)
    for name, value in change.items():
        object.__setattr__(wrong, name, value)  # past a constructor that may check types
    with pytest.raises(StoreError, match="the results"):
        write_results(tmp_path / "results.parquet", [FULL, wrong])
    assert not list(tmp_path.iterdir())


def test_what_is_no_results_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.parquet"
    with pytest.raises(StoreError, match="no file"):
        read_results(path)
    path.write_bytes(b"PAR1")
    with pytest.raises(StoreError, match="no Parquet"):
        read_results(path)
    write_ledger(path, [CROSSING])
    with pytest.raises(StoreError, match="columns"):
        read_results(path)
    write_results(path, [FULL])
    table = parquet.read_table(path)
    path.unlink()
    parquet.write_table(table.replace_schema_metadata({"collab.schema_version": "2"}), path)
    with pytest.raises(StoreError, match="version b'2'"):
        read_results(path)
    parquet.write_table(pa.table({"x": [1]}), path)
    with pytest.raises(StoreError, match="version None"):
        read_results(path)


def test_the_ledger_comes_back(tmp_path: Path) -> None:
    crossings = [CROSSING, replace(CROSSING, shape=(), kind="card"), replace(CROSSING, time=1.5e9 + 0.25)]
    path = tmp_path / "ledger.parquet"
    write_ledger(path, crossings)
    assert read_ledger(path) == crossings
    content = path.read_bytes()
    write_ledger(path, crossings)
    assert path.read_bytes() == content
    write_ledger(path, [])
    assert read_ledger(path) == []


def test_metrics_are_lines_of_json(tmp_path: Path) -> None:
    path = tmp_path / "run" / "metrics.jsonl"
    append_metrics(path, {"entity": "ann", "loss": 0.5, "text": "two\nlines"})
    append_metrics(path, {"loss": float("nan"), "psnr": float("inf"), "epoch": 3})
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == [{"entity": "ann", "loss": 0.5, "text": "two\nlines"}, {"loss": None, "psnr": None, "epoch": 3}]
    with pytest.raises(StoreError, match="an event"):
        append_metrics(path, {"path": path})
    with pytest.raises(StoreError, match="an event"):
        append_metrics(tmp_path, {"loss": 1})


def test_an_event_for_which_a_disk_has_no_room_is_lost_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, honest, left = tmp_path / "metrics.jsonl", os.write, [40]

    def fills_up(descriptor: int, content: bytes) -> int:
        if not left[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = honest(descriptor, content[: left[0]])
        left[0] -= taken
        return taken

    append_metrics(path, {"epoch": 1})
    monkeypatch.setattr(os, "write", fills_up)
    for number in range(2, 6):
        append_metrics(path, {"epoch": number, "text": "a line"})
    monkeypatch.setattr(os, "write", honest)
    append_metrics(path, {"epoch": 6})
    append_metrics(path, {"epoch": 7})
    assert [event["epoch"] for event in parse_metrics(path.read_text().splitlines())] == [1, 2, 7]


def test_torch_is_not_imported() -> None:
    names = [f"store.{name}" for name in ("ledger", "tables", "files", "names", "manifest", "private")]
    program = (
        "".join(f"import collab.{name}\n" for name in ("results.table", *names))
        + "import sys; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
