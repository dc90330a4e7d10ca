"""The page of an audit: verdict words, whom a figure belongs to, and that an audit leaves what was played as it is."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from collab.metrics.intervals import share_interval
from collab.report.attack_page.cells import judge_attacks, name_defenses
from collab.report.attack_page.controls import NO_MEMBERS, NOTHING_IN_PLAIN, SOMETHING_IN_NOISE, judge_controls
from collab.report.attack_page.page import _gains, draw_frontier, write_audit
from collab.report.attack_page.tables import (
    tabulate_controls,
    tabulate_details,
    tabulate_matrix,
    tabulate_numbers,
    tabulate_verdicts,
)
from collab.report.attack_page.verdicts import describe_verdicts, judge_defenses
from collab.report.attack_page.words import BROKEN_LEAKAGE, CANNOT, CONTROL_FAILED, NO_SCALE
from collab.results.opened import open_run
from collab.results.table import Result, write_results
from collab.scenario.attack_suite import AUDITORS, CONTROLS, FULL, QUICK, add_auditors
from collab.scenario.reader import read_scenario, to_yaml
from collab.store.ledger import write_ledger
from tests.places import TINY

SCENARIO = TINY
LED = "model.pretrain.by=a4"
"""Who pre-trained stands alone: in these tests that is none of the victims."""


def made(folder: Path, rows: list[Result], jobs: dict[str, dict[str, object]] | None = None) -> Path:
    """A run directory of the tiny scenario with these results."""
    folder.mkdir()
    (folder / "scenario.yaml").write_text(to_yaml(read_scenario(SCENARIO, [LED]).scenario))
    write_results(folder / "results.parquet", rows)
    write_ledger(folder / "ledger.parquet", [])
    named = {
        f"attack spy {row.attack} on {row.entity}": job("attack", row.attack, row.entity) for row in rows if row.attack
    }
    (folder / "record.json").write_text(json.dumps({"jobs": jobs or named, "classes": ["cat", "dog"]}))
    return folder


def job(stage: str, attack: str | None, victim: str | None, seconds: float = 2.0, **more: object) -> dict[str, object]:
    """A line of the record: the spy's, unless `more` says otherwise."""
    return {
        "stage": stage, "entity": "spy", "attack": attack, "victim": victim, "rehearsed_on": None, "seconds": seconds,
        "facts": {"adversary": "insider"}, "cached": False, "losses": [], "peak_bytes": 1, **more,
    }  # fmt: skip


def found(attack: str, entity: str, metric: str, value: float, reach: float | None = 0.01) -> Result:
    low, high = (None, None) if reach is None else (value - reach, value + reach)
    return Result("tiny", "by spy", entity, "dpm", attack, metric, value, low, high, n=100, seed=0)


@pytest.mark.parametrize(
    ("rows", "word"),
    [
        ([("leakage[ssim_max]", BROKEN_LEAKAGE + 0.1, 0.01)], "broken"),
        ([("leakage[ssim_max]", 0.1, 0.01)], "leaks"),
        ([("leakage[ssim_max]", 0.01, 0.05)], "not broken by this suite"),
        ([("leakage[ssim_max]", 0.01, 0.05), ("leakage[pdist]", 0.7, 0.05)], "broken"),
        ([("match_top1", 0.25, 0.02), ("match_chance", 0.01, None)], "broken"),
        ([("match_top1", 0.05, 0.02), ("match_chance", 0.01, None)], "leaks"),
        ([("match_top1", 0.02, 0.02), ("match_chance", 0.01, None)], "not broken by this suite"),
        ([("membership_auc", 0.6, 0.05)], "leaks"),
        ([("membership_auc", 0.52, 0.05)], "not broken by this suite"),
        ([("attribute_r2[red]", 0.6, 0.05), ("attribute_r2[red]_prior_class_mean", 0.2, 0.05)], "leaks"),
        (
            [("attribute_r2[red]", 0.2, 0.05), ("attribute_r2[red]_prior_class_mean", 0.2, 0.05)],
            "not broken by this suite",
        ),
        ([("l1", 0.2, 0.01), ("ssim_max[7]", 0.05, 0.01)], CANNOT),
        ([("ssim_max[7]", 0.05, 0.01), ("rank1[pixels]", 0.01, 0.01), ("gallery", 1000, None)], CANNOT),
        ([("ssim_max[7]", 0.05, 0.01), ("rank1[pixels]", 0.30, 0.01), ("gallery", 1000, None)], "broken"),
        ([("ssim_max[7]", 0.30, 0.01), ("ssim_max[7]_prior_mean", 0.16, 0.01)], "leaks"),
        ([("ssim_max[7]", 0.17, 0.01), ("ssim_max[7]_prior_mean", 0.16, 0.01)], CANNOT),
        ([("match_top1", 0.9, 0.02), ("match_chance", 0.01, None)], "broken"),
        ([("match_sure", 0.02, None)], "—"),
        ([("leakage[ssim_max]", 0.01, 0.05), ("control", 0.01, 0.02)], CONTROL_FAILED),
        ([("leakage[ssim_max]", 0.01, 0.05), ("control", 0.10, 0.02)], "not broken by this suite"),
        ([("leakage[ssim_max]", 0.10, 0.05), ("control", 0.01, 0.02)], "leaks"),
    ],
)  # fmt: skip
def test_words_follow_the_rule(tmp_path: Path, rows: list[tuple[str, float, float | None]], word: str) -> None:
    run = made(tmp_path / "run", [found("any", "a1", *each) for each in rows])
    (cell,) = judge_attacks(open_run(run))
    assert (cell.word, cell.adversary, cell.seconds) == (word, "insider", 2.0)


