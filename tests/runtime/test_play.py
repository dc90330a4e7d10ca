import hashlib
import stat
from collections.abc import Callable
from pathlib import Path

import torch

from collab.report.pages.page import write_page
from collab.results.table import read_results
from collab.runtime.play import Played, Where, play
from collab.scenario.model import Scenario
from collab.scenario.reader import read_scenario
from collab.store.answers import take_answers
from collab.store.ledger import read_ledger
from collab.store.release import read_release
from collab.store.store import Store
from tests.playing import bits, shards


def test_a_run_leaves_the_directory_of_the_design(played: Played) -> None:
    for name in ("scenario.yaml", "results.parquet", "metrics.jsonl", "ledger.parquet", "record.json"):
        assert (played.run / name).is_file(), name
    for network in ("featurizer", "decider", "reconstructor"):
        assert read_release(played.run / "release", network)[1]["sha256"]
    assert not [finding for finding in Store(played.run / "store").verify() if finding.problem]


def test_private_folders_are_private_and_hold_no_others_rows(played: Played) -> None:
    folders = list((played.run / "private").iterdir())
    assert {folder.name for folder in folders} == {"a1", "a2", "a3", "a4", "oracle"}
    assert all(stat.S_IMODE(folder.stat().st_mode) == 0o700 for folder in folders)


def test_every_entity_published_once_and_the_ledger_says_so(played: Played) -> None:
    crossings = read_ledger(played.run / "ledger.parquet")
    published = sorted(each.sender for each in crossings if (each.stage, each.kind) == ("publish", "shard"))
    assert published == ["a1", "a2", "a3", "a4"]
    reports = [each for each in crossings if each.kind == "report"]
    assert {(each.sender, each.stage) for each in reports} >= {("a1", "pretrain"), ("a4", "decode"), ("a4", "publish")}
    assert {each.receiver for each in reports} == {"driver"}
    assert all(each.bytes > 0 and len(each.digest) == 64 for each in crossings)
    assert sorted(each.sender for each in crossings if each.kind == "pictures") == ["a1", "a2", "a3", "a4"]
    began, ended = (played.run / "scenario.yaml").stat().st_mtime, (played.run / "ledger.parquet").stat().st_mtime
    assert all(each.time is not None and began - 1 <= each.time <= ended + 1 for each in crossings)
    assert {each.kind for each in crossings if each.stage == "release"} == {"featurizer", "decider", "reconstructor"}
    read = {(each.sender, each.receiver) for each in crossings if (each.stage, each.kind) == ("refine", "shard")}
    assert ("a3", "a4") in read
    assert ("a4", "a1") not in read


def test_every_digest_and_size_of_the_ledger_is_that_of_a_file(played: Played) -> None:
    crossings = [each for each in read_ledger(played.run / "ledger.parquet") if each.kind != "report"]
    folders = [played.run / name for name in ("store", "release", "pictures")]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file() and path.suffix != ".json"]
    there = {hashlib.sha256(path.read_bytes()).hexdigest(): path.stat().st_size for path in files}
    assert {each.digest: each.bytes for each in crossings if each.kind != "answers"} == there
    answers = list((played.run / "answers").rglob("*.parquet"))
    kept = {take_answers(path.parent, path.stem).digest: path.stat().st_size for path in answers}
    assert {each.digest: each.bytes for each in crossings if each.kind == "answers"} == kept != {}


def test_what_was_published_is_neither_the_plain_features_nor_in_their_order(played: Played) -> None:
    store = Store(played.run / "store")
    (record,) = store.records("a1")
    from collab.store.shards import ShardSpec, Written, open_shard

    spec = ShardSpec(record.shape, "float16", len(record.histogram), record.featurizer)
    poisoned, labels = store.open(record, spec).load()
    written = Written.read(played.run / "private" / "a1" / "features")
    plain, own_labels = open_shard(written.path, written, spec).load()
    assert sorted(labels.tolist()) == sorted(own_labels.tolist())
    assert labels.tolist() != own_labels.tolist()
    assert not any(torch.equal(row, other) for row in poisoned for other in plain)


def test_results_have_every_row_with_an_interval(played: Played) -> None:
    rows = read_results(played.run / "results.parquet")
    assert tuple(rows) == played.rows
    top1 = {row.row: row for row in rows if row.metric == "top1"}
    assert {str(number) for number in range(1, 13)} <= top1.keys()
    for row in top1.values():
        assert row.low is not None
        assert 0 <= row.low <= row.value <= row.high <= 1
        assert row.n == 20
    assert top1["12"].paper == 0.616
    assert top1["12"].verdict == "not comparable: creatures, resnet8, conv3_1, 16 px, other shares"


def test_same_seed_same_bits_with_one_worker_too(
    played: Played, small: Callable[..., Scenario], tmp_path: Path
) -> None:
    again = play(small("resources.workers=1"), Where("inprocess", out=tmp_path), lambda event: None)
    assert bits(again.rows) == bits(played.rows)
    assert shards(again.run) == shards(played.run)


def test_another_seed_gives_other_bits(played: Played, small: Callable[..., Scenario], tmp_path: Path) -> None:
    other = play(small("controls=false", seed=1), Where("inprocess", out=tmp_path), lambda event: None)
    assert shards(other.run) != shards(played.run)


def test_the_resolved_scenario_reads_back(played: Played, small: Callable[..., Scenario]) -> None:
    assert read_scenario(played.run / "scenario.yaml").scenario == small()


def test_the_page_shows_every_row_and_escapes(played: Played) -> None:
    text = (played.run / "scenario.yaml").read_text()
    changed = text.replace("Every stage and row", "<script>alert(1)</script> Every stage and row")
    (played.run / "scenario.yaml").write_text(changed)
    try:
        page = write_page(played.run).read_text()
    finally:
        (played.run / "scenario.yaml").write_text(text)
    assert "<script>" not in page
    assert "http" not in page
    for row in ("c_public", "c_own_a4", "c_unpoisoned_12", "c_all_poisoned_12", "raw images of all"):
        assert row in page
