"""Entities that sign what they publish: the same results, from the cache too, and a forgery is refused in a run."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from collab.runtime.host import Event
from collab.runtime.play import Played, Where, play
from collab.scenario.model import Scenario
from collab.store.ledger import read_ledger
from collab.store.signing import Signer, make_key, read_keys, trust_of
from collab.store.store import Store
from tests.playing import bits, play_here, shards
from tests.runtime.test_refusals import TASK, rewritten


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "a2.pem"
    make_key(path)
    return path


@pytest.fixture(scope="module")
def signed(small: Callable[..., Scenario], key: Path, tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play_here(small(f"entities.a2.signing_key={key}"), tmp_path_factory.mktemp("runs"))


def is_signed(run: Path) -> dict[str, bool]:
    return {record.entity: bool(record.signature) for record in Store(run / "store", trust_of(run)).records()}


def test_who_states_a_key_signs_and_no_result_changes(signed: Played, played: Played, key: Path) -> None:
    assert bits(signed.rows) == bits(played.rows)
    assert shards(signed.run) == shards(played.run)
    assert is_signed(signed.run) == {"a1": False, "a2": True, "a3": False, "a4": False}
    assert read_keys(signed.run / "keys.txt") == {"a2": Signer(key).public}
    assert not (played.run / "keys.txt").exists()


def test_what_the_cache_had_is_signed_for_the_run_that_takes_it(
    signed: Played, small: Callable[..., Scenario], key: Path
) -> None:
    again = play_here(small(f"entities.a2.signing_key={key}"), signed.run.parents[1])
    assert again.cached == again.jobs
    assert is_signed(again.run) == is_signed(signed.run)
    assert [finding.problem for finding in Store(again.run / "store", trust_of(again.run)).verify()] == [""] * 4
    assert {record.run for record in Store(again.run / "store").records("a2")} == {again.run.name}
    assert is_signed(signed.run)["a2"]  # the files of the earlier run are its own


def test_a_shard_that_somebody_else_wrote_is_not_read(
    signed: Played, small: Callable[..., Scenario], key: Path
) -> None:
    out = signed.run.parents[1]

    def forge(event: Event) -> None:
        if event.get("job") == "publish a2" and event["event"] == "cached":
            run = max(out.glob("tiny/*"), key=lambda run: run.stat().st_mtime_ns)
            rewritten(run / "store", lambda columns: np.put(columns["y"], range(3), (columns["y"][:3] + 1) % 3))

    scenario = small(f"entities.a2.signing_key={key}", "refine.learning_rate=0.013")
    found = play(scenario, Where("inprocess", out=out, only=TASK), forge)
    told = json.loads((found.run / "record.json").read_text())["facts"][TASK]
    assert "its signature is not by the key of entity 'a2'" in told["refused[a2]"]
    assert {each.sender for each in read_ledger(found.run / "ledger.parquet") if each.stage == "refine"} == {"a1", "a3"}