def test_victims_of_one_defense_are_one_cell_whose_interval_knows_both(tmp_path: Path) -> None:
    rows = [found("any", name, "leakage[ssim_max]", value) for name, value in (("a1", 0.2), ("a2", 0.4), ("a3", 0.9))]
    run = open_run(made(tmp_path / "run", rows))
    (cell,) = judge_attacks(run)
    assert cell.victims == ("a1", "a2", "a3")
    assert cell.leakage is not None
    assert cell.leakage.value == pytest.approx(0.5)
    assert cell.leakage.low is not None
    assert cell.leakage.low < 0.2  # three victims that differ by so much say little of the next one
    assert [line[2] for line in tabulate_verdicts(judge_attacks(run)).lines] == ["broken"]
    assert tabulate_matrix(judge_attacks(run)).lines == (("any", "broken"),)


def test_the_worst_of_two_that_leak_is_the_one_that_got_most_also_where_that_is_members(tmp_path: Path) -> None:
    rows = [found("images", "a1", "leakage[ssim_max]", 0.08)]
    rows += [
        found("who", "a1", metric, value) for metric, value in (("membership_auc", 0.9), ("membership_tpr[1]", 0.5))
    ]
    (worst,) = judge_defenses(judge_attacks(open_run(made(tmp_path / "run", rows))))
    assert (worst.cell.attack, worst.cell.word) == ("who", "leaks")


def test_a_time_is_that_of_its_own_tasks_though_names_begin_alike(tmp_path: Path) -> None:
    text = SCENARIO.read_text().replace("by: a1", "by: a4").partition("refinements:")[0] + "refinements: []\n"
    text = text.replace(
        "name: a2, share: 0.10, defense: {kind: dpm, blocks: 2",
        "name: a12, share: 0.10, defense: {kind: dpm, blocks: 3",
    )
    rows = [found(attack, who, "leakage[ssim_max]", 0.1) for attack in ("noise", "noise_long") for who in ("a1", "a12")]
    jobs = {
        "attack spy noise on a1": job("attack", "noise", "a1", 1.0, rehearsed_on="a1"),
        "attack spy noise on a12": job("attack", "noise", "a12", 10.0, rehearsed_on="a1"),
        "attack spy noise_long on a1": job("attack", "noise_long", "a1", 100.0),
        "attack spy noise_long on a12": job("attack", "noise_long", "a12", 1000.0),
        "attack spy2 noise on a1": job("attack", "noise", "a1", 1e4, entity="spy2"),
        "rehearse spy noise for a1": job("rehearse", "noise", "a1", 0.5),
        "judge spy noise on a1": job("judge", "noise", "a1", 1e5, entity="oracle"),
    }  # fmt: skip
    run = made(tmp_path / "run", rows, jobs)
    (run / "scenario.yaml").write_text(text)
    cells = judge_attacks(open_run(run))
    assert {(cell.defense, cell.attack): cell.seconds for cell in cells} == {
        ("dpm", "noise"): 1.5, ("dpm of a12", "noise"): 10.5,
        ("dpm", "noise_long"): 100.0, ("dpm of a12", "noise_long"): 1000.0,
    }  # fmt: skip


