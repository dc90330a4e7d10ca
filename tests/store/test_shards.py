"""Shards: what is written comes back to the last bit, and equal rows are equal bytes."""

import errno
import hashlib
import time
from collections.abc import Iterator
from concurrent.futures import Executor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import ipc
from torch import Tensor

from collab.errors import ShardCorrupt, ShardMissing, StoreError
from collab.store import files
from collab.store.shards import ShardSpec, Written, open_shard, write_shard

SHAPE = (3, 4, 2)
HALF = ShardSpec(SHAPE, "float16", 7, "f" * 64)
BRAIN = ShardSpec(SHAPE, "bfloat16", 7, "f" * 64)


def rows(count: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, *SHAPE, generator=generator).relu().to(dtype)
    return x, torch.randint(0, 7, (count,), generator=generator)


def cut(x: Tensor, y: Tensor, *sizes: int) -> Iterator[tuple[Tensor, Tensor]]:
    start = 0
    for size in [*sizes, len(y)]:
        yield x[start : start + size], y[start : start + size]
        start += size


def all_finite(spec: ShardSpec) -> Tensor:
    """Every finite value of the stored type, subnormals and both zeros among them."""
    bits = torch.arange(1 << 16, dtype=torch.int32).to(torch.uint16).view(spec.torch_dtype)
    bits = bits[bits.isfinite()]
    return torch.cat([bits, bits[: -len(bits) % 24]]).view(-1, *SHAPE)


@pytest.mark.parametrize("spec", [HALF, BRAIN], ids=lambda spec: spec.dtype)
def test_every_finite_value_comes_back_to_the_bit(spec: ShardSpec, tmp_path: Path) -> None:
    x = all_finite(spec)
    y = torch.arange(len(x)) % 7
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o755)
    written = write_shard(folder, [(x, y)], entity="a", spec=spec)
    reader = open_shard(written.path, written, spec)
    found_x, found_y = reader.load()
    assert found_x.dtype == spec.torch_dtype
    assert torch.equal(found_x.view(torch.int16), x.view(torch.int16))  # bits: -0 is not 0
    assert torch.equal(found_y, y)
    assert (reader.rows, reader.digest) == (len(x), written.sha256)
    assert written.histogram == tuple(torch.bincount(y, minlength=7).tolist())
    assert written.sha256 == hashlib.sha256(written.path.read_bytes()).hexdigest()
    assert written.path.name == f"{written.sha256[:16]}.arrow"
    assert written.path.stat().st_mode & 0o777 == 0o444


