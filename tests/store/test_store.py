"""The store: what is published is there for everybody, once, and what a manifest does not name is not there."""

import json
import os
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from collab.errors import ShardCorrupt, ShardMissing, StoreError
from collab.store import manifest as manifests
from collab.store import shards as shard_module
from collab.store.manifest import Record, read_manifest
from collab.store.shards import ShardSpec
from collab.store.store import Store

SPEC = ShardSpec((2, 3, 3), "float16", 4, "f" * 64)


def rows(seed: int, count: int = 20) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    return [(torch.rand(count, 2, 3, 3, generator=generator), torch.randint(0, 4, (count,), generator=generator))]


def files(store: Store) -> set[str]:
    return {path.relative_to(store.root).as_posix() for path in store.root.rglob("*") if not path.is_dir()}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def only_manifest(store: Store) -> Path:
    (path,) = (store.root / "manifest").iterdir()
    return path


def test_what_is_published_is_read_by_another_store(store: Store) -> None:
    assert store.records() == ()
    assert store.verify() == []
    record = store.publish("ann", rows(1), SPEC, run="quiet-lake")
    other = Store(store.root)
    assert other.records() == other.records("ann") == (record,)
    x, y = other.open(record, SPEC).load()
    assert torch.equal(x, rows(1)[0][0].half())
    assert torch.equal(y, rows(1)[0][1])
    assert record.path == f"entity=ann/{record.sha256[:16]}.arrow"
    assert (record.entity, record.run, record.stage, record.rows) == ("ann", "quiet-lake", "publish", 20)
    assert (record.shape, record.dtype, record.featurizer) == (SPEC.shape, SPEC.dtype, SPEC.featurizer)
    assert sum(record.histogram) == 20
    assert set(record.versions) == {"collab", "python", "torch", "pyarrow"}


def test_a_manifest_says_nothing_more_than_it_should(store: Store) -> None:
    store.publish("ann", rows(1), SPEC, run="quiet-lake")
    told = json.loads(only_manifest(store).read_text())
    assert set(told) == {
        *("schema_version", "entity", "run", "stage", "rows", "shape", "dtype", "bytes", "sha256", "histogram"),
        *("featurizer", "path", "versions"),
    }


def test_publishing_again_changes_nothing(store: Store) -> None:
    first = store.publish("ann", rows(1), SPEC, run="one")
    before = files(store)
    assert Store(store.root).publish("ann", rows(1), SPEC, run="one") == first
    assert files(store) == before


def test_publishing_again_repairs_a_spoiled_shard(store: Store) -> None:
    record = store.publish("ann", rows(1), SPEC, run="one")
    path = store.root / record.path
    path.chmod(0o644)
    path.write_bytes(bytes(record.bytes))
    with pytest.raises(ShardCorrupt, match="sha256"):
        store.open(record, SPEC)
    store.publish("ann", rows(1), SPEC, run="one")
    assert store.open(record, SPEC).rows == 20


def test_records_are_sorted_by_entity_and_order_of_publishing(store: Store) -> None:
    for entity, seed in [("cid", 1), ("ann", 2), ("bob", 3), ("ann", 4), ("ann-lee", 5), ("ann", 6), ("cid", 1)]:
        store.publish(entity, rows(seed), SPEC, run="one")
    assert [record.entity for record in store.records()] == ["ann", "ann", "ann", "ann-lee", "bob", "cid"]
    expected = [store.publish("ann", rows(seed), SPEC, run="one").sha256 for seed in (2, 4, 6)]
    assert [record.sha256 for record in store.records("ann")] == expected


def test_the_same_rows_of_two_entities_are_two_shards(store: Store) -> None:
    shards = {store.publish(entity, rows(1), SPEC, run="one").sha256 for entity in ("ann", "bob")}
    assert len(shards) == len(store.records()) == 2


def test_what_two_publishers_tell_twice_is_one_record_in_an_order_of_its_own(store: Store) -> None:
    told = [store.publish("ann", rows(seed), SPEC, run="one") for seed in range(4)]
    for path in (store.root / "manifest").iterdir():
        path.unlink()
    for record in [*told, *told]:  # four publishers that all saw an empty store, each killed and resumed
        manifests.write_manifest(store.root / "manifest", record, 1)
    assert [record.sha256 for record in store.records()] == sorted(record.sha256 for record in told)


def publish_many(root: Path, name: str) -> None:
    (root / f"{name} is ready").touch()
    while len(list(root.glob("* is ready"))) < 2:
        time.sleep(0.001)
    for seed in range(8):
        for entity, which in [(name, seed), ("shared", seed), ("shared", seed + 100 * ord(name))]:
            Store(root / "store").publish(entity, rows(which), SPEC, run="one")


