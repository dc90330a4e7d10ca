"""Verdicts on result rows: the paper's own figures fulfil its claims, and planted faults do not."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from collab.errors import ExpectationFailed, ExpectationUndecided
from collab.papers import figures
from collab.report.tables.tables import make_tables
from collab.results.table import Result
from collab.scenario.model import Scenario
from collab.scenario.reader import read_scenario
from collab.verdicts.evidence import Evidence
from collab.verdicts.papers.deep_poisoning_table_5 import read_rows
from collab.verdicts.verdicts import Verdict, check, judge, judge_results
from tests.places import SCENARIOS


def read(name: str, *overrides: str) -> Scenario:
    return read_scenario(SCENARIOS / f"{name}.yaml", overrides, check_paths=False).scenario


def row(name: str, entity: str | None, value: float | None, metric: str = "top1", half: float = 0.003) -> Result:
    low, high = (None, None) if value is None else (value - half, value + half)
    return Result("s", name, entity, "dpm", None, metric, value, low, high, 2000, 0)


def table_5(scenario: Scenario, **changed: float | None) -> list[Result]:
    """The paper's figures as if they had been measured, and controls that agree with its story."""
    owner = {str(each.name): each.entity for each in scenario.refinements}
    rows = [row(each.row, owner.get(each.row), each.fraction, each.metric) for each in figures("dp_table5")]
    rows += [row("c_public", None, 0.529)]
    rows += [
        row(f"c_own_{name}", name, value) for name, value in (("a1", 0.55), ("a2", 0.55), ("a3", 0.55), ("a4", 0.53))
    ]
    new = {name.removeprefix("row_"): value for name, value in changed.items()}
    return [
        row(each.row, each.entity, new[each.row]) if each.row in new and each.metric == "top1" else each
        for each in rows
    ]


def failing(found: Sequence[Verdict]) -> set[tuple[str, str]]:
    return {(each.claim, each.expected) for each in found if each.has_failed}


def test_the_papers_figures_fulfil_the_papers_claims() -> None:
    found = judge(read("tiny"), table_5(read("tiny")))
    assert found[0].verdict == "not comparable: creatures, resnet8, conv3_1, 16 px, other shares"
    assert {each.verdict for each in found[1:]} == {"holds"}
    assert {each.claim for each in found} == {
        "figures", "all images are best", "fewest images are worst", "plain sharing is no worse", "everybody gains",
        "more peers bring more", "sharing costs nothing",
    }  # fmt: skip
    gains = {each.expected: each.paper for each in found if each.claim == "everybody gains"}
    assert gains["row 12 above row 4"] == pytest.approx(0.616 - 0.135)
    check(found)


@pytest.mark.parametrize(
    ("changed", "broken"),
    [
        ({"row_5": 0.60}, {("all images are best", "row 5 above row 10")}),
        ({"row_4": 0.56}, {("fewest images are worst", "row 2 above row 4")}),
        ({"row_6": 0.57}, {("plain sharing is no worse", f"row 6 not below row {other}") for other in (7, 8)}),
        ({"row_1": 0.62}, {("everybody gains", "row 7 above row 1")}),
        ({"row_3": 0.63}, {("everybody gains", "row 9 above row 3")}),  # row 10 is too near to tell
        ({"row_12": 0.57}, {("more peers bring more", "row 12 above row 11")}),
        ({"row_c_own_a3": 0.65}, {("sharing costs nothing", f"row {n} not below row c_own_a3") for n in (9, 10)}),
        ({"row_c_own_a4": 0.60}, {("sharing costs nothing", "row 11 not below row c_own_a4")}),
    ],
    ids=lambda value: str(sorted(value) if isinstance(value, set) else value),
)  # fmt: skip
def test_a_flipped_row_breaks_its_claim_and_no_other(changed: dict[str, float], broken: set[tuple[str, str]]) -> None:
    scenario = read("tiny")
    found = judge(scenario, table_5(scenario, **changed))
    assert failing(found) == broken
    with pytest.raises(ExpectationFailed, match=rf"{len(broken)} of {len(found)} expectations failed"):
        check(found)


