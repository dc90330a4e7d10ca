"""Shards of answers: what comes back, and what is no answer about a public image is neither written nor read."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from pyarrow import ipc
from torch import Tensor

from collab.errors import ShardCorrupt, StoreError
from collab.store.distributions import find_distribution_mistake
from collab.store.shards import ShardSpec, Written, open_shard, write_shard
from collab.store.store import Store

CLASSES, PUBLIC = 3, 70_000
SPEC = ShardSpec((CLASSES, 1, 1), "float16", PUBLIC, "f" * 64, "public_row")


def answers(count: int) -> tuple[Tensor, Tensor]:
    """Distributions about as many public images, with numbers beyond 16 bits among them."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(count, CLASSES, generator=generator)
    rows = torch.randperm(PUBLIC, generator=generator)[:count].sort().values
    return (x / x.sum(1, keepdim=True))[:, :, None, None], rows


@pytest.mark.parametrize("codec", ["float32", "float16", "bfloat16"])
def test_answers_come_back_with_the_numbers_of_their_images(codec: str, tmp_path: Path) -> None:
    spec = replace(SPEC, dtype=codec)  # type: ignore[arg-type]
    x, rows = answers(300)
    store = Store(tmp_path / "store")
    record = store.publish("a", [(x[:7], rows[:7]), (x[7:], rows[7:])], spec, run="r")
    found, numbers = store.open(record, spec).load()
    assert torch.equal(found, x.to(spec.torch_dtype))
    assert torch.equal(numbers, rows)
    assert (record.target, record.histogram) == (f"public_row:{PUBLIC}", (300,))
    assert {finding.problem for finding in store.verify()} == {""}


@pytest.mark.parametrize(("value", "told"), [
    (torch.tensor([0.5, 0.3, 0.3]), "sums reach from"), (torch.tensor([0.5, 0.3, 0.1]), "sums reach from"),
    (torch.tensor([1.2, -0.2, 0.0]), "the least is -0.2"), (torch.zeros(3), "sums reach from 0"),
])  # fmt: skip
def test_what_is_no_distribution_is_neither_written_nor_read(value: Tensor, told: str, tmp_path: Path) -> None:
    x, rows = answers(5)
    bad = x.clone()
    bad[3, :, 0, 0] = value
    with pytest.raises(StoreError, match=told):
        write_shard(tmp_path / "a", [(bad, rows)], entity="a", spec=SPEC)
    whole = write_shard(tmp_path, [(x, rows)], entity="a", spec=SPEC)
    forged = altered(whole, x=bad)
    with pytest.raises(ShardCorrupt, match=told):
        open_shard(forged.path, forged, SPEC)


def test_a_nan_is_no_distribution() -> None:
    x, _ = answers(2)
    x[1, 0] = float("nan")
    assert find_distribution_mistake(x)
    assert not find_distribution_mistake(x[:1])


@pytest.mark.parametrize(("rows", "told"), [
    ([-1, 5, 6], "public rows reach from -1"), ([4, 5, PUBLIC], f"there are {PUBLIC} public images"),
    ([4, 4, 6], "do not ascend"), ([6, 5, 4], "do not ascend"),
])  # fmt: skip
def test_rows_that_name_no_public_image_or_one_twice_are_not_read(rows: list[int], told: str, tmp_path: Path) -> None:
    x, right = answers(3)
    whole = write_shard(tmp_path, [(x, right)], entity="a", spec=SPEC)
    forged = altered(whole, rows=rows)
    with pytest.raises(ShardCorrupt, match=told):
        open_shard(forged.path, forged, SPEC)


@pytest.mark.parametrize("other", [
    replace(SPEC, featurizer="0" * 64), replace(SPEC, classes=PUBLIC - 1), replace(SPEC, shape=(CLASSES + 1, 1, 1)),
    replace(SPEC, target="class", classes=CLASSES),
])  # fmt: skip
def test_answers_about_other_public_images_or_classes_are_refused(other: ShardSpec, tmp_path: Path) -> None:
    written = write_shard(tmp_path, [answers(3)], entity="a", spec=SPEC)
    with pytest.raises(ShardCorrupt, match="refused"):
        open_shard(written.path, written, other)


def test_an_answer_takes_two_bytes_for_each_class_and_eight() -> None:
    assert SPEC.row_bytes == 2 * CLASSES + 8


def altered(written: Written, x: Tensor | None = None, rows: list[int] | None = None) -> Written:
    """The shard with other answers or rows, as somebody who makes its record anew would write it."""
    with ipc.open_file(written.path) as file:
        batch, schema = file.get_batch(0), file.schema
    columns = list(batch.columns)
    if x is not None:
        flat = pa.array(x.half().numpy().reshape(-1))
        storage = pa.FixedSizeListArray.from_arrays(flat, CLASSES)
        columns[0] = pa.ExtensionArray.from_storage(schema.field("x").type, storage)
    if rows is not None:
        columns[1] = pa.array(np.array(rows, np.int32))
    path = written.path.with_name("forged.arrow")
    with ipc.new_file(path, schema) as writer:
        writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
    content = path.read_bytes()
    return replace(written, path=path, sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
