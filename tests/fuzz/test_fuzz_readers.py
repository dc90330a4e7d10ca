"""Readers of what strangers wrote, on damaged and on cunning input: a clean refusal, or a correct read.

Slow: `scripts/fuzz` plays 105,000 cases (COLLAB_FUZZ scales them). Before each case the input is kept beside the
others in the folder that is printed, so that it is at hand even if the process is killed by it.
"""

import hashlib
import io
import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image
from pyarrow import parquet

from collab.data.parquet import ParquetFiles
from collab.errors import DataError, ScenarioError, ShardCorrupt, StoreError
from collab.scenario.reader import read_scenario
from collab.store.codec import CODECS
from collab.store.manifest import Record, read_manifest, shard_path
from collab.store.shards import ShardSpec, Written, open_shard, write_shard
from collab.store.store import Store
from tests.places import TINY

pytestmark = pytest.mark.slow
SCALE = float(os.environ.get("COLLAB_FUZZ", "1"))
SCENARIO = TINY.read_text()


def cases(count: int) -> settings:
    """So many cases, each drawn anew at every call: what is found is to be mended, not to be remembered."""
    return settings(
        max_examples=max(10, int(count * SCALE)), deadline=None, database=None, derandomize=False,
        suppress_health_check=list(HealthCheck), phases=(Phase.explicit, Phase.generate, Phase.shrink),
    )  # fmt: skip


@st.composite
def edits(draw: Any) -> list[tuple[str, int, bytes]]:
    """Up to six changes of a byte string, at places that are drawn as shares of its length."""
    kinds = st.sampled_from(["flip", "cut", "insert", "overwrite", "repeat", "number"])
    count = draw(st.integers(0, 6))
    return [
        (draw(kinds), draw(st.integers(0, 2**20 - 1)), draw(st.binary(min_size=1, max_size=12))) for _ in range(count)
    ]


INTERESTING = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, (1 << 63) - 1, (1 << 64) - 1]


def edited(content: bytes, changes: list[tuple[str, int, bytes]]) -> bytes:
    spoiled = bytearray(content)
    for kind, place, more in changes:
        at = place * len(spoiled) >> 20
        if kind == "flip" and spoiled:
            spoiled[at] ^= more[0] or 1
        elif kind == "cut":
            del spoiled[at : at + max(more[0], 1)]
        elif kind == "insert":
            spoiled[at:at] = more
        elif kind == "overwrite":
            spoiled[at : at + len(more)] = more
        elif kind == "repeat":
            spoiled[at:at] = spoiled[at : at + more[0]]
        else:
            width = (1, 2, 4, 8)[more[0] % 4]
            number = INTERESTING[more[-1] % len(INTERESTING)] & (1 << 8 * width) - 1
            spoiled[at : at + width] = number.to_bytes(width, "little")
    return bytes(spoiled)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("fuzz")
    print(f"inputs lie in {found}")
    return found


@pytest.fixture
def counted(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Iterator[Counter[str]]:
    """What became of the cases; printed at the end."""
    told: Counter[str] = Counter()
    yield told
    with capsys.disabled():
        print(f"\n{request.node.name}: {sum(told.values()):,} cases, {dict(told)}")


SPECS = {codec: ShardSpec((2, 4, 4), codec, 5, "f" * 64) for codec in CODECS}  # type: ignore[arg-type]


@pytest.mark.parametrize("codec", CODECS)
def test_shards(codec: str, folder: Path, counted: Counter[str]) -> None:
    """A damaged shard with a manifest that agrees with it: whoever wrote both is hostile."""
    spec = SPECS[codec]
    x = torch.randn(300, 2, 4, 4, generator=torch.Generator().manual_seed(0)).relu()
    honest = write_shard(folder / codec, [(x, torch.arange(300) % 5)], entity="a", spec=spec)
    content, path = honest.path.read_bytes(), folder / f"{codec}.arrow"
    labels = torch.arange(300) % 5

    @cases(10_000)
    @given(edits(), st.sampled_from(["agrees", "agrees", "agrees", "honest"]))
    def play(changes: list[tuple[str, int, bytes]], manifest: str) -> None:
        spoiled = edited(content, changes)
        path.write_bytes(spoiled)
        digest = hashlib.sha256(spoiled).hexdigest()
        agreeing = Written(path, "a", digest, 300, len(spoiled), honest.histogram)
        record = agreeing if manifest == "agrees" else Written(path, "a", honest.sha256, 300, honest.bytes, (60,) * 5)
        try:
            reader = open_shard(path, record, spec)
        except ShardCorrupt:
            counted["refused"] += 1
            return
        found, read = reader.load()
        assert found.shape == (300, 2, 4, 4)
        assert bool(found.isfinite().all())
        assert int(read.min()) >= 0
        assert int(read.max()) < 5
        assert tuple(torch.bincount(read, minlength=5).tolist()) == honest.histogram
        if spoiled == content:
            assert torch.equal(read, labels)
        counted["read" if spoiled == content else "read, changed in padding or values"] += 1

    play()
    assert counted["refused"] > counted["read"] > 0


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8)
    | st.sampled_from(["../x", "publish", "withdraw", "f" * 64, "a1", "entity=a1/x"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=3), max_leaves=6,
)  # fmt: skip