def test_publishers_side_by_side_lose_nothing(store: Store, elsewhere: Executor) -> None:
    other = elsewhere.submit(publish_many, store.root.parent, "b")
    publish_many(store.root.parent, "a")
    other.result(60)
    records = store.records()
    published = {name: sum(record.entity == name for record in records) for name in ("a", "b", "shared")}
    assert published == {"a": 8, "b": 8, "shared": 8 + 2 * 8}  # the rows that both publish are there once
    assert all(store.open(record, SPEC).rows == 20 for record in records)
    assert [finding.problem for finding in store.verify()] == [""] * 40


def test_a_verified_file_is_not_digested_again_until_it_changes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    record = store.publish("ann", rows(1), SPEC, run="one")
    looks = []
    monkeypatch.setattr(shard_module, "_check_rows", lambda *_: looks.append(1))
    store.open(record, SPEC)
    store.open(record, SPEC)
    assert len(looks) == 1
    with pytest.raises(ShardCorrupt, match="classes"):  # what was verified for one reader is not for another
        store.open(record, replace(SPEC, classes=5))
    path = store.root / record.path
    path.chmod(0o644)
    before = path.stat().st_mtime_ns
    path.write_bytes(path.read_bytes()[:-1] + b"2")
    os.utime(path, ns=(before, before + 10_000_000))  # clocks of file systems may tick every 4 ms
    with pytest.raises(ShardCorrupt, match="sha256"):
        store.open(record, SPEC)
    assert len(looks) == 1


