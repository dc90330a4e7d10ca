"""The report for who decides says what the other pages say, and nothing that no file of the run holds."""

import html
import json
import re
from dataclasses import asdict, replace
from pathlib import Path

import jsonschema
import pytest

from collab.plain_json import json_text
from collab.report.pages.answer import answer_run
from collab.report.pages.decision import KNOWS, NO_GAIN, NOT_BROKEN, OPEN, REFUSED, SILENT, decide, write_decision
from collab.report.pages.decision_parts import SCHEMA, Decision, decision_schema
from collab.results.opened import open_run
from collab.scenario.reader import read_scenario
from tests.places import TINY
from tests.report.attack_page.test_failed import attack, opened, shown
from tests.report.made_up import rows, scenario, write_run

STATED = scenario()
WELL = {"9": 0.7, "10": 0.8, "11": 0.3, "12": 0.2, "c_own_a3": 0.5, "c_own_a4": 0.5}
"""With the pool a3 does clearly better than alone, by each further peer, and a4 clearly worse."""


def verdicts(made: Decision) -> dict[str, str]:
    return {each.party: each.verdict for each in made.rulings}


def not_broken(victim: str) -> list[object]:
    return [attack("straw_man", victim, metric, 0.01) for metric in ("leakage[ssim_max]", "match_top1")]


def test_without_attacks_nothing_can_be_decided(tmp_path: Path) -> None:
    made = decide(opened(tmp_path, rows(STATED, WELL)))
    assert verdicts(made) == dict.fromkeys(("a1", "a2", "a3", "a4"), OPEN)
    assert made.not_tried[0].startswith("No attack at all was played")


def test_a_defense_that_failed_is_refused_with_its_reason_and_warned_of_first(tmp_path: Path) -> None:
    run = opened(tmp_path, shown(0.6))
    made = decide(run)
    assert verdicts(made) == {"a1": OPEN, "a2": REFUSED, "a3": OPEN, "a4": OPEN}
    page = html.unescape(write_decision(run).read_text(encoding="utf-8"))
    assert page.index(made.warnings[0]) < page.index(made.answer[0].answer) < page.rindex(made.rulings[1].why)
    assert "SSIM 0.600" in made.rulings[1].why


def test_what_no_attack_broke_is_told_by_whom_it_helped(tmp_path: Path) -> None:
    """a4 is in the pool of a3, who gains; a3 is in the pool of a4 alone, who loses."""
    tried = [each for victim in ("a3", "a4") for each in not_broken(victim)]
    made = decide(opened(tmp_path, [*rows(STATED, WELL), *tried]))  # type: ignore[list-item]
    assert (verdicts(made)["a4"], verdicts(made)["a3"]) == (NOT_BROKEN, NO_GAIN)
    assert "helped a3" in made.rulings[3].why


def test_who_publishes_nothing_and_who_hides_nothing(tmp_path: Path) -> None:
    row = "refinements=[{row: 9, entity: a3, own: features, pool: [a1, a2]}]"
    stated = scenario("entities.a3.kind=free_rider", "entities.a3.defense=none", "entities.a2.defense=none", row)
    run = write_run(tmp_path / "run", stated, rows(stated))
    found = verdicts(decide(open_run(run)))
    assert (found["a2"], found["a3"]) == (REFUSED, SILENT)


def test_leaving_a_peer_out_costs_what_its_row_lacks(tmp_path: Path) -> None:
    run = opened(tmp_path, rows(STATED, WELL))
    made = decide(run)
    told = {each.told: each for each in made.left_out}
    assert told["a3 without a4 (row 9 in place of 10)"].value == pytest.approx(-10.0)
    assert told["a3 without anybody's features"].value == pytest.approx(-30.0)
    gain = {each.entity: each for each in answer_run(run).gains}["a3"]
    whole = told["a3 without anybody's features"]
    assert (whole.low, whole.high) == (-gain.points.high, -gain.points.low)  # type: ignore[operator]


def test_means_are_told_of_the_party_that_shows_most(tmp_path: Path) -> None:
    described = decide(opened(tmp_path, shown(0.6))).means
    means = next(each for each in described if "a2" in each.parties)
    assert (means.measured_on, means.ssim_published, means.ssim_plain, means.ssim_guess) == ("a2", 0.6, 0.6, 0.15)
    assert means.cost == pytest.approx(2.0)
    assert not any(" of " in each.name for each in described)  # whose they are stands beside it


def test_every_class_of_adversaries_is_told_of_also_where_nobody_played_it(tmp_path: Path) -> None:
    made = decide(opened(tmp_path, rows(STATED)))
    assert len(made.adversaries) == len(KNOWS)
    assert all(each.worst == "No attack of this class was played." for each in made.adversaries)


def test_the_json_is_as_its_schema_says_and_the_schema_is_the_files(tmp_path: Path) -> None:
    schema = decision_schema()
    assert json.loads(SCHEMA.read_text()) == schema, "python -m collab.report.pages.decision_parts"
    content = json.loads(json_text(asdict(decide(opened(tmp_path, shown(0.6))))))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(content, schema)
    del content["rulings"][0]["why"]
    with pytest.raises(jsonschema.ValidationError, match="'why' is a required property"):
        jsonschema.validate(content, schema)


def test_the_page_numbers_its_parts_and_its_pages_and_is_whole_without_a_network(tmp_path: Path) -> None:
    page = write_decision(opened(tmp_path, rows(STATED, WELL))).read_text(encoding="utf-8")
    heads = re.findall(r"<h2>(.*?)</h2>", page)
    assert heads[:6] == [
        "What was asked", "The verdict for each party", "Who could learn what", "The means that were tried",
        "What was not tried", "What leaving out costs",
    ]  # fmt: skip
    assert "counter(page)" in page
    assert not re.search(r"(src|href)=\"(?!data:|#)", page)


@pytest.mark.parametrize("is_promised", [False, True])
def test_that_nothing_is_guaranteed_is_said_only_where_nobody_promises_it(is_promised: bool, tmp_path: Path) -> None:
    run = opened(tmp_path, rows(STATED))
    if is_promised:
        stated = read_scenario(TINY, ["entities.a2.defense={kind: public_gaussian, dp: {epsilon: 8}}"]).scenario
        run = replace(run, scenario=stated)
    not_tried = " ".join(decide(run).not_tried)
    assert ("guarantee of a2" in not_tried) is is_promised
    assert ("there is none" in not_tried) is not is_promised
