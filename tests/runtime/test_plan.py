"""The plan: what is played, by whom, after what."""

from pathlib import Path

import pytest

from collab.participants.assignment import ORACLE
from collab.runtime.host import deal_hosts
from collab.runtime.plan import plan
from collab.scenario.attack_suite import CONTROLS
from collab.scenario.model import Scenario
from collab.scenario.reader import read_scenario
from collab.scenario.rows import list_played_rows
from collab.stages.base import Job
from tests.places import SCENARIOS

FILES = sorted(SCENARIOS.glob("*four_entities*.yaml"))
ROWS = {"a1": 550, "a2": 550, "a3": 550, "a4": 55}


def four(*overrides: str) -> Scenario:
    return read_scenario(SCENARIOS / "four_entities.yaml", overrides, check_paths=False).scenario


@pytest.fixture
def jobs() -> tuple[Job, ...]:
    return plan(four(), ROWS)


def labels(jobs: tuple[Job, ...]) -> dict[tuple[str, str], Job]:
    return {label: job for job in jobs for label in job.labels}


def test_every_row_of_table_5_and_every_control_comes_from_exactly_one_task(jobs: tuple[Job, ...]) -> None:
    pooled = {7: "a1", 8: "a2", 9: "a3", 10: "a3", 11: "a4", 12: "a4"}
    expected = {("1", "a1"), ("2", "a2"), ("3", "a3"), ("4", "a4"), ("5", ""), ("6", "a1"), ("c_public", "")}
    expected |= {(str(row), entity) for row, entity in pooled.items()}
    expected |= {(f"c_own_{entity}", entity) for entity in ROWS}
    expected |= {(f"c_unpoisoned_{row}", entity) for row, entity in pooled.items()}
    expected |= {(f"c_all_poisoned_{row}", entity) for row, entity in pooled.items()}
    stages = ("reconstructor_tried", "tables_1_2", "publish")
    of_stages = {("reconstructor", "a1"), *((name, entity) for name in stages for entity in ROWS)}
    found = [label for job in jobs for label in job.labels]
    assert set(found) == expected | of_stages
    assert len(found) == len(set(found))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_all_rows_and_controls_are_played_and_no_task_waits_forever(file: Path) -> None:
    jobs = plan(read_scenario(file, check_paths=False).scenario, ROWS)
    names = [job.name for job in jobs]
    assert len(set(names)) == len(names)
    done: set[str] = set()
    while ready := [job.name for job in jobs if job.name not in done and done.issuperset(job.needs)]:
        done.update(ready)
    assert done == set(names)
    rows = {row for job in jobs for row, _ in job.labels}
    first = 6 if file.stem == "cifar10_four_entities_logits" else 1  # its rows 1 to 5 are those of another scenario
    assert {str(number) for number in range(first, 13)} <= rows
    assert {"c_public", "c_own_a1", "c_unpoisoned_12", "c_all_poisoned_7"} <= rows


def test_nobody_refines_before_what_it_reads_is_published(jobs: tuple[Job, ...]) -> None:
    of = labels(jobs)
    assert {"publish a1", "publish a2", "publish a3", "featurize a4"} <= set(of["12", "a4"].needs)
    reading = [job for job in jobs if job.stage == "refine" and job.order.row.own != "images"]
    assert len([job for job in reading if job.participant != ORACLE]) > 10
    for job in reading:
        if job.participant != ORACLE:
            assert {f"publish {name}" for name in job.order.row.pool} <= set(job.needs)
            assert (f"publish {job.participant}" in job.needs) == (job.order.row.own == "poisoned")


def test_row_1_is_pretraining_itself(jobs: tuple[Job, ...]) -> None:
    assert labels(jobs)["1", "a1"].stage == "pretrain"
    assert labels(jobs)["2", "a2"].stage == "refine"


@pytest.mark.parametrize("override", ["refinements.1.epochs=3", "scratch.epochs=3"])
def test_row_1_with_another_recipe_is_trained_for_itself(override: str) -> None:
    jobs = labels(plan(four(override), ROWS))
    assert jobs["1", "a1"].stage == "refine"
    assert jobs["pretrain", "a1"].stage == "pretrain"


def test_rows_that_ask_for_the_same_thing_share_a_task_and_others_do_not(jobs: tuple[Job, ...]) -> None:
    of = labels(jobs)
    assert of["6", "a1"] is of["c_unpoisoned_7", "a1"]
    assert of["6", "a1"].participant == ORACLE
    assert of["7", "a1"] is not of["c_all_poisoned_7", "a1"]


def test_another_number_of_epochs_is_another_task() -> None:
    of = labels(plan(four("refinements.6.epochs=3"), ROWS))
    assert of["6", "a1"] is not of["c_unpoisoned_7", "a1"]