def test_a_row_that_was_played_and_has_no_result_fails_and_is_named() -> None:
    scenario = read("tiny")
    rows = [each for each in table_5(scenario) if each.row != "8"]
    told = [each for each in judge(scenario, rows) if each.has_failed]
    assert {each.verdict for each in told} == {"not measured: no top1 of row 8"}
    assert {each.expected for each in told} == {
        "row 6 not below row 8", "row 8 above row 2", "row 8 not below row c_own_a2",
    }  # fmt: skip
    assert failing(judge(scenario, table_5(scenario, row_8=None))) == failing(told)


def test_no_results_at_all_fail() -> None:
    scenario = read("tiny")
    with pytest.raises(ExpectationFailed):
        check(judge(scenario, []))


def test_rows_and_controls_that_the_scenario_does_not_play_are_not_measured_and_do_not_fail() -> None:
    some = read("tiny", "controls=false", "refinements=[{row: 1, entity: a1, own: images}, "
                "{row: 7, entity: a1, own: features, pool: [a2]}]")  # fmt: skip
    found = judge(some, [each for each in table_5(some) if each.row in ("1", "7")])
    assert failing(found) == set()
    decided = {each.expected for each in found if each.verdict == "holds"}
    assert decided == {"row 7 above row 1"}
    assert "not measured: the scenario plays no row c_own_a1" in {each.verdict for each in found}


def test_too_few_images_decide_nothing() -> None:
    scenario = read("tiny")
    rows = [replace(each, low=each.value - 0.3, high=each.value + 0.3) for each in table_5(scenario) if each.value]
    told = {each.expected: each.verdict for each in judge(scenario, rows)}
    assert told["row 7 above row 1"] == "undecided"
    assert told["row 12 above row 4"] == "holds"  # 48 points are more than such an interval
    assert told["row 6 not below row 7"] == "undecided"
    with pytest.raises(ExpectationUndecided, match=r"none of .* failed, and .* cannot be decided"):
        check(judge(scenario, rows))


def test_a_row_that_means_something_else_has_no_figure_beside_it_and_no_claim() -> None:
    other = read("tiny", "refinements.7.pool=[a2, a3]")
    rows = {(each.row, each.metric): each for each in judge_results(other, table_5(other))}
    assert rows["8", "top1"].paper == pytest.approx(0.598)
    assert rows["7", "top1"].paper is None
    assert rows["7", "top1"].verdict is None
    told = {each.expected: each.verdict for each in judge(other, table_5(other))}
    assert told["row 7 above row 1"] == "not comparable: row 7 is not trained on what the paper's is"
    assert told["row 8 above row 2"] == "holds"


def test_a_row_with_another_peer_than_the_papers_is_none_of_its_rows() -> None:
    other = read("tiny", "refinements.9.pool=[a1, a4]", "refinements.10.pool=[a1, a2]")
    assert read_rows(Evidence(other, [])).like_the_paper == {str(number) for number in range(1, 13)} - {"9", "10"}
    told = {each.expected: each.verdict for each in judge(other, table_5(other, row_10=0.99))}
    assert told["row 5 above row 12"] == "holds"  # not above row 10, which is another row here


def test_entities_of_other_names_play_the_same_parts(tmp_path: Path) -> None:
    text = (SCENARIOS / "tiny.yaml").read_text()
    renamed = text.replace("a1", "north").replace("a2", "south").replace("a3", "east").replace("a4", "west")
    path = tmp_path / "renamed.yaml"
    path.write_text(renamed)
    played = read_rows(Evidence(read_scenario(path).scenario, []))
    assert played.roles == {"e1": "north", "e2": "south", "e3": "east", "e4": "west"}
    assert played.like_the_paper == set(map(str, range(1, 13)))


def test_one_entity_cannot_play_two_parts() -> None:
    both = read("tiny", "refinements.2.entity=a1", "refinements.8.entity=a1", "refinements.8.pool=[a2]")
    twice = read_rows(Evidence(both, []))
    assert "e2" not in twice.roles
    assert twice.like_the_paper == {"1", "3", "4", "5", "6", "7", "9", "10", "11", "12"}