def test_what_collaborators_and_outsiders_do_with_one_attack_are_two_cells(tmp_path: Path) -> None:
    rows = [found("any", "a1", "leakage[ssim_max]", 0.0), found("any", "a2", "leakage[ssim_max]", 0.9)]
    jobs = {
        "1": job("attack", "any", "a1", facts={"adversary": "outsider"}),
        "2": job("attack", "any", "a2", facts={"adversary": "collaborator"}),
    }
    cells = judge_attacks(open_run(made(tmp_path / "run", rows, jobs)))
    assert {cell.adversary: (cell.word, cell.seconds) for cell in cells} == {
        "outsider": ("not broken by this suite", 2.0), "collaborator": ("broken", 2.0),
    }  # fmt: skip
    assert tabulate_matrix(cells).lines == (("any", "broken"),)


def test_two_adversaries_with_one_name_for_what_they_did_to_one_victim_are_no_mean(tmp_path: Path) -> None:
    """An audit beside a scenario's own attackers: both may call theirs `any`, with settings of their own."""
    rows = [found("any", name, "leakage[ssim_max]", 0.1) for name in ("a1", "a2")]
    rows += [replace(found("any", "a1", "leakage[ssim_max]", 0.9), row="by eve")]
    rows += [found("other", "a1", "match_top1", 0.0)]
    jobs = {str(at): job("attack", each.attack, each.entity, entity=each.row[3:]) for at, each in enumerate(rows)}
    cells = judge_attacks(open_run(made(tmp_path / "run", rows, jobs)))
    assert [(cell.attack, cell.by, cell.victims, cell.word) for cell in cells] == [
        ("any", "spy", ("a1", "a2"), "leaks"), ("any", "eve", ("a1",), "broken"),
        ("other", "", ("a1",), "not broken by this suite"),
    ]  # fmt: skip
    names = [line[0].partition(": ")[2] for line in tabulate_details(cells).lines]
    assert names == ["any by spy", "any by eve", "other"]


@pytest.mark.parametrize("values", [(0.99, 1.0, 1.0), (0.0, 0.01, 0.0), (1.0, 1.0), (0.9, 0.97)])
def test_the_interval_of_a_share_stays_between_nothing_and_all(tmp_path: Path, values: tuple[float, ...]) -> None:
    rows = []
    for who, value in zip(("a1", "a2", "a3"), values, strict=False):
        low, high = share_interval(round(100 * value), 100)
        rows.append(Result("tiny", "by spy", who, "dpm", "any", "match_top1", value, low, high, n=100, seed=0))
    (cell,) = judge_attacks(open_run(made(tmp_path / "run", rows)))
    assert cell.matches is not None
    assert cell.matches.low is not None
    assert cell.matches.high is not None
    assert 0 <= cell.matches.low <= cell.matches.value <= cell.matches.high <= 1
    assert cell.matches.low < cell.matches.high


def test_of_two_victims_the_interval_is_students(tmp_path: Path) -> None:
    rows = [found("any", who, "leakage[ssim_max]", value, 0.0) for who, value in (("a1", 0.4), ("a2", 0.6))]
    (cell,) = judge_attacks(open_run(made(tmp_path / "run", rows)))
    assert cell.leakage is not None
    assert cell.leakage.low == pytest.approx(
        0.5 - 12.706 * 0.1, abs=1e-3
    )  # t of one degree of freedom; s / sqrt 2 = .1


def test_where_r_rebuilds_nothing_no_part_of_the_page_builds_on_leakage(tmp_path: Path) -> None:
    rows = [found("straw_man", who, "ssim_max[7]", 0.05) for who in ("a1", "a2")]
    run = open_run(made(tmp_path / "blind", rows))
    cells = judge_attacks(run)
    assert tabulate_verdicts(cells).lines == (
        ("dpm", "insider", CANNOT, f"straw_man: {NO_SCALE} (1 attack, 2 victims, 100 rows)"),
    )
    assert tabulate_matrix(cells).lines == (("straw_man", CANNOT),)
    assert (tabulate_numbers(cells), draw_frontier(run, cells), tabulate_details(cells).lines[0][2]) == (None, "", "—")
    told = describe_verdicts(judge_defenses(cells), name_defenses(run.scenario))
    assert told == f"Cannot be judged: {NO_SCALE}: what a1 and a2 publish (dpm), one attack."
    matched = [found("matching", "a1", "match_top1", 0.9), found("matching", "a1", "match_chance", 0.01, None)]
    told = describe_verdicts(
        judge_defenses(judge_attacks(open_run(made(tmp_path / "matched", [*rows, *matched])))), {"a1": "dpm"}
    )
    assert told == (
        "Broken by an insider who has images of the victim: what a1 publishes (dpm), by matching: "
        "90 % of the rows matched."
    )
    unmatched = [found("matching", "a1", "match_top1", 0.01), found("matching", "a1", "match_chance", 0.01, None)]
    told = describe_verdicts(
        judge_defenses(judge_attacks(open_run(made(tmp_path / "unmatched", [*rows, *unmatched])))), {"a1": "dpm"}
    )
    assert told == "Not broken by this suite: what a1 publishes (dpm), 2 attacks, 1 of them without a verdict."