def test_a_shard_without_a_manifest_is_not_there(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("collab.store.store.write_manifest", killed)
        with pytest.raises(KeyboardInterrupt):
            store.publish("ann", rows(1), SPEC, run="one")
    assert store.records() == ()
    (finding,) = store.verify()
    assert "no manifest names this file" in finding.problem
    store.publish("ann", rows(1), SPEC, run="one")
    assert [found.problem for found in store.verify()] == [""]


def test_a_missing_shard_is_named(store: Store) -> None:
    record = store.publish("ann", rows(1), SPEC, run="one")
    (store.root / record.path).unlink()
    with pytest.raises(ShardMissing, match="entity 'ann'"):
        store.open(record, SPEC)
    (finding,) = store.verify()
    assert finding.path == record.path
    assert finding.record == record
    assert "there is no file" in finding.problem


def test_verify_names_everything_that_is_wrong_and_only_that(store: Store) -> None:
    kept = store.publish("ann", rows(1), SPEC, run="one")
    spoiled = store.publish("bob", rows(2), SPEC, run="one")
    assert store.open(spoiled, SPEC).rows == 20  # remembered, and yet looked at again
    path = store.root / spoiled.path
    status = path.stat()
    path.chmod(0o644)
    path.write_bytes(bytes([*path.read_bytes()[:-1], 0]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    (store.root / "entity=ann" / ".tmp-0123").write_bytes(b"")
    (store.root / "entity=ann" / "notes.txt").write_text("?")
    (store.root / "manifest" / "latest.json").write_text("{}")
    (store.root / "manifest" / f"000009-eve-{'0' * 32}.json").write_text("{")
    found = {finding.path: finding.problem for finding in store.verify()}
    assert found.pop(kept.path) == ""
    reasons = {
        spoiled.path: "sha256",
        "entity=ann/.tmp-0123": "unfinished",
        "entity=ann/notes.txt": "no manifest names",
        "manifest/latest.json": "no manifest names",
        f"manifest/000009-eve-{'0' * 32}.json": "no JSON",
    }
    assert found.keys() == reasons.keys()
    assert all(reason in found[place] for place, reason in reasons.items())


def test_a_manifest_that_is_none_hides_no_other_entity(store: Store) -> None:
    record = store.publish("ann", rows(1), SPEC, run="one")
    (store.root / "manifest" / f"000001-eve-{'0' * 32}.json").write_text("[" * 100_000)
    assert store.records("ann") == (record,)
    with pytest.raises(ShardCorrupt, match="000001-eve"):
        store.records()


MISSTATED: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "leads out": (lambda told: told.update(path="../x"), "lies at"),
    "leads out by a name": (lambda told: told.update(entity="../x", path="entity=../x/0.arrow"), "cannot be a name"),
    "absolute": (lambda told: told.update(path="/etc/passwd"), "lies at"),
    "of another": (lambda told: told.update(path=told["path"].replace("ann", "bob")), "lies at"),
    "other entity": (
        lambda told: told.update(entity="bob", path=told["path"].replace("ann", "bob")),
        "its name does not say",
    ),
    "more": (lambda told: told.update(dpm_seed=7), "dpm_seed"),
    "less": (lambda told: told.pop("rows"), "missing: \\['rows'\\]"),
    "version": (lambda told: told.update(schema_version=2), "schema version is 2"),
    "rows as text": (lambda told: told.update(rows="20"), "rows is"),
    "rows as truth": (lambda told: told.update(rows=True), "rows is"),
    "rows without labels": (lambda told: told.update(rows=21), "21 rows, but 20 labels"),
    "flat shape": (lambda told: told.update(shape=[2, 3]), "shape is"),
    "negative labels": (lambda told: told.update(histogram=[25, -5, 0, 0]), "histogram is"),
    "no digest": (lambda told: told.update(sha256="f" * 63), "sha256 is"),
    "number for a text": (lambda told: told.update(run=3), "run is 3"),
    "versions": (lambda told: told.update(versions={"torch": 2}), "versions"),
}


@pytest.mark.parametrize("name", MISSTATED)
def test_a_misstated_manifest_is_refused(name: str, store: Store) -> None:
    change, reason = MISSTATED[name]
    store.publish("ann", rows(1), SPEC, run="one")
    path = only_manifest(store)
    told = json.loads(path.read_text())
    change(told)
    path.chmod(0o644)
    path.write_text(json.dumps(told))
    with pytest.raises(ShardCorrupt, match=reason):
        store.records()
    with pytest.raises(ShardCorrupt, match=reason):
        read_manifest(path)


@pytest.mark.parametrize("content", ["", "[]", "{", "\0", "1" * 5000, '{"schema_version": 1'])
def test_a_manifest_that_is_no_object_is_refused(content: str, store: Store) -> None:
    store.publish("ann", rows(1), SPEC, run="one")
    path = only_manifest(store)
    path.chmod(0o644)
    path.write_text(content)
    with pytest.raises(ShardCorrupt, match="manifest"):
        store.records("ann")


def test_a_manifest_that_is_a_link_is_refused(store: Store) -> None:
    store.publish("ann", rows(1), SPEC, run="one")
    path = only_manifest(store)
    path.symlink_to(path.rename(store.root / "elsewhere.json"))
    with pytest.raises(ShardCorrupt, match="no regular file"):
        store.records()


def test_a_record_made_by_hand_leads_nowhere(store: Store, tmp_path: Path) -> None:
    record = store.publish("ann", rows(1), SPEC, run="one")
    (tmp_path / "x").write_bytes(b"secret")
    for path in ("../x", str(tmp_path / "x"), "manifest"):
        with pytest.raises(ShardCorrupt, match="names"):
            store.open(replace(record, path=path), SPEC)


def test_an_entity_folder_that_is_a_link_is_not_followed(store: Store, tmp_path: Path) -> None:
    record = store.publish("ann", rows(1), SPEC, run="one")
    folder = store.root / "entity=ann"
    folder.symlink_to(folder.rename(tmp_path / "elsewhere"))
    with pytest.raises(StoreError, match="leads out of the store"):
        store.open(record, SPEC)
    with pytest.raises(StoreError, match="is a link"):
        store.publish("ann", rows(2), SPEC, run="one")


@pytest.mark.parametrize("name", ["", "Ann", "ann/bob", "../ann", "a" * 33, "1ann", "ann\n", ".tmp", "ä"])
def test_what_cannot_be_a_name_publishes_nothing(name: str, store: Store) -> None:
    with pytest.raises(StoreError, match="cannot be a name"):
        store.publish(name, rows(1), SPEC, run="one")
    assert not store.root.exists()


def test_a_record_is_a_value(store: Store) -> None:
    record = store.publish("ann", rows(1), SPEC, run="one")
    assert hash(record) == hash(Record(**asdict(record)))


def test_what_is_withdrawn_is_not_offered_until_it_is_published_again(store: Store) -> None:
    first, other = (store.publish(name, rows(seed), SPEC, run="r") for seed, name in enumerate(("a1", "a2")))
    shards = {place for place in files(store) if place.endswith(".arrow")}
    assert store.withdraw("a1") == (first,)
    assert store.records() == (other,)
    assert store.withdraw("a1") == ()
    assert {place for place in files(store) if place.endswith(".arrow")} == shards  # the store only grows
    assert [finding.problem for finding in store.verify()] == ["", ""]
    again = store.publish("a1", rows(0), SPEC, run="r")
    assert again.sha256 == first.sha256
    assert [record.entity for record in store.records()] == ["a1", "a2"]
    stages = [read_manifest(path).stage for path in sorted((store.root / "manifest").glob("*-a1-*"))]
    assert stages == ["publish", "withdraw", "publish"]
