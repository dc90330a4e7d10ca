"""What attacks got: which of their scores is a share of what there is to find, on whom, and whose is the most."""

import json
from dataclasses import asdict, replace

import pytest

from collab.plain_json import json_text
from collab.report.attack_page.cells import Cell
from collab.report.attack_page.got import Got, find_most, list_got, pick_most, pick_victims
from collab.report.attack_page.words import CONTROL_FAILED, WORDS
from collab.results.figure import Figure
from collab.scenario.model import Scenario
from tests.report.made_up import scenario


def cell(victim: str, word: str = WORDS[0], **got: Figure) -> Cell:
    kinds = {"leakage": None, "matches": None, "members": None} | got
    return Cell(
        victim, "attack", "outsider", word, "", likeness=None, worst=None, victims=(victim,), rows=9, seconds=0, **kinds
    )  # type: ignore[arg-type]


def got(share: float, adversary: str = "outsider", attack: str = "matching", what: str = "rows", by: str = "") -> Got:
    return Got("dpm", ("a",), ("7",), adversary, attack, what, Figure(share, share, share), by)


def stated(*overrides: str) -> Scenario:
    """tiny: a1 pre-trains, a1 to a4 publish, and a1 and a2 are read."""
    read = {"7": ("a1", "[a2]"), "8": ("a2", "[a1]"), "10": ("a3", "[a1, a2]"), "12": ("a4", "[a1, a2]")}
    rows = (f"{{row: {row}, entity: {who}, own: features, pool: {pool}}}" for row, (who, pool) in read.items())
    return scenario(f"refinements=[{', '.join(rows)}]", "expect=null", *overrides)


def test_members_are_counted_beyond_the_false_alarms_that_a_guess_has_too() -> None:
    one = cell("a2", leakage=Figure(-0.2, -0.3, -0.1), members=Figure(0.31, 0.25, 0.38))
    found = list_got(stated(), [one])
    assert [(each.what, round(each.share.value, 9)) for each in found] == [("images", -0.2), ("members", 0.3)]
    assert found[1].share.high == pytest.approx(0.37)
    (nobody,) = list_got(stated(), [cell("a2", members=Figure(0.004, 0.0, 0.02))])
    assert (nobody.share.value, nobody.share.low) == (0.0, 0.0)


def test_whoever_pre_trained_is_a_victim_where_nobody_else_publishes() -> None:
    assert pick_victims(stated()) == {"a2"}  # a3 and a4 publish too, and nobody reads them
    silent = [f"entities.{name}.kind=free_rider" for name in ("a2", "a3", "a4")]
    alone = scenario("refinements=[]", "expect=null", *silent, "entities.*.defense=none")
    assert pick_victims(alone) == {"a1"}
    nobody_reads = scenario("refinements=[]", "expect=null")
    assert pick_victims(nobody_reads) == {"a2", "a3", "a4"}


def test_who_is_not_read_and_attacks_whose_control_failed_are_left_out() -> None:
    rows = Figure(0.9, 0.8, 1.0)
    both = replace(cell("a2", matches=rows), victims=("a2", "a3"))
    assert [each.victims for each in list_got(stated(), [both])] == [("a2",)]
    assert list_got(stated(), [cell("a4", matches=rows), cell("a2", CONTROL_FAILED, matches=rows), cell("a2")]) == []


def test_rows_that_tell_what_a_defense_brings_read_nothing_else_and_may_read_whoever_pre_trained() -> None:
    alike = list_got(stated(), [cell("a2", matches=Figure(0.9))])[0].rows
    assert {"7", "8", "10", "12"} <= set(alike)
    other = stated("entities.a1.defense=gaussian_noise")
    assert "7" in list_got(other, [cell("a2", matches=Figure(0.9))])[0].rows
    assert "8" not in list_got(other, [cell("a2", matches=Figure(0.9))])[0].rows


def test_weights_are_of_all_who_took_part_and_of_their_row() -> None:
    of_weights = replace(cell("a4", members=Figure(0.2, 0.1, 0.3)), defense="weights of fed")
    (found,) = list_got(stated(), [of_weights])
    assert (found.victims, found.rows) == (("a4",), ("fed",))
    (of_leader,) = list_got(stated(), [replace(of_weights, defense="weights of fed of a1", victims=("a1",))])
    assert (of_leader.victims, of_leader.rows) == (("a1",), ("fed",))


def test_the_most_is_that_of_the_mean_over_seeds_and_not_of_the_luckiest_seed() -> None:
    steady, lucky = [got(0.5), got(0.5)], [got(0.8, attack="lucky"), got(0.0, attack="lucky")]
    most = find_most([[a, b] for a, b in zip(steady, lucky, strict=True)])["outsider"]
    assert (most.attack, most.share, most.low, most.high, most.seeds) == ("matching", 0.5, 0.5, 0.5, 2)
    assert str(find_most([[each] for each in lucky])["outsider"]) == "40 % of rows (0 to 80), lucky"
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


def test_an_attack_that_says_something_of_every_seed_comes_before_one_that_was_lucky_in_one() -> None:
    most = find_most([[got(0.5)], [got(0.5)], [got(0.5), got(0.9, attack="lucky")]])["outsider"]
    assert (most.attack, most.share) == ("matching", 0.5)
    alone = find_most([[], [], [got(0.9, attack="lucky")]])["outsider"]
    assert str(alone) == "90 % of rows, lucky in 1 of 3 seeds"
    assert find_most([[got(1.3, what="images")]])["outsider"].share == 1.0


def test_one_name_of_two_adversaries_is_no_pair_of_seeds() -> None:
    most = find_most([[got(0.5, by="eve"), got(0.1, by="auditor")]])["outsider"]
    assert (most.attack, most.share, most.seeds) == ("matching by eve", 0.5, 1)


def test_what_is_kept_as_json_reads_as_it_was() -> None:
    one = Got("dpm", ("a", "b"), ("7",), "insider", "leaked_pairs[4]", "images", Figure(0.4, 0.3, 0.5, 500))
    assert Got.of_kept(json.loads(json_text(asdict(one)))) == one