def test_of_victims_of_whom_r_rebuilds_nothing_leakage_says_so(tmp_path: Path) -> None:
    rows = [found("any", who, "ssim_max[7]", 0.3) for who in ("a1", "a2")] + [
        found("any", "a1", "leakage[ssim_max]", 0.7)
    ]
    (cell,) = judge_attacks(open_run(made(tmp_path / "run", rows)))
    assert cell.word == "broken"
    assert cell.how == f"leakage 0.70 [0.69, 0.71], of 1 of 2 victims: of the others {NO_SCALE}"


def test_a_control_holds_for_all_victims_that_a_rehearsal_serves(tmp_path: Path) -> None:
    rows = [found("any", who, "leakage[ssim_max]", 0.0) for who in ("a1", "a2")] + [found("any", "a1", "control", 0.0)]
    jobs = {who: job("attack", "any", who, rehearsed_on="a1") for who in ("a1", "a2")}
    run = made(tmp_path / "run", rows, jobs)
    (run / "scenario.yaml").write_text(to_yaml(read_scenario(SCENARIO, [LED, "entities.a2.defense.blocks=3"]).scenario))
    assert [cell.word for cell in judge_attacks(open_run(run))] == [CONTROL_FAILED, CONTROL_FAILED]


def test_who_finds_nothing_in_plain_features_says_nothing_of_poisoned_ones(tmp_path: Path) -> None:
    def words(plain: float, adversary: str) -> list[str]:
        rows = [found("any", name, "leakage[ssim_max]", value) for name, value in (("a1", 0.0), ("a2", plain))]
        run = made(tmp_path / f"{plain} {adversary}", rows)
        text = to_yaml(read_scenario(SCENARIO, [LED, "entities.a2.defense=none"]).scenario)
        (run / "scenario.yaml").write_text(text)
        record = json.loads((run / "record.json").read_text())
        for each in record["jobs"].values():
            each["facts"] = {"adversary": adversary}
        (run / "record.json").write_text(json.dumps(record))
        return [cell.word for cell in judge_attacks(open_run(run))]

    assert words(0.5, "outsider") == ["not broken by this suite", "broken"]
    assert words(0.0, "outsider") == [CONTROL_FAILED, CONTROL_FAILED]
    assert words(0.0, "collaborator") == ["not broken by this suite"] * 2  # of its own module nobody knows


def test_k50_is_the_least_number_of_pairs_that_shows_half_of_what_a_leaked_module_does(tmp_path: Path) -> None:
    def table(leaked: float) -> tuple[tuple[str, ...], ...]:
        told = {"leaked_pairs[4]": 0.1, "leaked_pairs[64]": 0.4, "leaked_pairs[16]": 0.3, "shadow_modules[8]": 0.2}
        rows = [
            found(name, "a1", "leakage[ssim_max]", value) for name, value in {**told, "leaked_module": leaked}.items()
        ]
        shown = tabulate_numbers(judge_attacks(open_run(made(tmp_path / str(leaked), rows))))
        assert shown is not None
        assert shown.columns == ("defense", "4 pairs", "16 pairs", "64 pairs", "k50", "8 modules")
        return shown.lines

    assert table(0.6) == (("dpm", "0.10", "0.30", "0.40", "16", "0.20"),)
    assert table(0.9) == (("dpm", "0.10", "0.30", "0.40", "not reached", "0.20"),)
    assert table(0.0) == (("dpm", "0.10", "0.30", "0.40", "—", "0.20"),)
    assert (
        tabulate_numbers(
            judge_attacks(open_run(made(tmp_path / "one", [found("leaked_pairs[4]", "a1", "leakage[ssim_max]", 0.1)])))
        )
        is None
    )