def test_what_needs_images_of_several_entities_is_the_oracles(jobs: tuple[Job, ...]) -> None:
    refined = [(job.participant, job.order.row) for job in jobs if job.stage == "refine"]
    assert {who == ORACLE for who, _ in refined} == {True, False}
    for who, row in refined:
        assert (who == ORACLE) == (row.share is not None or bool(row.unpoisoned))


@pytest.mark.parametrize("controls", ["true", "false"])  # without, no unpoisoned row reads as much as a pooled one
def test_largest_row_is_counted_over_all_it_reads(controls: str) -> None:
    jobs = plan(four(f"controls={controls}"), ROWS)
    refined = [job.order for job in jobs if job.stage == "refine"]
    most = {order.most_rows for order in refined if order.row.own != "images"}
    assert most == {550 + 550 + 550 + 55}  # no row reads more than a4 with a1 to a3


def test_without_controls_only_stated_rows_are_played() -> None:
    scenario = four("controls=false")
    assert list_played_rows(scenario) == scenario.refinements
    assert not any(row.startswith(("c_own", "c_un", "c_all")) for row, _ in labels(plan(scenario, ROWS)))


def test_controls_may_be_own_features_alone_from_which_gains_are_counted() -> None:
    rows = {row for row, _ in labels(plan(four("controls=own"), ROWS)) if row.startswith("c_")}
    assert rows == {"c_public", "c_own_a1", "c_own_a2", "c_own_a3", "c_own_a4"}


def test_steps_that_others_wait_for_stand_before_rows_from_raw_images(jobs: tuple[Job, ...]) -> None:
    at = {job.name: index for index, job in enumerate(jobs)}
    refined = [job for job in jobs if job.stage == "refine" and job.participant != ORACLE]
    scratch = [at[job.name] for job in refined if job.order.row.own == "images"]
    assert max(at[f"publish {name}"] for name in ROWS) < min(scratch)


@pytest.mark.parametrize(
    ("workers", "hosts"),
    [
        (1, (("a", "b", "c", "d", "e"),)),
        (2, (("a", "c", "e"), ("b", "d"))),
        (5, (("a",), ("b",), ("c",), ("d",), ("e",))),
        (9, (("a",), ("b",), ("c",), ("d",), ("e",))),
    ],
)
def test_participants_are_dealt_in_turn(workers: int, hosts: tuple[tuple[str, ...], ...]) -> None:
    assert deal_hosts(("a", "b", "c", "d", "e"), workers) == hosts


def test_what_an_attack_learns_beforehand_is_learned_as_often_as_it_must_be() -> None:
    scenario = read_scenario(SCENARIOS / "audit.yaml", audit="quick").scenario
    jobs = plan(scenario, {entity.name: 100 for entity in scenario.entities})
    rehearsals = [job.name for job in jobs if job.stage == "rehearse"]
    assert sum("through_decider" in name for name in rehearsals) == 1
    recipes = {str(e.model_dump()["defense"]) for e in scenario.entities if e.options.publishes}
    assert sum("shadow_modules" in name for name in rehearsals) == len(recipes)
    assert rehearsals
    assert all(job.labels for job in jobs if job.stage == "rehearse")  # controls stand in the results


def test_modules_are_attacked_where_features_pass_through_one() -> None:
    scenario = read_scenario(SCENARIOS / "dp_table_4.yaml", audit="full").scenario
    jobs = plan(scenario, {entity.name: 100 for entity in scenario.entities})
    victims: dict[str, set[str]] = {}
    for job in jobs:
        if job.stage == "attack" and job.participant.startswith("auditor") and job.attack is not None:
            victims.setdefault(job.attack, set()).add(str(job.victim))
    everybody = {"plain", "obfuscated", "poisoned", "collaborator", *CONTROLS}
    assert victims["leaked_module"] == victims["optimization_inversion[decider]"] == everybody
    assert victims["shadow_modules[8]"] == victims["optimization_inversion[module]"] == everybody - {"obfuscated"}


def test_auditors_take_turns_and_ask_about_the_release_of_whoever_pre_trained_and_of_noise() -> None:
    audited = read_scenario(SCENARIOS / "four_entities.yaml", audit="quick").scenario
    attacks = [job for job in plan(audited, ROWS | dict.fromkeys(CONTROLS, 72)) if job.stage == "attack"]
    one, other = ([job for job in attacks if job.participant == name] for name in ("auditor", "auditor_2"))
    first = attacks[: 2 * min(len(one), len(other))]  # until one of them has nothing left
    assert all(a.participant != b.participant for a, b in zip(first[::2], first[1::2], strict=True))
    asked = {
        job.victim for job in attacks if job.attack in {f"membership_inference[{by}]" for by in ("loss", "relative")}
    }
    assert asked == {"a1", "control_noise"}
