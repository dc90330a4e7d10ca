"""A run that the first version of its formats has written is read for ever: all that its pages are drawn from."""

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from collab.report.pages.page import write_page
from collab.results.opened import Opened, open_run
from collab.store.store import Store

GOLDEN = Path(__file__).parents[1] / "golden" / "run"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    folder = tmp_path_factory.mktemp("runs") / "20261129-151100-abcd"
    shutil.copytree(GOLDEN, folder)
    return open_run(folder)


def test_it_says_what_made_it() -> None:
    made = json.loads((GOLDEN / "made.json").read_text())
    assert (len(made["commit"]), made["seed"]) == (40, 0)


def test_its_scenario_is_what_it_was(run: Opened) -> None:
    scenario = run.scenario
    assert (scenario.name, scenario.seed, scenario.data.classes) == ("tiny", 0, 4)
    assert [(entity.name, entity.share) for entity in scenario.entities][3] == ("a4", 0.05)
    assert [row.name for row in scenario.refinements] == [*range(1, 13)]


def test_its_results_are_what_they_were(run: Opened) -> None:
    assert len(run.rows) == 205
    found = {(row.row, row.metric): row for row in run.rows}
    top1 = found["7", "top1"]
    interval = (0.2992980081982124, 0.7007019918017876)
    assert (top1.entity, top1.value, (top1.low, top1.high), top1.n) == ("a1", 0.5, interval, 20)
    assert top1.answers is not None
    assert (top1.answers.values.shape, top1.answers.values.mean()) == ((1, 20), 0.5)


def test_its_ledger_and_record_are_what_they_were(run: Opened) -> None:
    kinds = Counter((crossing.stage, crossing.kind) for crossing in run.crossings)
    assert (kinds["publish", "shard"], kinds["refine", "shard"], kinds["refine", "answers"], len(run.crossings)) == (
        4, 24, 19, 97,
    )  # fmt: skip
    sent = {each.sender: (each.digest[:16], each.shape) for each in run.crossings if each.kind == "shard"}
    assert sent["a4"] == ("f8df40ef573159e6", (4, 8, 8, 8))
    assert run.record["labels"] == {"a1": [4, 4], "a2": [4, 4], "a3": [4, 4], "a4": [2, 2]}
    assert run.losses["poison a1"] == ((0.8584122061729431,),)


def test_its_store_is_whole_and_its_page_can_be_drawn(run: Opened) -> None:
    store = Store(run.folder / "store")
    assert [finding.problem for finding in store.verify()] == [""] * 4
    assert {f"{each.sha256[:16]}" for each in store.records()} == {
        each.digest[:16] for each in run.crossings if each.stage == "publish" and each.kind == "shard"
    }
    assert "Table 5" in write_page(run.folder).read_text()