def test_who_has_no_fewer_images_need_not_be_worst() -> None:
    even = read("tiny", "entities.*.share=0.1")
    (told,) = [each for each in judge(even, table_5(even)) if each.claim == "fewest images are worst"]
    assert told.verdict == "not comparable: a4 has no fewer images than others"


def test_with_logits_sharing_itself_has_to_gain() -> None:
    logits = read("tiny", "entities.*.defense.equivalence=logits")
    assert failing(judge(logits, table_5(logits))) == set()
    found = judge(logits, table_5(logits, row_7=0.53, row_c_public=0.65))
    assert failing(found) >= {
        ("logits share more", "row 7 above row c_own_a1"), ("logits share more", "row 12 not below row c_public"),
    }  # fmt: skip
    labels = read("tiny")
    assert "logits share more" not in {each.claim for each in judge(labels, table_5(labels))}


def test_on_the_papers_set_up_the_figures_themselves_are_compared() -> None:
    scenario = read("imagenet_four_entities")
    found = judge(scenario, table_5(scenario, row_7=0.594 + 0.0235, row_8=0.598 - 0.0225))
    cells = {each.expected: each for each in found if each.claim == "figures"}
    assert len(cells) == 24
    assert (
        cells["top1 of row 7 as printed"].verdict == "undecided"
    )  # .35 points beyond: too little for the worst of 24 figures
    assert cells["top1 of row 8 as printed"].verdict == "undecided"
    worse = judge(scenario, table_5(scenario, row_7=0.594 + 0.03))
    assert "off by 1 points" in {each.verdict for each in worse}
    assert {each.verdict for name, each in cells.items() if "row 7" not in name and "top1 of row 8" not in name} == {
        "holds"
    }
    assert judge_results(scenario, table_5(scenario))[0].verdict == "holds"


@pytest.mark.parametrize(
    ("override", "why"),
    [
        ("model.hook=conv3_1", "conv3_1"),
        ("model.backbone=resnet50", "resnet50"),
        ("data.image_size=128", "128 px"),
        ("entities.a4.share=0.02", "other shares"),
        ("partition={kind: dirichlet, alpha: 0.3}", "dirichlet partition"),
    ],
)
def test_each_departure_from_the_papers_set_up_is_told(override: str, why: str) -> None:
    scenario = read("imagenet_four_entities", override)
    assert judge(scenario, table_5(scenario))[0].verdict == f"not comparable: {why}"


def tables_1_2(**changed: float) -> list[Result]:
    """ResNet-101's figures of Tables 1 and 2 for each entity, with 5,000 images each, and a prior."""
    rows = [row("c_public", None, 0.047, "ssim[7]_prior_unrelated", 0.002)]
    for name in ("a1", "a2"):
        rows += [
            row("tables_1_2", name, each.fraction, each.metric.replace("ssim", "ssim[7]"), 0.001)
            for table in ("dp_table1", "dp_table2")
            for each in figures(table)
            if each.row == "resnet101"
        ]
        rows.append(Result("s", "publish", name, "dpm", None, "rows_published", 5000.0))
    return [replace(each, value=value, low=value, high=value) if (value := changed.get(f"{each.entity}_{each.metric}"))
            is not None else each for each in rows]  # fmt: skip


TWO = (
    "entities=[{name: a1, share: 0.1, defense: dpm}, {name: a2, share: 0.1, defense: dpm}]",
    "refinements=[{row: 7, entity: a1, own: features, pool: [a2]}]",
    "expect=[{paper: dp_table1}, {paper: dp_table2}]",
)


