"""The plan: what is played, by whom, after what."""

import pytest

from collab.participants.assignment import ORACLE
from collab.runtime.host import host_names
from collab.runtime.plan import plan
from collab.scenario.model import Scenario
from collab.scenario.reader import read_scenario
from collab.scenario.rows import played_rows
from collab.stages.base import Task
from tests.places import SCENARIOS

ROWS = {"a1": 550, "a2": 550, "a3": 550, "a4": 55}


def four(*overrides: str) -> Scenario:
    return read_scenario(SCENARIOS / "four_entities.yaml", overrides, check_paths=False).scenario


@pytest.fixture
def tasks() -> tuple[Task, ...]:
    return plan(four(), ROWS)


def labels(tasks: tuple[Task, ...]) -> dict[tuple[str, str], Task]:
    return {label: task for task in tasks for label in task.labels}


def test_every_row_of_table_5_and_every_control_comes_from_exactly_one_task(tasks: tuple[Task, ...]) -> None:
    pooled = {7: "a1", 8: "a2", 9: "a3", 10: "a3", 11: "a4", 12: "a4"}
    expected = {("1", "a1"), ("2", "a2"), ("3", "a3"), ("4", "a4"), ("5", ""), ("6", "a1"), ("c_public", "")}
    expected |= {(str(row), entity) for row, entity in pooled.items()}
    expected |= {(f"c_own_{entity}", entity) for entity in ROWS}
    expected |= {(f"c_unpoisoned_{row}", entity) for row, entity in pooled.items()}
    expected |= {(f"c_all_poisoned_{row}", entity) for row, entity in pooled.items()}
    stages = ("tables_1_2", "publish")
    of_stages = {("reconstructor", "a1"), *((name, entity) for name in stages for entity in ROWS)}
    found = [label for task in tasks for label in task.labels]
    assert set(found) == expected | of_stages
    assert len(found) == len(set(found))


def test_needs_come_from_tasks_of_the_plan_and_go_round_in_no_circle(tasks: tuple[Task, ...]) -> None:
    names = [task.name for task in tasks]
    assert len(names) == len(set(names))
    done: set[str] = set()
    waiting = list(tasks)
    while ready := [task for task in waiting if set(task.needs) <= done]:
        done |= {task.name for task in ready}
        waiting = [task for task in waiting if task not in ready]
    assert waiting == []


def test_nobody_refines_before_what_it_reads_is_published(tasks: tuple[Task, ...]) -> None:
    for task in tasks:
        if task.stage == "refine" and task.order.row.own != "images" and task.who != ORACLE:
            assert {f"publish {name}" for name in task.order.row.pool} <= set(task.needs)
            assert (f"publish {task.who}" in task.needs) == (task.order.row.own == "poisoned")


def test_row_1_is_pretraining_itself(tasks: tuple[Task, ...]) -> None:
    assert labels(tasks)["1", "a1"].stage == "pretrain"
    assert labels(tasks)["2", "a2"].stage == "refine"


@pytest.mark.parametrize("override", ["refinements.1.epochs=3", "scratch.epochs=3"])
def test_row_1_with_another_recipe_is_trained_for_itself(override: str) -> None:
    tasks = labels(plan(four(override), ROWS))
    assert tasks["1", "a1"].stage == "refine"
    assert tasks["pretrain", "a1"].stage == "pretrain"


def test_rows_that_ask_for_the_same_thing_share_a_task_and_others_do_not(tasks: tuple[Task, ...]) -> None:
    of = labels(tasks)
    assert of["6", "a1"] is of["c_unpoisoned_7", "a1"]
    assert of["6", "a1"].who == ORACLE
    assert of["7", "a1"] is not of["c_all_poisoned_7", "a1"]


def test_another_number_of_epochs_is_another_task() -> None:
    of = labels(plan(four("refinements.6.epochs=3"), ROWS))
    assert of["6", "a1"] is not of["c_unpoisoned_7", "a1"]


def test_what_needs_images_of_several_entities_is_the_oracles(tasks: tuple[Task, ...]) -> None:
    for task in tasks:
        if task.stage == "refine":
            assert (task.who == ORACLE) == (task.order.row.share is not None or bool(task.order.row.unpoisoned))


@pytest.mark.parametrize("controls", ["true", "false"])  # without, no unpoisoned row reads as much as a pooled one
def test_largest_row_is_counted_over_all_it_reads(controls: str) -> None:
    tasks = plan(four(f"controls={controls}"), ROWS)
    refined = [task.order for task in tasks if task.stage == "refine"]
    most = {order.most_rows for order in refined if order.row.own != "images"}
    assert most == {550 + 550 + 550 + 55}  # no row reads more than a4 with a1 to a3


def test_without_controls_only_stated_rows_are_played() -> None:
    scenario = four("controls=false")
    assert played_rows(scenario) == scenario.refinements
    assert not any(row.startswith(("c_own", "c_un", "c_all")) for row, _ in labels(plan(scenario, ROWS)))


def test_steps_that_others_wait_for_stand_before_rows_from_raw_images(tasks: tuple[Task, ...]) -> None:
    at = {task.name: index for index, task in enumerate(tasks)}
    refined = [task for task in tasks if task.stage == "refine" and task.who != ORACLE]
    scratch = [at[task.name] for task in refined if task.order.row.own == "images"]
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
    assert host_names(("a", "b", "c", "d", "e"), workers) == hosts
