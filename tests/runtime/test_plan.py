from pathlib import Path

import pytest

from collab.participants.assignment import ORACLE
from collab.runtime.host import host_names
from collab.runtime.plan import plan
from collab.scenario.reader import read_scenario
from collab.stages.base import Task
from tests.places import SCENARIOS

FILES = sorted(SCENARIOS.glob("*_four_entities*.yaml"))


def planned(file: Path) -> tuple[Task, ...]:
    scenario = read_scenario(file, check_paths=False).scenario
    return plan(scenario, {"a1": 100, "a2": 100, "a3": 100, "a4": 10})


def test_there_are_scenarios() -> None:
    assert FILES


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_all_rows_and_controls_are_played_and_no_task_waits_forever(file: Path) -> None:
    tasks = planned(file)
    names = [task.name for task in tasks]
    assert len(set(names)) == len(names)
    done: set[str] = set()
    while ready := [task.name for task in tasks if task.name not in done and done.issuperset(task.needs)]:
        done.update(ready)
    assert done == set(names)
    rows = {row for task in tasks for row, _ in task.labels}
    assert {str(number) for number in range(1, 13)} <= rows
    assert {"c_public", "c_own_a1", "c_unpoisoned_12", "c_all_poisoned_7"} <= rows


def test_what_is_asked_twice_is_played_once() -> None:
    shared = next(task for task in planned(FILES[0]) if ("6", "a1") in task.labels)
    assert ("c_unpoisoned_7", "a1") in shared.labels
    assert shared.who == ORACLE


def test_the_first_row_is_the_pretraining_itself() -> None:
    assert [task.stage for task in planned(FILES[0]) if ("1", "a1") in task.labels] == ["pretrain"]


def test_no_entity_plays_what_needs_images_of_another() -> None:
    for task in planned(FILES[0]):
        if task.stage == "refine" and (task.order.row.unpoisoned or task.order.row.share):
            assert task.who == ORACLE


def test_rows_from_a_pool_wait_for_everybody_in_it() -> None:
    row_12 = next(task for task in planned(FILES[0]) if ("12", "a4") in task.labels)
    assert {"publish a1", "publish a2", "publish a3", "featurize a4"} <= set(row_12.needs)


@pytest.mark.parametrize(
    ("workers", "hosts"), [(1, (("a", "b", "c"),)), (2, (("a", "c"), ("b",))), (9, (("a",), ("b",), ("c",)))]
)
def test_participants_are_dealt_to_hosts(workers: int, hosts: tuple[tuple[str, ...], ...]) -> None:
    assert host_names(("a", "b", "c"), workers) == hosts


def test_what_an_attack_learns_beforehand_is_learned_as_often_as_it_must_be() -> None:
    path = SCENARIOS / "audit.yaml"
    scenario = read_scenario(path, audit="quick").scenario
    tasks = plan(scenario, {entity.name: 100 for entity in scenario.entities})
    rehearsals = [task.name for task in tasks if task.stage == "rehearse"]
    assert sum("through_decider" in name for name in rehearsals) == 1
    recipes = {str(e.model_dump()["defense"]) for e in scenario.entities if e.options.publishes}
    assert sum("shadow_modules" in name for name in rehearsals) == len(recipes)
    assert all(task.labels for task in tasks if task.stage == "rehearse")  # controls stand in the results


def test_modules_are_attacked_where_features_pass_through_one() -> None:
    path = SCENARIOS / "dp_table_4.yaml"
    scenario = read_scenario(path, audit="full").scenario
    tasks = plan(scenario, {entity.name: 100 for entity in scenario.entities})
    victims: dict[str, set[str]] = {}
    for task in tasks:
        if task.stage == "attack" and task.who.startswith("auditor") and task.attack is not None:
            victims.setdefault(task.attack, set()).add(str(task.victim))
    everybody = {"plain", "obfuscated", "poisoned", "collaborator"}
    assert victims["leaked_module"] == victims["optimization_inversion[decider]"] == everybody
    assert victims["shadow_modules[8]"] == victims["optimization_inversion[module]"] == everybody - {"obfuscated"}