def test_defenses_of_other_options_have_other_names() -> None:
    stated = read_scenario(SCENARIO, [LED, "entities.a2.defense.blocks=3"]).scenario
    names = name_defenses(stated)
    assert names["a1"] == names["a3"] == "dpm"
    assert names["a2"] == "dpm of a2"


def test_whoever_pre_trained_is_in_no_average_with_others(tmp_path: Path) -> None:
    names = name_defenses(read_scenario(SCENARIO).scenario)
    assert names == {"a1": "dpm of a1", "a2": "dpm", "a3": "dpm", "a4": "dpm"}
    alone = name_defenses(read_scenario(SCENARIO, ["entities.a1.defense=none"]).scenario)
    assert alone["a1"] == "none"  # nobody else publishes plain features
    assert "control_plain" not in name_defenses(read_scenario(SCENARIO, audit="quick").scenario)


CONTROLLED = {
    "works": (0.8, 0.0, ""), "blind": (0.01, 0.0, NOTHING_IN_PLAIN), "leaks": (0.8, 0.4, SOMETHING_IN_NOISE),
}  # fmt: skip
"""Leakage of attacks in plain features and in noise, and what is wrong with them."""


def test_attacks_are_held_against_plain_features_and_against_noise(tmp_path: Path) -> None:
    rows = [
        found(attack, entity, "leakage[ssim_max]", value)
        for attack, (plain, noise, _) in CONTROLLED.items()
        for entity, value in (("control_plain", plain), ("control_noise", noise), ("a2", 0.3), ("a4", 0.0))
    ]
    run = made(tmp_path / "run", rows)
    stated = read_scenario(SCENARIO, ["entities.a4.defense=none"], audit="quick").scenario
    (run / "scenario.yaml").write_text(to_yaml(stated))
    opened = open_run(run)
    assert {each.attack: each.problem for each in judge_controls(opened)} == {
        name: problem for name, (_, _, problem) in CONTROLLED.items()
    }
    cells = judge_attacks(opened)
    assert {(cell.defense, cell.attack): (cell.word, cell.how) for cell in cells if cell.word == CONTROL_FAILED} == {
        ("none", "blind"): (CONTROL_FAILED, NOTHING_IN_PLAIN),  # what it found in the other is there all the same
        ("dpm", "leaks"): (CONTROL_FAILED, SOMETHING_IN_NOISE),
        ("none", "leaks"): (CONTROL_FAILED, SOMETHING_IN_NOISE),
    }
    assert {cell.defense for cell in cells} == {"dpm", "none"}
    table = tabulate_controls(judge_controls(opened))
    assert table is not None
    assert [line[-1] for line in table.lines] == ["holds", "failed", "failed"]
    page = write_audit(opened)
    assert page is not None
    assert "Attacks under control" in page.read_text()


def test_an_attack_on_the_release_has_to_find_whoever_pre_trained(tmp_path: Path) -> None:
    def problem(leader: float, noise: float) -> list[str]:
        attack = "membership_inference[loss]"
        values = {"a1": leader, "control_noise": noise}
        rows = [found(attack, entity, "membership_auc", value) for entity, value in values.items()]
        run = made(tmp_path / f"{leader} {noise}", rows)
        (run / "scenario.yaml").write_text(to_yaml(read_scenario(SCENARIO, audit="quick").scenario))
        return [each.problem for each in judge_controls(open_run(run))]

    assert problem(0.6, 0.5) == [""]
    assert problem(0.5, 0.5) == [NO_MEMBERS]
    assert problem(0.6, 0.9) == [SOMETHING_IN_NOISE]


def test_a_run_without_attacks_has_no_audit_and_one_with_them_a_page(tmp_path: Path) -> None:
    assert write_audit(made(tmp_path / "none", [])) is None
    page = write_audit(made(tmp_path / "some", [found("any", "a1", "leakage[ssim_max]", 0.8)]))
    assert page is not None
    text = page.read_text()
    assert "shows private images" in text
    assert "broken" in text
    assert not any(word in text.casefold() for word in ("denied", "irreversible", "anonymous"))


