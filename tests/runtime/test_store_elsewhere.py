"""Runs whose store does not lie in the run directory: a folder elsewhere, and a bucket."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from collab.cli import app
from collab.errors import BoundaryError, StoreError
from collab.runtime.leak_check import LeakCheck, find_unlisted
from collab.runtime.play import Played, Where, play
from collab.scenario.model import Scenario
from collab.store.ledger import read_ledger
from collab.store.remote import RemoteStore
from collab.store.shards import ShardSpec
from collab.store.shelves import AbstractShelf, FolderShelf, shelf_at, uri_of_run
from tests.playing import bits, shards
from tests.runtime.test_leak_check import WEIGHTS, weights

Small = Callable[..., Scenario]
SPEC = ShardSpec((2, 4, 4), "float16", 4, "f" * 64)


@pytest.fixture(params=["folder", "bucket"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return (tmp_path / "elsewhere").as_uri() if request.param == "folder" else str(request.getfixturevalue("bucket"))


def published(run: Path) -> list[str]:
    return sorted(path.relative_to(run / "store").as_posix() for path in (run / "store").rglob("*") if path.is_file())


def test_a_store_elsewhere_changes_no_result_and_holds_what_was_published(
    uri: str, small: Small, played: Played, tmp_path: Path
) -> None:
    where = Where("inprocess", out=tmp_path / "runs")
    first = play(small(f"store.uri={uri}"), where, lambda event: None)
    assert bits(first.rows) == bits(played.rows)
    assert shards(first.run) == shards(played.run)
    assert sorted(shelf_at(uri_of_run(uri, first.run)).names()) == published(first.run)
    assert list((first.run / "private" / "a1" / "copies").glob("entity=a2/*.arrow"))  # it did read from there
    for path in first.run.rglob("*"):
        assert not path.is_file() or b"its-secret" not in path.read_bytes()

    again = play(small(f"store.uri={uri}"), where, lambda event: None)
    assert again.cached == again.jobs
    assert not list(again.run.glob("private/*/copies"))  # they are not what a stage leaves
    assert sorted(shelf_at(uri_of_run(uri, again.run)).names()) == published(again.run)
    assert len(published(again.run)) == 8

    assert "4 files, 0 refused" in CliRunner().invoke(app, ["store", "verify", uri_of_run(uri, again.run)]).output
    assert "4 shards" in CliRunner().invoke(app, ["store", "ls", uri_of_run(uri, again.run)]).output
    shelf_at(uri_of_run(uri, again.run)).remove(shards(again.run)[0].removeprefix("store/"))
    with pytest.raises(StoreError, match="no manifest"):
        CliRunner().invoke(app, ["store", "ls", uri], catch_exceptions=False)
    assert CliRunner().invoke(app, ["store", "verify", uri_of_run(uri, again.run)]).exit_code == 5


@pytest.mark.ray
@pytest.mark.slow
def test_actors_publish_to_a_bucket_and_read_from_it(bucket: str, small: Small, played: Played, tmp_path: Path) -> None:
    found = play(small(f"store.uri={bucket}"), Where(out=tmp_path), lambda event: None)
    assert bits(found.rows) == bits(played.rows)
    assert sorted(shelf_at(uri_of_run(bucket, found.run)).names()) == published(found.run)
    assert list((found.run / "private" / "a1" / "copies").glob("entity=a2/*.arrow"))


def test_what_is_damaged_there_is_refused_and_nothing_else_is_lost(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = FolderShelf.put

    def damaging(self: FolderShelf, name: str, source: Path) -> None:
        honest(self, name, source)
        if name.startswith("entity=a2/"):
            path = self.root / name
            content = bytearray(path.read_bytes())
            content[len(content) // 2] ^= 1
            path.chmod(0o600)
            path.write_bytes(content)

    monkeypatch.setattr(FolderShelf, "put", damaging)
    scenario = small(f"store.uri={(tmp_path / 'elsewhere').as_uri()}", "controls=false")
    found = play(scenario, Where("inprocess", out=tmp_path / "runs"), lambda event: None)
    refused = {row.row for row in found.rows if row.metric == "refused[a2]"}
    assert refused
    assert {row.row for row in found.rows if row.metric == "top1"} >= refused
    taken = {
        line.sender
        for line in read_ledger(found.run / "ledger.parquet")
        if line.stage == "refine" and line.kind == "shard"
    }
    assert taken
    assert "a2" not in taken


def test_a_leak_in_the_store_is_found_wherever_that_lies(small: Small, tmp_path: Path) -> None:
    uri = (tmp_path / "elsewhere").as_uri()
    scenario = small(f"store.uri={uri}", "controls=false")
    run = play(scenario, Where("inprocess", out=tmp_path / "runs"), lambda event: None).run
    audit, shelf = LeakCheck(run, scenario), shelf_at(uri_of_run(uri, run))
    assert audit.search_run() == audit.search_store() == find_unlisted(run, uri=uri) == []
    (tmp_path / "leak").write_bytes(weights(run).tobytes())
    shelf.put("entity=a2/more.bin", tmp_path / "leak")
    assert audit.search_run() == []
    assert [(leak.place, leak.what) for leak in audit.search_store()] == [
        (f"store/entity=a2/more.bin at {shelf.uri}", WEIGHTS)
    ]
    told = CliRunner().invoke(app, ["store", "audit", str(run)])
    assert isinstance(told.exception, BoundaryError)
    rows = [(torch.rand(3, 2, 4, 4), torch.tensor([0, 1, 2]))]
    slipped = RemoteStore(tmp_path / "own", tmp_path / "copies", shelf).publish("a1", rows, SPEC, run="another")
    assert [leak.place for leak in find_unlisted(run, uri=uri)] == [f"store/{slipped.path}"]
    assert find_unlisted(run) == []


def test_a_run_whose_store_cannot_be_used_ends_before_anything_is_played(
    bucket: str, small: Small, tmp_path: Path
) -> None:
    events: list[str] = []
    scenario = small(f"store.uri={bucket.replace('stores', 'nobodys', 1)}")
    with pytest.raises(StoreError, match=r"nobodys.*See that it exists"):
        play(scenario, Where("inprocess", out=tmp_path), lambda event: events.append(str(event["event"])))
    assert not events


def test_a_store_that_forgets_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FolderShelf, "names", lambda self, folder="": [])
    shelf: AbstractShelf = FolderShelf(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="does not give back"):
        shelf.probe()
