"""Rows of new users of published features: the pool alone, and a C that is drawn anew."""

import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from collab.errors import ScenarioError
from collab.models.backbones import build_split
from collab.runtime.play import Played
from collab.scenario.reader import read_scenario
from collab.scenario.rows import list_played_rows
from collab.seeding import Stream
from tests.places import TINY
from tests.playing import SMALL, bits, play_here

ROWS = """refinements=[{row: user, entity: a4, own: none, pool: [a2], init: fresh},
  {row: mixed, entity: a4, own: features, pool: [a2], init: fresh}, {row: old, entity: a4, own: features, pool: [a2]},
  {row: plain, entity: a4, own: none, unpoisoned: [a2]}, {row: one, entity: a1, own: images}]"""
STILL = [ROWS, "refine.learning_rate=1.0e-12", "refine.weight_decay=0", "controls=false", "expect=null"]
"""Trained so slowly that a C stays what it began as."""


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def played(out: Path) -> Played:
    return play_here(read_scenario(TINY, [*SMALL, *STILL]).scenario, out)


def decider(played: Played, row: str) -> dict[str, torch.Tensor]:
    name = hashlib.sha256(row.encode()).hexdigest()[:16]
    return load_file(played.run / "private/a4" / f"decider_{name}.safetensors")


def test_a_row_begins_as_it_says_and_its_statistics_are_of_what_it_has(played: Played) -> None:
    with Stream(0, "a4", "refine").initialization():
        drawn = build_split("resnet8", "conv3_1", classes=2, width=4).decider.state_dict()
    released = load_file(played.run / "release/decider.safetensors")
    begun = {"user": drawn, "mixed": drawn, "old": released}
    weights = [name for name in drawn if "running" not in name and "num_batches" not in name]
    means = [name for name in drawn if "running_mean" in name]
    assert weights
    assert means
    found = {row: decider(played, row) for row in begun}
    for row, expected in begun.items():
        for name in weights:
            torch.testing.assert_close(found[row][name], expected[name], rtol=0, atol=1e-6)
    assert any((drawn[name] - released[name]).abs().max() > 0.01 for name in weights)
    for name in means:  # taken from what it trained on, or from own plain features
        assert found["user"][name].abs().max() > 0
        assert not torch.equal(found["user"][name], found["mixed"][name])


def test_the_pool_alone_is_trained_on(played: Played) -> None:
    rows = {row.row: row.value for row in played.rows if row.metric == "rows"}
    published = {row.entity: row.value for row in played.rows if row.metric == "rows_published"}
    assert rows["user"] == rows["plain"] == published["a2"]
    assert rows["mixed"] == rows["old"] == published["a2"] + published["a4"]


def test_what_a_user_has_itself_changes_nothing_without_it(played: Played, out: Path) -> None:
    more = play_here(read_scenario(TINY, [*SMALL, *STILL, "entities.a4.share=0.1"]).scenario, out)
    by_row = [
        {row: [bit for bit in bits(each.rows) if bit[0] == row] for row in ("user", "mixed")} for each in (played, more)
    ]
    assert by_row[0]["user"] == by_row[1]["user"]
    assert by_row[0]["mixed"] != by_row[1]["mixed"]


def test_controls_of_such_rows_have_plain_features_in_their_place() -> None:
    scenario = read_scenario(TINY, [ROWS, "expect=null"]).scenario
    rows = {str(row.name): row for row in list_played_rows(scenario)}
    control = rows["c_unpoisoned_user"]
    assert (control.own, control.init, control.pool, control.unpoisoned) == ("none", "fresh", (), ("a2",))
    assert "c_all_poisoned_user" not in rows


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("{row: u, entity: a4, own: none}", "own: is none, so the row has nothing to train on"),
        ("{row: u, entity: a4, own: none, pool: [a1], vet: holdout}", "vet: tries peers on own images"),
        ("{row: u, entity: a4, own: images, init: fresh}", "init: has no effect: `own: images` trains a new network"),
        ("{row: u, own: none, share: 0.5}", "share: is for `own: images`"),
    ],
)
def test_what_such_a_row_cannot_be(row: str, words: str) -> None:
    with pytest.raises(ScenarioError, match=words):
        read_scenario(TINY, [f"refinements=[{row}]", "expect=null"])