@pytest.mark.parametrize(("depth", "suite"), [("quick", QUICK), ("full", FULL)])
def test_an_audit_adds_an_outsider_with_the_suite_and_touches_nobody_else(
    depth: str, suite: tuple[object, ...]
) -> None:
    plain = read_scenario(SCENARIO).scenario
    stated = read_scenario(SCENARIO, audit=depth).scenario  # type: ignore[arg-type]
    first, last = len(plain.entities), -len(AUDITORS)
    others, controls, auditors = stated.entities[:first], stated.entities[first:last], stated.entities[last:]
    held = {each.name: (each.options.images_of, each.protection) for each in controls}
    assert held == dict.fromkeys(CONTROLS, ("a2", "none"))  # a1 has pre-trained
    assert [each.model_dump() for each in others] == [each.model_dump() for each in plain.entities]
    assert [(each.name, each.options.publishes) for each in auditors] == [(name, False) for name in AUDITORS]
    tried = [each for auditor in auditors for each in auditor.options.attacks_on(["a1"])]
    assert 0 < len(tried) <= len(suite)
    assert len({attack.label for _, attack in tried}) == len(tried)
    assert stated.disclosure is not None


def test_attacks_go_through_as_many_blocks_as_there_are() -> None:
    content = {"entities": [{"name": "a1", "share": 1.0}], "model": {"backbone": "resnet8", "hook": "conv3_1"}}
    auditors = add_auditors(content, "full")["entities"][-len(AUDITORS) :]
    depths = [each["depth"] for auditor in auditors for each in auditor["options"]["attacks"] if "depth" in each]
    assert depths == [1]  # resnet8 has one block behind conv3_1


@pytest.mark.parametrize("depth", ["quick", "full"])
def test_where_c_is_one_block_all_attacks_are_tried_but_those_through_its_blocks(depth: str) -> None:
    content = {"entities": [], "model": {"backbone": "resnet8", "hook": "conv4_1"}}
    auditors = add_auditors(content, depth)["entities"]  # type: ignore[arg-type]
    tried = [each["kind"] for auditor in auditors for each in auditor["options"]["attacks"]]
    suite = {"quick": QUICK, "full": FULL}[depth]
    assert sorted(tried) == sorted(each["kind"] for each in suite if each["kind"] != "through_decider")


def scored(row: str, entity: str, value: float, metric: str = "top1") -> Result:
    return Result("tiny", row, entity, None, None, metric, value, None, None, n=100, seed=0)


def test_what_a_peer_gains_is_what_a_defense_is_worth_and_its_cost_where_no_row_says_so(tmp_path: Path) -> None:
    attacked = [found("straw_man", who, "leakage[ssim_max]", value) for who, value in (("a1", 0.1), ("a3", 0.6))]
    cost = [scored("tables_1_2", who, value, f"top1_{what}") for who in ("a1", "a3")
            for what, value in (("original", 0.5), ("poisoned", 0.4))]  # fmt: skip
    gains = [scored("c_own_a1", "a1", 0.5), scored("with_b", "a1", 0.53), scored("with_c", "a1", 0.51)]
    folder = made(tmp_path / "run", [*attacked, *cost, *gains])
    rows = [
        f"  - {{row: with_{row}, entity: a1, own: features, pool: [{who}]}}" for row, who in (("b", "a2"), ("c", "a3"))
    ]
    text = "\n".join(
        [SCENARIO.read_text().replace("by: a1", "by: a4").partition("refinements:")[0] + "refinements:", *rows, ""]
    )
    text = text.replace(
        "name: a3, share: 0.10, defense: {kind: dpm,", "name: a3, share: 0.10, defense: {kind: dpm, rotate: 2,"
    )
    (folder / "scenario.yaml").write_text(text)
    run = open_run(folder)
    assert _gains(run) == {"dpm": [pytest.approx(3.0)], "dpm of a3": [pytest.approx(1.0)]}
    assert "that a peer gains" in draw_frontier(run, judge_attacks(run))
    write_results(folder / "results.parquet", [*attacked, *cost])
    run = open_run(folder)
    assert "that it costs" in draw_frontier(run, judge_attacks(run))


def test_defenses_stand_in_the_order_of_the_entities_that_have_them(tmp_path: Path) -> None:
    rows = [found("straw_man", who, "leakage[ssim_max]", 0.1) for who in ("a3", "a1")]
    folder = made(tmp_path / "run", rows)
    text = (
        SCENARIO.read_text()
        .replace("by: a1", "by: a4")
        .replace(
            "name: a1, share: 0.10, defense: {kind: dpm, blocks: 2, epochs: 2, batch_size: 32}",
            "name: a1, share: 0.10, defense: none",
        )
    )
    (folder / "scenario.yaml").write_text(text)
    assert [cell.defense for cell in judge_attacks(open_run(folder))] == ["none", "dpm"]