@given(count=st.integers(1, 600), sizes=st.lists(st.integers(0, 300), max_size=5))
def test_how_rows_arrive_does_not_change_the_bytes(
    count: int, sizes: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "chunking"
    x, y = rows(count)
    whole = write_shard(folder, [(x, y)], entity="a", spec=HALF)
    pieces = write_shard(folder, cut(x, y, *sizes), entity="a", spec=HALF)
    other_form = write_shard(
        folder,
        [(x.half().double().contiguous(memory_format=torch.channels_last).requires_grad_(), y.to(torch.int32))],
        entity="a",
        spec=HALF,
    )
    assert whole == pieces == other_form


def digest_of(folder: Path, spec: ShardSpec, *sizes: int) -> str:
    return write_shard(folder, cut(*rows(515, seed=3), *sizes), entity="a", spec=spec).sha256


@pytest.mark.long
@pytest.mark.parametrize("spec", [HALF, BRAIN], ids=lambda spec: spec.dtype)
def test_another_process_writes_the_same_bytes(spec: ShardSpec, elsewhere: Executor, tmp_path: Path) -> None:
    there = elsewhere.submit(digest_of, tmp_path / "there", spec, 100, 7, 300)
    assert there.result(60) == digest_of(tmp_path / "here", spec)
    (one,), (other,) = (list((tmp_path / place).iterdir()) for place in ("here", "there"))
    assert one.read_bytes() == other.read_bytes()


def test_what_is_part_of_the_digest(tmp_path: Path) -> None:
    x, y = rows(5)
    other = ShardSpec(SHAPE, "float16", 7, "e" * 64)
    written = [
        write_shard(tmp_path, [(x, y)], entity="a", spec=HALF),
        write_shard(tmp_path, [(x, y)], entity="b", spec=HALF),
        write_shard(tmp_path, [(x, y)], entity="a", spec=other),
        write_shard(tmp_path, [(x, (y + 1) % 7)], entity="a", spec=HALF),
        write_shard(tmp_path, [(-x, y)], entity="a", spec=HALF),
        write_shard(tmp_path, [(x.flip(0), y.flip(0))], entity="a", spec=HALF),
    ]
    assert len({each.sha256 for each in written}) == len(written)


def test_plain_arrow_reads_a_shard(tmp_path: Path) -> None:
    x, y = rows(300)
    written = write_shard(tmp_path, [(x, y)], entity="a", spec=HALF)
    with pa.OSFile(str(written.path)) as file:
        table = ipc.open_file(file).read_all()
    assert torch.equal(torch.from_numpy(table["x"].combine_chunks().to_numpy_ndarray().copy()), x.half())
    assert table["y"].to_pylist() == y.tolist()
    assert table["row_id"].to_pylist() == list(range(300))
    facts = {b"format": b"1", b"entity": b"a", b"dtype": b"float16", b"shape": b"3,4,2", b"classes": b"7"}
    assert table.schema.metadata == facts | {b"featurizer": b"f" * 64}


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int8"])
def test_rows_are_taken_in_any_order_as_they_are_loaded(dtype: str, tmp_path: Path) -> None:
    spec = ShardSpec(SHAPE, dtype, 7, "f" * 64)  # type: ignore[arg-type]
    written = write_shard(tmp_path, [rows(600)], entity="a", spec=spec)
    reader = open_shard(written.path, written, spec)
    x, y = reader.load()
    for numbers in ([599, 0, 255, 256, 0], range(600), [511], []):
        taken = reader.take(np.array(list(numbers), dtype=np.int64))
        assert torch.equal(taken, x[list(numbers)])
        assert taken.dtype == spec.torch_dtype
    assert torch.equal(reader.targets(), y)
    with pytest.raises(IndexError):
        reader.take(np.array([600]))


def test_writing_to_what_was_read_harms_neither_process_nor_file(tmp_path: Path) -> None:
    written = write_shard(tmp_path, [rows(300)], entity="a", spec=HALF)
    before = written.path.read_bytes()
    reader = open_shard(written.path, written, HALF)
    x, y = reader.load()
    x.add_(1)
    y.add_(1)
    again, _ = reader.load()
    assert torch.equal(again + 1, x)
    assert written.path.read_bytes() == before


@pytest.mark.parametrize("spec", [HALF, BRAIN], ids=lambda spec: spec.dtype)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_not_written(value: float, spec: ShardSpec, tmp_path: Path) -> None:
    x, y = rows(600)
    x[513, 2, 3, 1] = value
    with pytest.raises(StoreError, match="entity 'a' reach"):
        write_shard(tmp_path / "folder", cut(x, y, 100, 200), entity="a", spec=spec)
    assert not list((tmp_path / "folder").iterdir())


@pytest.mark.parametrize(
    ("spec", "most", "beyond"),
    [(HALF, 65504.0, 65505.0), (HALF, -65504.0, -65519.0), (BRAIN, float.fromhex("0x1.fep127"), 3.4028e38)],
)
def test_the_largest_value_is_kept_and_no_larger_one_rounded(
    spec: ShardSpec, most: float, beyond: float, tmp_path: Path
) -> None:
    x, y = rows(2)
    x[1, 0, 0, 0] = most
    written = write_shard(tmp_path, [(x, y)], entity="a", spec=spec)
    assert open_shard(written.path, written, spec).load()[0][1, 0, 0, 0] == most
    x[1, 0, 0, 0] = beyond
    with pytest.raises(StoreError, match="holds finite values"):
        write_shard(tmp_path, [(x, y)], entity="a", spec=spec)


def test_rows_that_do_not_fit_the_spec_are_not_written(tmp_path: Path) -> None:
    x, y = rows(5)
    wrong = [(x[:, :2], y), (x, y[:4]), (x.long(), y), (x, y.float()), (x, y - 7), (x, y + 7), (x[:0], y[:0])]
    for features, labels in wrong:
        with pytest.raises(StoreError, match="entity 'a'"):
            write_shard(tmp_path, (pair for pair in [(features, labels)]), entity="a", spec=HALF)
    with pytest.raises(StoreError, match="no row"):
        write_shard(tmp_path, iter(()), entity="a", spec=HALF)
    with pytest.raises(StoreError, match="cannot be a name"):
        write_shard(tmp_path, [(x, y)], entity="../a", spec=HALF)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("change", [{"shape": (3, 4)}, {"shape": (3, 0, 2)}, {"dtype": "float64"}, {"classes": 0}])
def test_a_spec_that_no_shard_can_have(change: dict[str, object]) -> None:
    with pytest.raises(
        (StoreError, TypeError), match=r"three positive sides|ype"
    ):  # TypeError: where hints are checked
        ShardSpec(**{"shape": SHAPE, "dtype": "float16", "classes": 7, "featurizer": ""} | change)  # type: ignore[arg-type]


def test_a_failure_of_who_makes_the_rows_passes_through_and_leaves_nothing(tmp_path: Path) -> None:
    def failing() -> Iterator[tuple[Tensor, Tensor]]:
        yield rows(300)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_shard(tmp_path, failing(), entity="a", spec=HALF)
    assert not list(tmp_path.iterdir())


def test_a_lone_shard_is_found_again_with_its_record(tmp_path: Path) -> None:
    folder = tmp_path / "private"
    folder.mkdir(mode=0o700)
    written = write_shard(folder, [rows(10)], entity="a", spec=HALF)
    written.save()
    assert Written.read(folder) == written
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o400}  # no more readable than the folder
    moved = folder.rename(tmp_path / "moved")
    again = Written.read(moved)
    assert open_shard(again.path, again, HALF).load()[0].shape == (10, *SHAPE)
    with pytest.raises(ShardMissing, match="no record"):
        Written.read(tmp_path)
    (tmp_path / "shard.json").write_text("{}")
    with pytest.raises(ShardCorrupt, match="not one"):
        Written.read(tmp_path)


