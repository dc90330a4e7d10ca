"""Strict open: each way in which a shard can be wrong, planted with a digest that is right unless it is the point."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from pyarrow import ipc

from collab.errors import ShardCorrupt, ShardMissing
from collab.store.shards import ShardSpec, Written, open_shard, write_shard

SPEC = ShardSpec((2, 4, 4), "float16", 5, "f" * 64)
ROWS = 300


@dataclass
class Forgery:
    """The parts of a shard as an independent writer makes them; each test spoils one."""

    values: np.ndarray
    labels: np.ndarray
    row_id: np.ndarray
    cuts: tuple[int, ...] = (0, 256, ROWS)
    value_type: pa.DataType = pa.float16()  # noqa: RUF009 - types are immutable
    shape: tuple[int, ...] = (2, 4, 4)
    label_type: pa.DataType = pa.int16()  # noqa: RUF009
    nulls: str = ""
    compression: str | None = None
    metadata: dict[str, str] | None = None
    padding: bytes = b""

    def write(self, path: Path) -> Written:
        tensor = pa.fixed_shape_tensor(self.value_type, self.shape, dim_names=("C", "H", "W")[: len(self.shape)])
        fields = [("x", tensor), ("y", self.label_type), ("row_id", pa.int32())]
        facts = {
            "format": "1",
            "entity": "a",
            "dtype": "float16",
            "shape": "2,4,4",
            "classes": "5",
            "featurizer": "f" * 64,
        }
        schema = pa.schema([pa.field(*each, nullable=False) for each in fields], metadata=facts | (self.metadata or {}))
        with ipc.new_file(str(path), schema, options=ipc.IpcWriteOptions(compression=self.compression)) as writer:
            for start, end in zip(self.cuts, self.cuts[1:], strict=False):
                writer.write_batch(pa.RecordBatch.from_arrays(self._columns(start, end, tensor), schema=schema))
        content = path.read_bytes()
        footer = len(content) - 10 - int.from_bytes(content[-10:-6], "little")
        content = content[:footer] + self.padding + content[footer:]  # where Arrow looks at nothing
        path.write_bytes(content)
        counts = np.bincount(self.labels.clip(0, 4), minlength=5)
        return Written(path, "a", hashlib.sha256(content).hexdigest(), ROWS, len(content), tuple(counts.tolist()))

    def _columns(self, start: int, end: int, tensor: Any) -> list[pa.Array]:
        def mask(column: str, count: int) -> np.ndarray | None:
            return np.arange(count) == 3 if column == self.nulls else None

        flat = self.values[start:end].reshape(-1)
        values = pa.array(flat, tensor.value_type, mask=mask("value", len(flat)))
        lists = mask("x", end - start)
        storage = pa.FixedSizeListArray.from_arrays(
            values, tensor.storage_type.list_size, mask=None if lists is None else pa.array(lists)
        )
        labels = pa.array(self.labels[start:end], self.label_type, mask=mask("y", end - start))
        row_id = pa.array(self.row_id[start:end], pa.int32(), mask=mask("row_id", end - start))
        return [pa.ExtensionArray.from_storage(tensor, storage), labels, row_id]


def forgery(**change: Any) -> Forgery:
    generator = np.random.default_rng(1)
    made = Forgery(
        values=generator.random((ROWS, 2, 4, 4), dtype=np.float32).astype(np.float16),
        labels=generator.integers(0, 5, ROWS).astype(np.int16),
        row_id=np.arange(ROWS, dtype=np.int32),
    )
    return replace(made, **change)


def changed(name: str, where: Any, value: float) -> dict[str, np.ndarray]:
    array = getattr(forgery(), name).copy()
    array[where] = value
    return {name: array}


def test_an_honest_forgery_is_the_same_file_as_ours_and_opens(tmp_path: Path) -> None:
    made = forgery()
    record = made.write(tmp_path / "forged.arrow")
    ours = write_shard(
        tmp_path, [(torch.from_numpy(made.values), torch.from_numpy(made.labels))], entity="a", spec=SPEC
    )
    assert ours.sha256 == record.sha256  # so the refusals below are for what each case spoils, and the format is stated
    assert open_shard(record.path, record, SPEC).load()[0].shape == (ROWS, 2, 4, 4)


SPOILED: dict[str, tuple[dict[str, Any], str]] = {
    "zstd": ({"compression": "zstd", "values": np.zeros((ROWS, 2, 4, 4), np.float16)}, "take"),
    "zstd, padded to the right size": ({"compression": "zstd", "padding": bytes(24000)}, "compressed"),
    "lz4 that does not shrink": ({"compression": "lz4", "padding": bytes(8000)}, "compressed"),
    "hidden megabyte": ({"padding": bytes(1 << 20)}, "take"),
    "int8 labels": ({"label_type": pa.int8()}, "columns"),
    "float32 features": ({"value_type": pa.float32(), "values": np.ones((ROWS, 2, 4, 4), np.float32)}, "take|columns"),
    "uint16 features": ({"value_type": pa.uint16(), "values": np.ones((ROWS, 2, 4, 4), np.uint16)}, "columns"),
    "other axes": ({"shape": (4, 2, 4)}, "columns"),
    "other format": ({"metadata": {"format": "2"}}, "format is b'2'"),
    "other featurizer": ({"metadata": {"featurizer": "e" * 64}}, "featurizer is b'e"),
    "other entity": ({"metadata": {"entity": "b"}}, "entity is b'b'"),
    "more metadata": ({"metadata": {"note": "seed 7"}}, "note is b'seed 7'"),
    "label too large": (changed("labels", 299, 5), "0 to 5; there are 5"),
    "label negative": (changed("labels", 0, -1), "-1 to 4; there are 5"),
    "NaN": (changed("values", (299, 1, 3, 3), np.nan), "not finite"),
    "infinity": (changed("values", (0, 0, 0, 0), np.inf), "not finite"),
    "minus infinity": (changed("values", (257, 0, 0, 0), -np.inf), "not finite"),
    "row twice": (changed("row_id", 257, 256), "do not count on"),
    "null label": ({"nulls": "y"}, "nulls"),
    "null row number": ({"nulls": "row_id"}, "nulls"),
    "null value": ({"nulls": "value"}, "nulls"),
    "null row": ({"nulls": "x"}, "nulls"),
    "short batch": ({"cuts": (0, 100, ROWS)}, "batch 0 has 100 rows, expected are 256"),
    "one long batch": ({"cuts": (0, ROWS)}, "batch 0 has 300 rows, expected are 256"),
    "row missing": ({"cuts": (0, 256, ROWS - 1), "padding": bytes(128)}, "batch 1 has 43 rows"),
    "batch missing": ({"cuts": (0, 256), "padding": bytes(8000)}, "256 rows, the record says 300"),
    "batch too many": ({"cuts": (0, 256, ROWS, ROWS)}, "batch 2 has 0 rows"),
}


@pytest.mark.parametrize("name", SPOILED)
def test_a_spoiled_shard_is_refused_though_its_digest_is_right(name: str, tmp_path: Path) -> None:
    change, reason = SPOILED[name]
    record = forgery(**change).write(tmp_path / "forged.arrow")
    with pytest.raises(ShardCorrupt, match=reason) as caught:
        open_shard(record.path, record, SPEC)
    assert "entity 'a'" in str(caught.value)
    assert str(record.path) in str(caught.value)


@pytest.mark.parametrize(
    "spec",
    [
        replace(SPEC, shape=(4, 2, 4)),
        replace(SPEC, dtype="bfloat16"),
        replace(SPEC, featurizer="e" * 64),
        replace(SPEC, classes=6),
    ],
)
def test_a_sound_shard_is_refused_by_who_expects_another(spec: ShardSpec, tmp_path: Path) -> None:
    record = forgery().write(tmp_path / "forged.arrow")
    with pytest.raises(ShardCorrupt, match=r"(shape|dtype|featurizer|classes) is b'.*', expected is b'"):
        open_shard(record.path, record, spec)


def replace_by_link(path: Path) -> None:
    os.symlink(path.rename(path.with_suffix(".real")), path)


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def replace_by_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def flip(offset: int) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[offset] ^= 1
        path.write_bytes(content)

    return spoil


DAMAGED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:-100]), "cut short"),
    "empty": (lambda path: path.write_bytes(b""), "cut short"),
    "longer": (lambda path: path.write_bytes(path.read_bytes() + b"\0"), "added to"),
    "byte of the body": (flip(10_000), "sha256"),
    "byte of the footer": (flip(-20), "sha256"),
    "other file of that size": (lambda path: path.write_bytes(bytes(path.stat().st_size)), "sha256"),
    "link": (replace_by_link, "no regular file"),
    "folder": (replace_by_folder, "no regular file"),
    "pipe": (replace_by_pipe, "no regular file"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_refused(name: str, tmp_path: Path) -> None:
    damage, reason = DAMAGED[name]
    record = forgery().write(tmp_path / "forged.arrow")
    damage(record.path)
    with pytest.raises(ShardCorrupt, match=reason):
        open_shard(record.path, record, SPEC)


def test_files_that_are_no_arrow_are_refused_though_their_digest_is_right(tmp_path: Path) -> None:
    size = forgery().write(tmp_path / "forged.arrow").bytes
    for content in (bytes(size), b"ARROW1\0\0" + bytes(size - 14) + b"ARROW1", os.urandom(size)):
        path = tmp_path / "other.arrow"
        path.write_bytes(content)
        record = Written(path, "a", hashlib.sha256(content).hexdigest(), ROWS, size, (60,) * 5)
        with pytest.raises(ShardCorrupt, match="is refused"):
            open_shard(path, record, SPEC)


def test_a_shard_that_is_gone_is_missing(tmp_path: Path) -> None:
    record = forgery().write(tmp_path / "forged.arrow")
    record.path.unlink()
    with pytest.raises(ShardMissing, match="entity 'a'"):
        open_shard(record.path, record, SPEC)


@pytest.mark.parametrize("change", [{"rows": ROWS - 1}, {"rows": 0}, {"rows": -1}, {"rows": 1 << 40}, {"bytes": 1}])
def test_a_record_that_misstates_the_size_is_no_way_in(change: dict[str, int], tmp_path: Path) -> None:
    record = replace(forgery().write(tmp_path / "forged.arrow"), **change)
    with pytest.raises(ShardCorrupt, match=r"rows|bytes"):
        open_shard(record.path, record, SPEC)


def test_a_record_that_misstates_the_labels_is_refused(tmp_path: Path) -> None:
    record = forgery().write(tmp_path / "forged.arrow")
    with pytest.raises(ShardCorrupt, match="labels are not those"):
        open_shard(record.path, replace(record, histogram=record.histogram[::-1]), SPEC)
