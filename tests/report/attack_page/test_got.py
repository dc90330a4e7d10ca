"""What attacks got: which of their scores is a share of what there is to find, on whom, and whose is the most."""

import json
from dataclasses import asdict
from types import SimpleNamespace
from typing import Any

import pytest

from collab.plain_json import json_text
from collab.report.attack_page.cells import Cell
from collab.report.attack_page.got import Got, find_most, list_got, pick_most, pick_victims
from collab.report.attack_page.words import CONTROL_FAILED, WORDS
from collab.results.figure import Figure


def cell(victim: str, word: str = WORDS[0], **got: Figure) -> Cell:
    kinds = {"leakage": None, "matches": None, "members": None} | got
    return Cell(
        victim, "attack", "outsider", word, "", likeness=None, worst=None, victims=(victim,), rows=9, seconds=0, **kinds
    )  # type: ignore[arg-type]


def got(share: float, adversary: str = "outsider", attack: str = "matching", what: str = "rows") -> Got:
    return Got("dpm", ("a",), adversary, attack, what, Figure(share, share, share))


def scenario(leader: str) -> Any:
    return SimpleNamespace(model=SimpleNamespace(pretrain=SimpleNamespace(leader=leader)))


def test_members_are_counted_beyond_the_false_alarms_that_a_guess_has_too() -> None:
    found = list_got([cell("a", leakage=Figure(-0.2, -0.3, -0.1), members=Figure(0.31, 0.25, 0.38))], ["a"])
    assert [(each.what, round(each.share.value, 9)) for each in found] == [("images", -0.2), ("members", 0.3)]
    assert found[1].share.high == pytest.approx(0.37)
    (nobody,) = list_got([cell("a", members=Figure(0.004, 0.0, 0.02))], ["a"])
    assert (nobody.share.value, nobody.share.low) == (0.0, 0.0)


def test_other_victims_and_attacks_whose_control_failed_are_left_out() -> None:
    rows = Figure(0.9, 0.8, 1.0)
    assert list_got([cell("b", matches=rows), cell("a", CONTROL_FAILED, matches=rows), cell("a")], ["a"]) == []
    assert pick_victims(scenario("a"), ["a", "b"]) == {"b"}
    assert pick_victims(scenario("a"), ["a"]) == {"a"}
    assert pick_victims(scenario("c"), ["a", "b"]) == {"a", "b"}


def test_the_most_is_that_of_the_mean_over_seeds_and_not_of_the_luckiest_seed() -> None:
    steady, lucky = [got(0.5), got(0.5)], [got(0.8, attack="lucky"), got(0.0, attack="lucky")]
    most = find_most([[a, b] for a, b in zip(steady, lucky, strict=True)])["outsider"]
    assert (most.attack, most.share, most.low, most.high, most.seeds) == ("matching", 0.5, 0.5, 0.5, 2)
    assert str(find_most([lucky])["outsider"]) == "40 % of rows (0 to 80), lucky"
    assert str(find_most([steady[:1]])["outsider"]) == "50 % of rows, matching"


def test_worse_than_a_guess_is_nothing_and_who_knows_least_comes_first() -> None:
    below = got(-3.0, what="images")
    most = find_most([[got(0.2, "module leaked"), got(0.1, "insider"), below, got(0.02, what="members")]])
    assert [(name, each.share) for name, each in most.items()] == [
        ("outsider", 0.02),
        ("insider", 0.1),
        ("module leaked", 0.2),
    ]
    assert find_most([[below]])["outsider"].share == 0.0
    assert find_most([[below, got(0.3, what="members")]], "members")["outsider"].share == 0.3
    assert pick_most(most, ["outsider", "insider"]) == most["insider"]
    assert pick_most(most, ["collaborator"]) is None


def test_what_is_kept_as_json_reads_as_it_was() -> None:
    one = Got("dpm", ("a", "b"), "insider", "leaked_pairs[4]", "images", Figure(0.4, 0.3, 0.5, 500))
    assert Got.of_kept(json.loads(json_text(asdict(one)))) == one
