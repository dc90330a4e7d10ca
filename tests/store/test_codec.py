"""Codecs: what comes back of features, and what is refused."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import ipc

from collab.errors import ShardCorrupt, StoreError
from collab.store.canaries import Canaries, numbers
from collab.store.codec import CODECS, quantize, restore, store_and_read
from collab.store.residue import read_rows
from collab.store.shards import ShardSpec, Written, open_shard, write_shard
from tests.store.counting import count_in

SHAPE = (2, 3, 4)


def spec(codec: str, shape: tuple[int, int, int] = SHAPE) -> ShardSpec:
    return ShardSpec(shape, codec, 5, "f" * 64)  # type: ignore[arg-type]


def features(rows: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, *SHAPE, generator=torch.Generator().manual_seed(seed)) * 3


@pytest.mark.parametrize("codec", CODECS)
def test_what_is_read_is_what_as_stored_says(codec: str, tmp_path: Path) -> None:
    x, y = features(300), torch.arange(300) % 5
    written = write_shard(tmp_path, [(x, y)], entity="a", spec=spec(codec))
    found, labels = open_shard(written.path, written, spec(codec)).load()
    assert torch.equal(found, store_and_read(x, codec))
    assert torch.equal(labels, y)
    again = write_shard(tmp_path / "again", [(x[:7], y[:7]), (x[7:], y[7:])], entity="a", spec=spec(codec))
    assert again.sha256 == written.sha256  # quantize row by row, so that batches do not matter


def test_float32_comes_back_to_the_bit_and_each_codec_is_as_large_as_it_says(tmp_path: Path) -> None:
    x, y = features(256), torch.zeros(256, dtype=torch.int64)
    assert torch.equal(store_and_read(x, "float32"), x)
    sizes = {}
    for codec in CODECS:
        sizes[codec] = write_shard(tmp_path / codec, [(x, y)], entity="a", spec=spec(codec)).bytes
        assert 0 <= sizes[codec] - 256 * spec(codec).row_bytes < 8192
    assert sizes["float32"] - sizes["float16"] == pytest.approx(2 * 24 * 256, abs=256)
    assert sizes["float16"] - sizes["int8"] == pytest.approx((24 - 8) * 256, abs=1024)


@given(st.integers(0, 2**32), st.floats(1e-3, 1e6), st.floats(-1e6, 1e6))
def test_a_quantized_row_is_at_most_half_a_step_away_and_begins_at_its_least(
    seed: int, scale: float, shift: float
) -> None:
    x = features(3, seed) * scale + shift
    q, low, step = quantize(x)
    back = restore(q, low, step)
    wide = x.double().flatten(1)
    exact_step = (wide.amax(1) - wide.amin(1)) / 255
    slack = 1e-5 * exact_step + 4e-7 * wide.abs().amax(1)  # what float32 itself loses
    assert bool(((back.double() - x.double()).flatten(1).abs().amax(1) <= exact_step / 2 + slack).all())
    assert q.flatten(1).amin(1).tolist() == [0, 0, 0]
    assert torch.equal(low, x.flatten(1).amin(1))


def test_a_row_of_one_value_comes_back() -> None:
    x = torch.full((2, *SHAPE), -1.25)
    assert torch.equal(store_and_read(x, "int8"), x)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_not_written(codec: str, value: float, tmp_path: Path) -> None:
    x = features(3)
    x[1, 1, 1, 1] = value
    with pytest.raises(StoreError, match="holds finite values to"):
        write_shard(tmp_path, [(x, torch.zeros(3, dtype=torch.int64))], entity="a", spec=spec(codec))


def forged(path: Path, codec: str, change: dict[str, np.ndarray]) -> Written:
    """A shard of 3 rows, written by hand with other columns."""
    schema = spec(codec).schema("a")
    columns = {
        "x": np.ones(3 * 24, np.uint8 if codec == "int8" else np.float32),
        "y": np.zeros(3, np.int16),
        "row_id": np.arange(3, dtype=np.int32),
        "low": np.zeros(3, np.float32),
        "step": np.ones(3, np.float32),
    } | change
    storage = pa.FixedSizeListArray.from_arrays(pa.array(columns["x"]), 24)
    arrays = [pa.ExtensionArray.from_storage(schema.field("x").type, storage)]
    arrays += [pa.array(columns[name]) for name in schema.names[1:]]
    with ipc.new_file(str(path), schema) as writer:
        writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
    content = path.read_bytes()
    return Written(path, "a", hashlib.sha256(content).hexdigest(), 3, len(content), (3, 0, 0, 0, 0))


BAD = {
    "NaN": ("float32", {"x": np.full(72, np.nan, np.float32)}),
    "infinity": ("float32", {"x": np.full(72, -np.inf, np.float32)}),
    "low is NaN": ("int8", {"low": np.array([0, np.nan, 0], np.float32)}),
    "step is infinite": ("int8", {"step": np.array([1, np.inf, 1], np.float32)}),
    "step is negative": ("int8", {"step": np.array([1, 1, -1], np.float32)}),
    "a row that would overflow": ("int8", {"step": np.array([1, 3e38, 1], np.float32)}),
}


@pytest.mark.parametrize("name", BAD)
def test_a_forged_shard_is_refused_if_a_feature_would_not_be_finite(name: str, tmp_path: Path) -> None:
    codec, change = BAD[name]
    record = forged(tmp_path / "f.arrow", codec, change)
    with pytest.raises(ShardCorrupt, match="not finite"):
        open_shard(record.path, record, spec(codec))


def test_the_same_forgery_unspoiled_opens_but_for_who_expects_another_codec(tmp_path: Path) -> None:
    record = forged(tmp_path / "f.arrow", "int8", {})
    assert bool((open_shard(record.path, record, spec("int8")).load()[0] == 1.0).all())
    with pytest.raises(ShardCorrupt, match=r"dtype is b'int8', expected is b'float16'|take"):
        open_shard(record.path, record, replace(spec("int8"), dtype="float16"))


@pytest.mark.parametrize("codec", CODECS)
def test_the_audit_finds_features_in_the_stored_form_of_any_codec(codec: str, tmp_path: Path) -> None:
    wide = spec(codec, (4, 8, 8))
    x, y = torch.randn(20, 4, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(20) % 5
    own = write_shard(tmp_path / "own", [(x, y)], entity="a", spec=wide)
    published = write_shard(tmp_path / "sent", [(x[[3, 5]], y[:2])], entity="a", spec=wide)
    made = Canaries()
    made.add("features", numbers(read_rows(own.path, 20), ["as it is"]))
    assert count_in(made, published.path.read_bytes()) == {"features": 2}