@pytest.mark.parametrize(
    ("changed", "broken"),
    [
        ({}, set()),
        ({"a2_top1_poisoned": 0.79}, {("poisoning costs little", "a2: costs at most 2 points")}),
        ({"a1_ssim[7]_original": 0.49}, {("features can be inverted", "a1: SSIM of original features at least 0.5")}),
        ({"a1_ssim[7]_poisoned": -0.3}, {("the reconstructor is fooled", "a1: SSIM within ±0.05")}),
        (
            {"a1_ssim[7]_poisoned": 0.2},
            {
                ("the reconstructor is fooled", "a1: SSIM within ±0.05"),
                ("the reconstructor is fooled", "a1: an unrelated image has more SSIM"),
            },
        ),
        (
            {"a2_l1_poisoned": 0.1},
            {("the reconstructor is fooled", "a2: L1 at least 3 times that of original features")},
        ),
        ({"a2_top1_poisoned": 0.79, "a2_rows_published": 600.0}, set()),  # too few images for the claim
    ],
    ids=lambda value: str(sorted(value) if isinstance(value, set) else value),
)
def test_claims_of_tables_1_and_2(changed: dict[str, float], broken: set[tuple[str, str]]) -> None:
    scenario = read("tiny", *TWO)
    found = judge(scenario, tables_1_2(**changed))
    assert failing(found) == broken
    assert {each.claim for each in found} == {
        "figures", "poisoning costs little", "features can be inverted", "the reconstructor is fooled",
    }  # fmt: skip


def test_the_figures_of_tables_1_and_2_stand_beside_ours_and_say_that_they_do_not_compare() -> None:
    scenario = read("tiny", *TWO)
    rows = judge_results(scenario, tables_1_2())
    beside = {each.metric: each.paper for each in rows if each.entity == "a2" and each.paper is not None}
    assert beside["top1_poisoned"] == pytest.approx(0.8078)
    assert beside["ssim[7]_original"] == 0.7009
    assert {each.verdict for each in rows if each.paper is not None} == {
        "not comparable: creatures, resnet8, conv3_1, 16 px, pre-trained on a part of X, that of a1"
    }
    notes = [note for table in make_tables(scenario, rows)[:2] for note in table.notes if note.startswith("paper:")]
    assert len(notes) == 2
    assert "ssim[7]_poisoned 0.0069; not comparable" in notes[1]


BOUNDS = (
    "expect=[{metric: top1, row: 7, entity: a1, at_least: 0.597}, {metric: top1, row: 5, at_most: 0.8}, "
    "{metric: agreement, row: tables_1_2, near: 0.9, within: 0.05}, {paper: dp_table5}]"
)


def test_bounds_are_judged_row_by_row_and_stand_beside_the_numbers() -> None:
    scenario = read("tiny", BOUNDS)
    rows = [*table_5(scenario), *(row("tables_1_2", name, 0.9, "agreement") for name in ("a1", "a2", "a3"))]
    rows.append(row("tables_1_2", "a4", 0.8, "agreement"))
    own = [each for each in judge(scenario, rows) if each.source == "own bound"]
    assert [(each.expected, each.verdict) for each in own] == [
        ("top1 of row 7 (a1) at least 0.597", "undecided"),  # .594 ± .003
        ("top1 of row 5 at most 0.8", "off by 0.011"),
        ("agreement of row tables_1_2 (a1) within 0.05 of 0.9", "holds"),
        ("agreement of row tables_1_2 (a2) within 0.05 of 0.9", "holds"),
        ("agreement of row tables_1_2 (a3) within 0.05 of 0.9", "holds"),
        ("agreement of row tables_1_2 (a4) within 0.05 of 0.9", "off by 0.05"),
    ]
    told = {(each.row, each.entity, each.metric): each.verdict for each in judge_results(scenario, rows)}
    assert told["tables_1_2", "a4", "agreement"] == "within 0.05 of 0.9: off by 0.05"
    assert told["5", None, "top1"] == (
        "not comparable: creatures, resnet8, conv3_1, 16 px, other shares; at most 0.8: off by 0.011"
    )
    assert told["c_public", None, "top1"] is None


def test_a_bound_missed_by_a_hair_fails() -> None:
    just, short = (read("tiny", f"expect={{metric: top1, row: 7, at_least: {bound}}}") for bound in (0.597, 0.5971))
    assert failing(judge(just, table_5(just))) == set()
    (told,) = judge(short, table_5(short))
    assert (told.has_failed, told.verdict) == (True, "off by 0.0031")


