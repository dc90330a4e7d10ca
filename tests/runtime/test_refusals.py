"""What a hostile publisher leaves in the store is refused by name, and everything else goes on."""

import hashlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import ipc

from collab.report.pages.page import write_page
from collab.results.table import Result
from collab.runtime.host import Event
from collab.runtime.play import Played, Where, play
from collab.scenario.model import Scenario
from collab.store.ledger import read_ledger
from collab.store.manifest import parse_manifest_name, read_manifest, shard_path

ROW, TASK = "9", "refine a3 row 9"  # a3 on its own features and those of a1 and a2


def shard_of(store: Path) -> Path:
    return next((store / "entity=a2").glob("*.arrow"))


def manifest_of(store: Path) -> Path:
    return next(path for path in (store / "manifest").iterdir() if (parse_manifest_name(path.name) or ("",))[0] == "a2")


def replaced(path: Path, content: bytes) -> None:
    path.unlink()  # the cache has links to the same file
    path.write_bytes(content)


def flipped(store: Path) -> None:
    content = bytearray(shard_of(store).read_bytes())
    content[len(content) // 2] ^= 1
    replaced(shard_of(store), bytes(content))


def linked(store: Path) -> None:
    path = shard_of(store)
    os.symlink(path.rename(path.with_suffix(".real")), path)


def restated(store: Path, **change: object) -> None:
    path = manifest_of(store)
    told = json.loads(path.read_text()) | change
    replaced(path, json.dumps(told).encode())


def rewritten(store: Path, change: Callable[[dict[str, np.ndarray]], object], **how: object) -> None:
    """The shard of a2 written anew by somebody who knows the format, with a manifest that agrees."""
    path = shard_of(store)
    table = ipc.open_file(path).read_all()
    columns = {
        "x": table.column("x").combine_chunks().storage.values.to_numpy().copy(),
        "y": table.column("y").to_numpy().copy(),
        "row_id": table.column("row_id").to_numpy().copy(),
    }
    change(columns)
    width = table.schema.field("x").type.storage_type.list_size
    x = pa.FixedSizeListArray.from_arrays(pa.array(columns["x"]), width)
    arrays = [pa.ExtensionArray.from_storage(table.schema.field("x").type, x)]
    arrays += [pa.array(columns[name]) for name in ("y", "row_id")]
    metadata = dict(table.schema.metadata) | how.get("metadata", {})  # type: ignore[operator]
    schema = table.schema.with_metadata(metadata)
    made = path.with_suffix(".made")
    with ipc.new_file(str(made), schema, options=ipc.IpcWriteOptions(compression=how.get("compression"))) as writer:
        for start in range(0, len(columns["y"]), 256):
            batch = [array.slice(start, 256) for array in arrays]
            writer.write_batch(pa.RecordBatch.from_arrays(batch, schema=schema))
    content = made.read_bytes()
    made.unlink()
    path.unlink()
    digest = hashlib.sha256(content).hexdigest()
    (store / shard_path("a2", digest)).write_bytes(content)
    restated(store, sha256=digest, path=shard_path("a2", digest), bytes=len(content))


def contradicted(store: Path) -> None:
    record = read_manifest(manifest_of(store))
    other = replace(record, featurizer="e" * 64)
    (store / "manifest" / f"000002-a2-{'0' * 32}.json").write_text(json.dumps(asdict(other)))


SPOILED: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated": (lambda store: replaced(shard_of(store), shard_of(store).read_bytes()[:-100]), "cut short"),
    "bit flipped": (flipped, "it was altered"),
    "over-long": (lambda store: replaced(shard_of(store), shard_of(store).read_bytes() + bytes(9)), "added to"),
    "a compressed bomb": (
        lambda store: rewritten(store, lambda it: it["x"].fill(0), compression="zstd"),
        "rows of .* take",
    ),
    "labels out of range": (lambda store: rewritten(store, lambda it: it["y"].__setitem__(0, 7)), "labels reach"),
    "NaN": (lambda store: rewritten(store, lambda it: it["x"].__setitem__(3, np.nan)), "not finite"),
    "infinity": (lambda store: rewritten(store, lambda it: it["x"].__setitem__(3, np.inf)), "not finite"),
    "another featurizer": (
        lambda store: rewritten(store, lambda it: None, metadata={b"featurizer": b"e" * 64}),
        "featurizer is b'e",
    ),
    "another shape": (lambda store: rewritten(store, lambda it: None, metadata={b"shape": b"1,2,3"}), "shape is b'1"),
    "another type": (lambda store: rewritten(store, lambda it: None, metadata={b"dtype": b"int8"}), "dtype is b'int8"),
    "a link": (linked, "no regular file"),
    "a missing file": (lambda store: shard_of(store).unlink(), "there is no file"),
    "a path out of the store": (lambda store: restated(store, path="../../release/decider.safetensors"), "path is"),
    "a name of somebody else": (lambda store: restated(store, entity="a1"), "path is|name does not say"),
    "a manifest that is none": (lambda store: replaced(manifest_of(store), b"{"), "is no JSON"),
    "two manifests for one shard": (contradicted, "say different things of one shard"),
}


@pytest.fixture(scope="module")
def honest(small: Callable[..., Scenario], played: Played) -> dict[str, Result]:
    """Row 9 as it comes out with an honest a2."""
    return measured(small, played, lambda store: None, rate=0.011)[0]


def measured(
    small: Callable[..., Scenario], played: Played, spoil: Callable[[Path], object], rate: float = 0.01
) -> tuple[dict[str, Result], Played]:
    """Row 9 when the store is spoiled right after a2 has published; all earlier stages come from the cache.

    Another `rate` of refining makes row 9 be played anew.
    """
    out = played.run.parents[1]

    def watch(event: Event) -> None:
        if event.get("job") == "publish a2" and event["event"] in ("done", "cached"):
            spoil(max(out.glob("tiny/*"), key=lambda run: run.stat().st_mtime_ns) / "store")

    found = play(small(f"refine.learning_rate={rate}"), Where("inprocess", out=out, only=TASK), watch)
    return {row.metric: row for row in found.rows if row.row == ROW}, found


@pytest.mark.parametrize("name", SPOILED)
def test_a_spoiled_shard_is_refused_by_name_and_nothing_else_is_lost(
    name: str, small: Callable[..., Scenario], played: Played, honest: dict[str, Result]
) -> None:
    spoil, reason = SPOILED[name]
    found, run = measured(small, played, spoil)
    assert found["refused[a2]"].value == 1
    assert found["rows_from[a2]"].value == 0
    assert "refused[a2]" not in honest
    assert found["rows_from[a1]"].value == honest["rows_from[a1]"].value > 0
    assert found["rows"].value == honest["rows"].value - honest["rows_from[a2]"].value
    told = json.loads((run.run / "record.json").read_text())["facts"][TASK]
    assert list(told) == ["refused[a2]"]
    assert re.search(reason, told["refused[a2]"])
    assert "refused[a2]" in write_page(run.run).read_text()
    read = {each.sender for each in read_ledger(run.run / "ledger.parquet") if each.stage == "refine"}
    assert read == {"a1", "a3"}  # what was refused was not taken; a3 reports


def test_what_was_refused_once_is_not_remembered_as_a_result(
    small: Callable[..., Scenario], played: Played, honest: dict[str, Result]
) -> None:
    spoiled, _ = measured(small, played, flipped, rate=0.012)
    again, _ = measured(small, played, lambda store: None, rate=0.012)
    assert again["rows"].value == honest["rows"].value
    assert "refused[a2]" in spoiled
    assert "refused[a2]" not in again
