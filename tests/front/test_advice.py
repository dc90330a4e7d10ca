"""Which defense is taken: of those within the limit the one that brings most, where that is clear."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

import collab
from collab.cli import app
from collab.errors import EntityError, ScenarioError
from collab.front import advice
from collab.front.advice import Advice, Offer, weigh
from collab.plain_json import json_text
from collab.report.attack_page.cells import Cell
from collab.report.attack_page.words import CONTROL_FAILED, WORDS
from collab.results.figure import Figure
from collab.results.results import Results
from collab.results.table import Result
from collab.scenario.stage_rows import PUBLISH
from tests.places import ROOT
from tests.playing import SMALL

TINY = ROOT / "scenarios" / "tiny.yaml"
TWO = collab.Scenario(TINY).parts
PLAIN = Offer("none", "conv3_1", Figure(10.0, 8.0, 12.0), 15_000_000, Figure(1.0, 0.99, 1.0), "matching", 12)
ANSWERS = Offer("public_answers", "conv3_1", Figure(6.0, 3.0, 9.0), 60_000, Figure(0.03, 0.01, 0.06), "answers", 2)
DRAWS = Offer("public_gaussian", "conv3_1", Figure(3.0, 0.5, 5.5), 15_000_000, Figure(0.01, 0.0, 0.03), "means", 5)


def given(*offers: Offer, leak: float = 0.1) -> Advice:
    return Advice("mine", leak, "points of top-1", offers)


@pytest.mark.parametrize(("leak", "chosen"), [(1.0, PLAIN), (0.1, ANSWERS), (0.05, DRAWS), (0.02, None)])
def test_it_is_the_largest_gain_of_those_whose_whole_interval_is_within(leak: float, chosen: Offer | None) -> None:
    found = given(PLAIN, DRAWS, ANSWERS, leak=leak)
    assert found.chosen == chosen
    assert [line[-1] for line in found.table.lines].count("take") == (chosen is not None)


def test_the_sentence_has_defense_hook_gain_bytes_and_what_attacks_got() -> None:
    told = str(given(PLAIN, ANSWERS))
    assert told == (
        "Take public_answers at conv3_1, of 2 that were tried, with one seed: it brings +6.0 points of top-1 (+3.0 to "
        "+9.0) for 60.0 kB published, and the best of 2 attacks, answers, got 3.0 % (at most 6.0 %) where 10 % are "
        "allowed."
    )


def test_where_none_is_within_or_brings_anything_clear_none_is_taken_and_it_says_which() -> None:
    assert "Take none of 1 that were tried" in str(given(PLAIN))
    vague = replace(ANSWERS, gain=Figure(6.0, -1.0, 13.0))
    assert "public_answers stayed within 10 %, and brought nobody a clear gain" in str(given(PLAIN, vague))
    unknown = replace(ANSWERS, leak=None)
    assert given(unknown, Offer("dpm", "conv3_1", failed="diverged")).chosen is None
    assert json.loads(json_text(given(ANSWERS).to_dict()))["chosen"]["defense"] == "public_answers"


def cell(victim: str, word: str = WORDS[0], **got: Figure) -> Cell:
    kinds = {"leakage": None, "matches": None, "members": None} | got
    return Cell(
        victim, "attack", "outsider", word, "", likeness=None, worst=None, victims=(victim,), rows=9, seconds=0, **kinds
    )  # type: ignore[arg-type]


def played(*cells: Cell) -> Any:
    sizes = [
        Result("s", PUBLISH, name, None, None, "bytes_published", size) for name, size in (("a1", 5.0), ("a2", 7.0))
    ]
    gains = {name: SimpleNamespace(points=Figure(value, value - 1, value + 1)) for name, value in (("a", 2), ("c", 4))}
    return SimpleNamespace(attacks=cells, figures=Results(sizes), gains=gains, scenario=TWO)


def test_a_run_is_weighed_by_its_worst_attack_on_who_has_not_pretrained() -> None:
    offer = weigh(
        played(
            cell("a1", matches=Figure(1.0, 0.9, 1.0)),
            cell("a2", leakage=Figure(0.2, 0.1, 0.3)),
            cell("a2", members=Figure(0.31, 0.25, 0.38)),
            cell("a2", CONTROL_FAILED, matches=Figure(0.9, 0.8, 0.95)),
        ),
        "dpm", "conv3_1", ["a1", "a2"],
    )  # fmt: skip
    assert (offer.published, offer.attack) == (12, "attack")
    assert offer.gain is not None
    assert offer.gain.value == pytest.approx(3.0)
    assert offer.leak is not None
    assert (offer.leak.value, offer.leak.high) == (pytest.approx(0.30), pytest.approx(0.37))
    assert weigh(played(cell("a2")), "dpm", "conv3_1", ["a2"]).leak is None
    nobody = weigh(played(cell("a2", members=Figure(0.0, 0.0, 0.04))), "dpm", "conv3_1", ["a2"]).leak
    assert nobody is not None
    assert (nobody.value, nobody.low, nobody.high) == (0.0, 0.0, pytest.approx(0.03))


def test_one_name_of_two_adversaries_counts_twice_and_weights_do_not_count() -> None:
    """A defense does not change the weights that its entity sends in a federated row."""
    eve = replace(cell("a2", matches=Figure(0.4, 0.3, 0.5)), by="eve")
    auditor = replace(cell("a2", matches=Figure(0.2, 0.1, 0.3)), by="auditor")
    sent = replace(cell("a2", members=Figure(0.9, 0.8, 1.0)), defense="weights of fed")
    offer = weigh(played(auditor, eve, sent), "dpm", "conv3_1", ["a1", "a2"])
    assert (offer.attack, offer.attacks) == ("attack by eve", 2)


def test_each_defense_is_given_to_all_whom_others_read_and_what_fails_is_a_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = list[Any]()

    def run(scenario: collab.Scenario, **options: Any) -> Any:
        asked.append(scenario)
        if scenario.entities[0].defenses[0].kind == "gaussian_noise":
            raise EntityError("it diverged.\nAt step 3.")
        return played(cell("a2", leakage=Figure(0.0, -0.1, 0.05)))

    monkeypatch.setattr(advice, "run", run)
    found = collab.advise(TINY, defenses=["none", "gaussian_noise", "{kind: dpm, lambda: 2}"], out=tmp_path)
    assert [each.failed for each in found.offers] == ["", "it diverged.", ""]
    assert {entity.defenses[0].kind for entity in asked[0].entities if entity.is_publishing_party} == {"none"}
    assert asked[2].entities[0].defenses[0].ssim_weight == 2
    assert all(scenario.audit == "quick" for scenario in asked)
    asked.clear()
    collab.advise(TINY, defenses=["none"], hooks=["all"], out=tmp_path)
    assert len({scenario.model.hook for scenario in asked}) == len(asked) == 3
    ended = CliRunner().invoke(app, ["advise", str(TINY), "--defense", "none", "--json", "--out", str(tmp_path)])
    assert json.loads(ended.stdout)["offers"][0]["leak"]["high"] == 0.05


def test_without_a_row_that_reads_a_pool_there_is_nothing_to_advise() -> None:
    alone = collab.Scenario(TINY).to_dict() | {"refinements": [{"row": 2, "entity": "a1", "own": "features"}]}
    with pytest.raises(ScenarioError, match="nobody reads a pool"):
        collab.advise(alone | {"expect": None})


@pytest.mark.slow
def test_a_scenario_is_played_with_each_and_what_attacks_got_is_told(tmp_path: Path) -> None:
    """Plain features are matched, and of answers about public images there is nothing but members to ask for."""
    changes = [*(each for each in SMALL if "blocks" not in each and "defense" not in each), "controls=false"]
    found = collab.advise(
        TINY, defenses=["none", "{kind: public_answers, epochs: 1}"], set=[*changes, "expect=null"], out=tmp_path,
        backend="inprocess", progress=False,
    )  # fmt: skip
    plain, answers = found.offers
    assert (plain.failed, answers.failed) == ("", "")
    assert plain.attacks > answers.attacks == 1
    assert answers.attack == "answer_membership"
    assert plain.published > 3 * answers.published > 0
    assert plain.leak is not None
    assert answers.leak is not None
    assert plain.leak.value > answers.leak.value
