"""Shards of tasks beyond classification: lists come back to the bit, and what is no attribute or angle is refused."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from pyarrow import ipc
from torch import Tensor

from collab.errors import ShardCorrupt, StoreError
from collab.store.files import json_bytes
from collab.store.shards import ShardSpec, Written, open_shard, write_shard
from collab.store.store import Store
from collab.tasks import TargetKind

SHAPE = (2, 3, 3)
FACE = ShardSpec(SHAPE, "float16", 4, "f" * 64, "binary")
POSE = ShardSpec(SHAPE, "float16", 3, "f" * 64, "degrees")


def rows(count: int, spec: ShardSpec) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(count, *SHAPE, generator=generator)
    if spec.target == "binary":
        return x, torch.randint(0, 2, (count, spec.classes), generator=generator).float()
    return x, 360 * torch.rand(count, spec.classes, generator=generator) - 180


@pytest.mark.parametrize("spec", [FACE, POSE], ids=lambda spec: spec.target)
@pytest.mark.parametrize("count", [1, 256, 300])
def test_lists_come_back_to_the_bit(spec: ShardSpec, count: int, tmp_path: Path) -> None:
    x, y = rows(count, spec)
    written = write_shard(tmp_path, [(x[:1], y[:1]), (x[1:], y[1:])], entity="a", spec=spec)
    found_x, found_y = open_shard(written.path, written, spec).load()
    assert torch.equal(found_x, x.half())
    assert torch.equal(found_y, y)
    assert found_y.dtype == torch.float32
    assert (written.rows, written.histogram) == (count, (count,))


@pytest.mark.parametrize(("spec", "value", "told"), [
    (FACE, 0.5, "neither 0 nor 1"), (FACE, -1.0, "neither 0 nor 1"), (FACE, float("nan"), "neither 0 nor 1"),
    (POSE, 180.5, "beyond 180 degrees"), (POSE, float("nan"), "not finite"), (POSE, float("-inf"), "not finite"),
])  # fmt: skip
def test_what_is_no_target_is_neither_written_nor_read(
    spec: ShardSpec, value: float, told: str, tmp_path: Path
) -> None:
    x, y = rows(5, spec)
    y[3, 1] = value
    with pytest.raises(StoreError, match=told):
        write_shard(tmp_path / "a", [(x, y)], entity="a", spec=spec)
    assert not list(tmp_path.rglob("*.arrow"))
    whole = write_shard(tmp_path, [rows(5, spec)], entity="a", spec=spec)
    forged = altered(whole, y.numpy())
    with pytest.raises(ShardCorrupt, match=told):
        open_shard(forged.path, forged, spec)


def altered(written: Written, targets: np.ndarray) -> Written:
    """The shard with other targets, as somebody who makes its record anew would write it."""
    with ipc.open_file(written.path) as file:
        batch, schema = file.get_batch(0), file.schema
    flat = pa.array(np.ascontiguousarray(targets).reshape(-1))
    column = pa.FixedSizeListArray.from_arrays(flat, type=schema.field("y").type)
    made = pa.RecordBatch.from_arrays([batch.column("x"), column, batch.column("row_id")], schema=schema)
    path = written.path.with_name("forged.arrow")
    with ipc.new_file(path, schema) as writer:
        writer.write_batch(made)
    content = path.read_bytes()
    return replace(written, path=path, sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))


@pytest.mark.parametrize("wrong", [
    torch.zeros(5, 3), torch.zeros(5), torch.zeros(5, 4, dtype=torch.int64), torch.zeros(5, 4, 1), torch.zeros(4, 4),
])  # fmt: skip
def test_targets_of_another_shape_or_type_are_refused(wrong: Tensor, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="a list of 4 floats for each image"):
        write_shard(tmp_path, [(torch.zeros(5, *SHAPE), wrong)], entity="a", spec=FACE)


@pytest.mark.parametrize("other", [
    ShardSpec(SHAPE, "float16", 4, "f" * 64), ShardSpec(SHAPE, "float16", 4, "f" * 64, "degrees"),
    ShardSpec(SHAPE, "float16", 5, "f" * 64, "binary"),
])  # fmt: skip
def test_a_shard_of_another_task_is_refused(other: ShardSpec, tmp_path: Path) -> None:
    written = write_shard(tmp_path, [rows(5, FACE)], entity="a", spec=FACE)
    with pytest.raises(ShardCorrupt, match="refused"):
        open_shard(written.path, written, other)


@pytest.mark.parametrize("spec", [FACE, POSE], ids=lambda spec: spec.target)
def test_a_manifest_names_the_target_and_verifies(spec: ShardSpec, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    record = store.publish("a", [rows(5, spec)], spec, run="r")
    assert record.target == f"{spec.target}:{spec.classes}"
    assert Store(tmp_path / "store").records("a") == (record,)
    assert store.open(record, spec).rows == 5
    assert {finding.problem for finding in store.verify()} == {""}


@pytest.mark.parametrize("target", ["binary", "binary:0", "class:4", 7, "degrees:3 "])
def test_a_manifest_with_another_target_is_refused(target: object, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    store.publish("a", [rows(5, FACE)], FACE, run="r")
    (manifest,) = (path for path in tmp_path.rglob("*.json"))
    content = json.loads(manifest.read_text())
    manifest.unlink()
    manifest.write_bytes(json_bytes(content | {"target": target}, what="a manifest"))
    with pytest.raises(ShardCorrupt, match="target is"):
        Store(tmp_path / "store").records("a")


def test_a_manifest_of_classes_does_not_mention_it(tmp_path: Path) -> None:
    kind: TargetKind = "class"
    spec = ShardSpec(SHAPE, "float16", 4, "f" * 64, kind)
    Store(tmp_path / "store").publish("a", [(torch.zeros(2, *SHAPE), torch.tensor([0, 3]))], spec, run="r")
    (manifest,) = (path for path in tmp_path.rglob("*.json"))
    assert "target" not in json.loads(manifest.read_text())
