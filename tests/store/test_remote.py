import shutil
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest
import torch
from pyarrow import fs

from collab.errors import ShardCorrupt, ShardMissing, StoreError
from collab.store.manifest import read_manifest, shard_path
from collab.store.remote import RemoteStore
from collab.store.shards import ShardSpec
from collab.store.shelves import AbstractShelf, BucketShelf, FolderShelf, shelf_at, uri_of_run
from collab.store.store import Store

SPEC = ShardSpec((2, 4, 4), "float16", 5, "f" * 64)


def rows(which: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(which)
    return [(torch.randn(300, 2, 4, 4, generator=generator), torch.arange(300) % 5)]


@pytest.fixture(params=["folder", "bucket", "memory"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> AbstractShelf:
    """A folder, S3, and a file system of fsspec that has nothing of S3's: any that pyarrow opens will do."""
    uris = {"folder": (tmp_path / "else where").as_uri, "memory": lambda: "fsspec+memory://stores/of"}
    uri = uris.get(request.param, lambda: str(request.getfixturevalue("bucket")))()
    found = shelf_at(uri_of_run(uri, tmp_path / "tiny" / "one"))
    assert isinstance(found, FolderShelf if request.param == "folder" else BucketShelf)
    for name in found.names():
        found.remove(name)
    return found


def party(shelf: AbstractShelf, tmp_path: Path, name: str) -> RemoteStore:
    return RemoteStore(tmp_path / name / "own", tmp_path / name / "copies", shelf)


def put(shelf: AbstractShelf, name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / "content").write_bytes(content)
    shelf.put(name, tmp_path / "content")


def got(shelf: AbstractShelf, name: str) -> bytes:
    with shelf.open(name) as file:
        return bytes(file.read(1 << 20))


def test_what_is_published_is_read_elsewhere_and_is_the_same_shard(shelf: AbstractShelf, tmp_path: Path) -> None:
    ann, bob = party(shelf, tmp_path, "ann"), party(shelf, tmp_path, "bob")
    record = ann.publish("ann", rows(1), SPEC, run="one")
    assert record.sha256 == Store(tmp_path / "local").publish("ann", rows(1), SPEC, run="one").sha256
    assert bob.records("ann") == bob.records() == bob.records_or_less() == (record,)
    assert bob.records("cat") == ()
    x, y = bob.open(record, SPEC).load()
    torch.testing.assert_close(x, rows(1)[0][0].half(), rtol=0, atol=0)
    assert torch.equal(y, rows(1)[0][1])
    second = ann.publish("ann", rows(2), SPEC, run="one")
    assert bob.records("ann") == (record, second)  # looked for anew
    assert [finding.problem for finding in bob.verify()] == ["", ""]


def test_publishing_again_puts_only_what_is_missing(shelf: AbstractShelf, tmp_path: Path) -> None:
    ann = party(shelf, tmp_path, "ann")
    record = ann.publish("ann", rows(1), SPEC, run="one")
    names = sorted(shelf.names())
    assert len(names) == 2
    assert ann.publish("ann", rows(1), SPEC, run="one") == record
    assert sorted(shelf.names()) == names
    for name in names:
        shelf.remove(name)
    assert party(shelf, tmp_path, "bob").records() == ()
    ann.publish("ann", rows(1), SPEC, run="one")
    assert sorted(shelf.names()) == names
    assert party(shelf, tmp_path, "cat").records() == (record,)


def test_the_manifest_goes_last(shelf: AbstractShelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = type(shelf).put

    def fails(self: AbstractShelf, name: str, source: Path) -> None:
        if name.startswith("manifest/"):
            raise StoreError("the line is cut")
        honest(self, name, source)

    ann, bob = party(shelf, tmp_path, "ann"), party(shelf, tmp_path, "bob")
    with monkeypatch.context() as patch:
        patch.setattr(type(shelf), "put", fails)
        with pytest.raises(StoreError, match="line is cut"):
            ann.publish("ann", rows(1), SPEC, run="one")
    assert bob.records() == ()
    assert ["no manifest names" in finding.problem for finding in bob.verify()] == [True]
    record = ann.publish("ann", rows(1), SPEC, run="one")  # the stage is played again
    assert bob.records() == (record,)


def test_withdrawn_is_withdrawn_for_everybody(shelf: AbstractShelf, tmp_path: Path) -> None:
    ann, bob = party(shelf, tmp_path, "ann"), party(shelf, tmp_path, "bob")
    record = ann.publish("ann", rows(1), SPEC, run="one")
    assert bob.records() == (record,)
    assert ann.withdraw("ann") == (record,)
    assert bob.records() == ()
    ann.publish("ann", rows(1), SPEC, run="one")
    assert [each.sha256 for each in bob.records()] == [record.sha256]


@pytest.mark.parametrize("way", ["flipped", "cut", "longer", "gone"])
def test_a_shard_that_was_damaged_there_is_refused_and_read_once_it_is_mended(
    way: str, shelf: AbstractShelf, tmp_path: Path
) -> None:
    record = party(shelf, tmp_path, "ann").publish("ann", rows(1), SPEC, run="one")
    bob, honest = party(shelf, tmp_path, "bob"), got(shelf, record.path)
    assert len(honest) == record.bytes
    flipped = bytearray(honest)
    flipped[len(honest) // 2] ^= 1
    if way == "gone":
        shelf.remove(record.path)
    else:
        put(shelf, record.path, {"flipped": bytes(flipped), "cut": honest[:-9], "longer": honest * 2}[way], tmp_path)
    with pytest.raises(ShardMissing if way == "gone" else ShardCorrupt):
        bob.open(record, SPEC)
    assert [bool(finding.problem) for finding in bob.verify()] == [True]
    put(shelf, record.path, honest, tmp_path)
    assert bob.open(record, SPEC).rows == 300


def test_what_a_hostile_publisher_puts_leads_nowhere(shelf: AbstractShelf, tmp_path: Path) -> None:
    record = party(shelf, tmp_path, "ann").publish("ann", rows(1), SPEC, run="one")
    bob, path = party(shelf, tmp_path, "bob"), shard_path("ann", record.sha256)
    put(shelf, "manifest/note.json", b"{}", tmp_path)
    put(shelf, "entity=ann/more.arrow", b"more", tmp_path)
    assert bob.records() == (record,)
    copies = {each.relative_to(tmp_path / "bob").as_posix() for each in (tmp_path / "bob").rglob("*") if each.is_file()}
    assert len(copies) == 1  # its manifest
    assert {finding.path for finding in bob.verify() if finding.problem} == {
        "manifest/note.json",
        "entity=ann/more.arrow",
    }
    name = f"manifest/000002-ann-{'0' * 32}.json"
    put(shelf, name, b'{"path": "../../escaped"}', tmp_path)
    with pytest.raises(ShardCorrupt, match="schema version"):
        bob.records("ann")
    put(shelf, name, b" " * (5 << 20), tmp_path)
    shutil.rmtree(tmp_path / "bob")
    with pytest.raises(ShardCorrupt, match="more than"):
        bob.records("ann")
    assert bob.records_or_less() == ()
    shelf.remove(name)
    assert bob.open(*bob.records("ann"), SPEC).rows == 300
    assert not (tmp_path / "escaped").exists()
    assert path == record.path


def test_a_place_that_can_be_used_is_left_as_it_was(shelf: AbstractShelf) -> None:
    shelf.probe()
    assert shelf.names() == []


def test_a_place_that_cannot_be_used_says_what_to_do(bucket: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"s3://nobodys/of/runs.*Credentials.*AWS_ACCESS_KEY_ID") as caught:
        shelf_at(bucket.replace("stores", "nobodys", 1)).probe()
    assert "its-secret" not in str(caught.value)
    (tmp_path / "file").write_text("a file")
    with pytest.raises(StoreError, match="cannot be written"):
        shelf_at((tmp_path / "file").as_uri()).probe()


@pytest.mark.parametrize(
    ("uri", "kind"),
    [
        ("gs://bucket/of/runs?scheme=http&endpoint_override=localhost:1", "GcsFileSystem"),
        ("abfs://stores@lab1.dfs.core.windows.net/of/runs", "AzureFileSystem"),
    ],
)
def test_other_clouds_are_opened_by_their_uri(uri: str, kind: str, tmp_path: Path) -> None:
    shelf = shelf_at(uri_of_run(uri, tmp_path / "tiny" / "one"))
    assert isinstance(shelf, BucketShelf)
    assert type(shelf._filesystem).__name__ == kind
    assert shelf._path("manifest/x.json").endswith("/of/runs/tiny/one/manifest/x.json")


def test_a_kind_that_is_not_installed_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacks(uri: str) -> None:
        raise pa.ArrowNotImplementedError("Got Azure Blob URI but Arrow compiled without Azure Blob support")

    monkeypatch.setattr(fs, "FileSystem", SimpleNamespace(from_uri=lacks))
    with pytest.raises(StoreError, match="pip install --force-reinstall pyarrow"):
        shelf_at("abfs://stores@lab1.dfs.core.windows.net/of/runs")


def test_a_uri_of_no_kind_is_refused() -> None:
    with pytest.raises(StoreError, match=r"az://x/y cannot be used for a store: Unrecognized filesystem type"):
        shelf_at("az://x/y")


def test_a_link_in_a_folder_elsewhere_is_not_followed(tmp_path: Path) -> None:
    shelf = shelf_at((tmp_path / "elsewhere").as_uri())
    record = party(shelf, tmp_path, "ann").publish("ann", rows(1), SPEC, run="one")
    file = tmp_path / "elsewhere" / record.path
    shutil.move(file, tmp_path / "moved")
    file.symlink_to(tmp_path / "moved")
    with pytest.raises(StoreError, match="links"):
        party(shelf, tmp_path, "bob").open(record, SPEC)
    assert read_manifest(next((tmp_path / "elsewhere" / "manifest").iterdir())) == record