def test_a_bound_on_what_was_not_measured_fails_and_says_what_the_row_has() -> None:
    scenario = read(
        "tiny", "expect=[{metric: top_1, row: 7, at_least: 0.5}, {metric: kl, row: tables_1_2, at_most: 1}]"
    )
    rows = [*table_5(scenario), *(row("tables_1_2", name, 0.1, "kl") for name in ("a1", "a2", "a3"))]
    told = {each.expected: each.verdict for each in judge(scenario, rows) if each.has_failed}
    assert told == {
        "top_1 of row 7 (a1) at least 0.5": "not measured: the row has top1, top5",
        "kl of row tables_1_2 (a4) at most 1": "not measured: the row has no results",
    }


def test_a_bound_for_one_entity_is_none_for_others() -> None:
    scenario = read("tiny", "expect={metric: kl, row: tables_1_2, entity: a2, at_most: 1}")
    rows = [row("tables_1_2", name, 2.0, "kl") for name in ("a1", "a2")]
    assert [each.verdict for each in judge_results(scenario, rows)] == [None, "at most 1: off by 1"]
    assert [each.expected for each in judge(scenario, rows)] == ["kl of row tables_1_2 (a2) at most 1"]


def test_plain_features_have_no_figure_of_a_dpm_beside_them_and_no_claim() -> None:
    scenario = read("tiny", *TWO, "entities.a2.defense=none")
    rows = [replace(each, defense="none") if each.entity == "a2" else each for each in tables_1_2()]
    assert {each.entity for each in judge_results(scenario, rows) if each.paper is not None} == {"a1"}
    assert not [each for each in judge(scenario, rows) if each.expected.startswith("a2")]


def test_a_result_of_an_attack_is_nobodys_bound_and_no_row_of_a_table() -> None:
    table = read("tiny")
    clean = table_5(table)
    assert judge(table, [*clean, *(replace(each, attack="straw_man", value=0.1) for each in clean)]) == judge(
        table, clean
    )
    scenario = read("tiny", "expect={metric: top1, row: 7, at_least: 0.5}")
    attacked = [replace(each, attack="straw_man", value=0.1) for each in table_5(scenario) if each.row == "7"]
    assert [each.verdict for each in judge(scenario, [*table_5(scenario), *attacked])] == ["holds"]


def test_the_table_of_verdicts_has_a_line_for_each_with_number_interval_and_paper() -> None:
    scenario = read("tiny")
    found = judge(scenario, table_5(scenario, row_12=0.57))
    (table,) = [each for each in make_tables(scenario, table_5(scenario, row_12=0.57)) if each.title == "Verdicts"]
    assert len(table.lines) == len(found)
    by_text = {line[2]: dict(zip(table.columns, line, strict=True)) for line in table.lines}
    line = by_text["row 12 above row 11"]
    assert line == {
        "expects": "dp_table5", "claim": "more peers bring more", "expected": "row 12 above row 11",
        "found": "-1.4 [-1.8, -1.0]", "n": "2000", "paper": "3.2", "verdict": "off by 1.4 points",
    }  # fmt: skip
    assert any("seed 0" in note for note in table.notes)
    assert any(note.startswith('everybody gains: "much better') for note in table.notes)
    assert not [
        each for each in make_tables(read("tiny", "expect=null"), table_5(scenario)) if each.title == "Verdicts"
    ]


def test_what_is_stated_as_against_the_paper_passes_while_it_is_and_fails_once_it_is_not() -> None:
    line = "row 12 above row 11"
    stated = read("tiny", f"expect={{paper: dp_table5, against: [{line}]}}")
    against = judge(stated, table_5(stated, row_12=0.55))
    [told] = [each.verdict for each in against if each.expected == line]
    assert told.startswith("off by")
    assert told.endswith("against the paper as stated")
    assert not failing(against)
    assert failing(judge(read("tiny"), table_5(read("tiny"), row_12=0.55))) == {("more peers bring more", line)}
    assert failing(judge(stated, table_5(stated))) == {("more peers bring more", line)}


def test_a_line_that_no_claim_has_cannot_be_stated_as_against_the_paper() -> None:
    stated = read("tiny", "expect={paper: dp_table5, against: [row 12 above row 13]}")
    assert failing(judge(stated, table_5(stated))) == {("against", "row 12 above row 13")}