def test_manifests(folder: Path, counted: Counter[str]) -> None:
    """Manifests with other values, other keys, other bytes."""
    digest = "ab" * 32
    honest = Record(
        1, "a1", "r", "publish", 3, (2, 4, 4), "float16", 100, digest, (1, 2), "f" * 64, shard_path("a1", digest),
        {"torch": "2"},
    )  # fmt: skip
    told = json.loads(json.dumps(asdict(honest)))
    store = Store(folder / "store")
    path = folder / "store" / "manifest" / f"000001-a1-{'0' * 32}.json"
    path.parent.mkdir(parents=True)

    @cases(35_000)
    @given(st.dictionaries(st.sampled_from([*told, "more"]), VALUES, max_size=2), edits())
    def play(changes: dict[str, Any], damage: list[tuple[str, int, bytes]]) -> None:
        path.write_bytes(edited(json.dumps(told | changes).encode(), damage[:2]))
        try:
            record = read_manifest(path)
        except ShardCorrupt:
            counted["refused"] += 1
            assert not store.records_or_less()
            assert len(store.verify()) == 1
            return
        assert record.entity == "a1"
        assert record.path == shard_path("a1", record.sha256)
        assert sum(record.histogram) == record.rows >= 1
        with pytest.raises(StoreError):  # there is no shard
            store.open(record, SPECS["float16"])
        counted["read"] += 1

    play()
    assert counted["read"] > 0


def test_scenarios(folder: Path, counted: Counter[str]) -> None:
    """Scenario files with other bytes, lines and values: a list of mistakes, or a scenario that reads back."""
    path = folder / "scenario.yaml"
    lines = SCENARIO.splitlines()
    odd = ["[", "{", "&a *a", "*a", "!!python/object:os.system x", "1e999", "-1", "0x10", "12:30", "~", "\t", "'", "? ",
           "<<: {a: 1}", "yes", "9" * 400, ".nan",
           "[[[[[[", "name: x", "\u0000", "\ud7ff", "a: b: c", "- - -"]  # fmt: skip

    @cases(10_000)
    @given(
        edits(),
        st.lists(st.tuples(st.integers(0, len(lines) - 1), st.sampled_from(odd) | st.text(max_size=10)), max_size=2),
    )
    def play(damage: list[tuple[str, int, bytes]], places: list[tuple[int, str]]) -> None:
        changed = list(lines)
        for number, text in places:
            line = changed[number]
            at = line.find(":") + 1 or len(line)
            changed[number] = line[:at] + " " + text
        path.write_bytes(edited("\n".join(changed).encode("utf-8", "replace"), damage[:3]))
        try:
            found = read_scenario(path)
        except ScenarioError:
            counted["refused"] += 1
            return
        assert found.scenario.entities
        counted["read"] += 1

    play()
    assert counted["read"] > 0


def parquet_bytes() -> bytes:
    rng, images = np.random.default_rng(0), []
    for number in range(6):
        file = io.BytesIO()
        Image.fromarray(rng.integers(0, 255, (9, 8, 3), dtype=np.uint8)).save(file, ("PNG", "JPEG")[number % 2])
        images.append({"bytes": file.getvalue(), "path": str(number)})
    table = pa.table({"image": images, "label": [0, 1, 2, 0, 1, 2]})
    table = table.replace_schema_metadata({"info": json.dumps({"classes": ["a", "b", "c"]})})
    file = io.BytesIO()
    parquet.write_table(table, file, row_group_size=3)
    return file.getvalue()


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow warns of images that it repairs
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_parquet_files_of_images(folder: Path, counted: Counter[str]) -> None:
    """Damaged Parquet files, and images in them."""
    content = parquet_bytes()
    (folder / "test.parquet").write_bytes(content)

    @cases(20_000)
    @given(edits())
    def play(damage: list[tuple[str, int, bytes]]) -> None:
        spoiled = edited(content, damage)
        (folder / "train.parquet").write_bytes(spoiled)
        try:
            source = ParquetFiles(
                image_size=8, seed=0, root=folder, train="train.parquet", test="test.parquet", image="image",
                label="label",
            )  # fmt: skip
            rows = np.arange(len(source.labels("train")))
            images = np.concatenate(list(source.images("train", rows)))
        except DataError:
            counted["refused"] += 1
            return
        assert images.shape == (len(rows), 3, 8, 8)
        assert images.dtype == np.uint8
        counted["read" if spoiled == content else "read, changed"] += 1

    play()
    assert counted["refused"] > 0