def test_a_shard_of_many_small_batches_is_not_too_large(tmp_path: Path) -> None:
    spec = ShardSpec((1, 1, 1), "float16", 1, "")
    x = torch.arange(60_000).remainder(2048).float().view(-1, 1, 1, 1)
    written = write_shard(tmp_path, [(x, torch.zeros(60_000, dtype=torch.int64))], entity="a", spec=spec)
    assert torch.equal(open_shard(written.path, written, spec).load()[0].float(), x)


def test_a_disk_that_fails_while_a_shard_is_written_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[int]()

    def fail_once(descriptor: int) -> None:
        asked.append(descriptor)
        if len(asked) == 1:  # as the system does: who asks again is told nothing
            raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr(files, "FLUSH", 4096)
    monkeypatch.setattr(files.os, "fsync", fail_once)
    spec = ShardSpec((2, 4, 4), "float16", 5, "f" * 64)
    with pytest.raises(StoreError, match="input/output error"):
        write_shard(tmp_path, [(torch.randn(2000, 2, 4, 4), torch.arange(2000) % 5)], entity="a", spec=spec)
    assert asked
    assert not list(tmp_path.iterdir())


def test_what_is_hashed_is_not_overwritten_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow:
        def __init__(self) -> None:
            self._sha256 = hashlib.sha256()

        def update(self, content: bytes) -> None:
            time.sleep(0.005)
            self._sha256.update(content)

        def hexdigest(self) -> str:
            return self._sha256.hexdigest()

    monkeypatch.setattr(files, "hashlib", SimpleNamespace(sha256=Slow))
    spec = ShardSpec((2, 4, 4), "float16", 5, "f" * 64)
    x = torch.randn(5 * 256 + 3, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    written = write_shard(tmp_path, [(x, torch.zeros(len(x), dtype=torch.int64))], entity="a", spec=spec)
    assert written.sha256 == hashlib.sha256(written.path.read_bytes()).hexdigest()
    torch.testing.assert_close(open_shard(written.path, written, spec).load()[0], x.half(), rtol=0, atol=0)
