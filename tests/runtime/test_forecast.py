import pytest

from collab.participants.assignment import Assignment, assign
from collab.participants.sources import Sources
from collab.runtime.forecast import COST, START, forecast
from collab.runtime.plan import plan
from collab.scenario.model import Scenario
from collab.scenario.reader import read_scenario
from tests.places import SCENARIOS, TINY


def dealt(*overrides: str, file: str = "tiny") -> tuple[Scenario, Assignment]:
    stated = read_scenario(SCENARIOS / f"{file}.yaml", overrides).scenario
    return stated, assign(stated, Sources.open(stated))


def seconds(*overrides: str, only: str = "") -> float:
    stated, assignment = dealt(*overrides)
    jobs = [job for job in plan(stated, assignment.images) if only in job.name]
    found = forecast(stated, assignment, jobs)
    assert found is not None
    return found.seconds


@pytest.mark.parametrize(
    ("job", "like", "passes"),
    [
        ("pretrain a1", "pretrain", 2 * 60),
        ("reconstruct", "reconstruct", 1 * 600),
        ("poison a4", "poison", 2 * 12),
        ("refine a2 row 2", "pretrain", 2 * 60),
        ("refine oracle row 5", "pretrain", 1 * 600),
        ("refine a4 row 12", "refine", 2 * (12 + 3 * 60)),
    ],
)
def test_a_job_takes_its_passes_over_its_images(job: str, like: str, passes: int) -> None:
    """tiny: 16 px, a quarter of the area; 8 channels in the place of 16."""
    expected = COST[like] * passes / 4 * 0.5**1.5 / 1000
    assert seconds(only=job) - START == pytest.approx(expected)


def test_twice_the_epochs_take_twice_as_long_and_no_jobs_take_no_time() -> None:
    once, twice = (seconds(f"entities.*.defense.epochs={epochs}", only="poison a") - START for epochs in (3, 6))
    assert twice == pytest.approx(2 * once)
    assert seconds(only="nothing") == START


def test_the_main_scenario_takes_about_what_it_took() -> None:
    """165 and 178 s on two cores (an EPYC, bf16, alone; docs/performance.md)."""
    stated, assignment = dealt(file="four_entities")
    found = forecast(stated, assignment, plan(stated, assignment.images))
    assert found is not None
    assert found.on(2) == pytest.approx(165, rel=0.25)
    assert found.on(1) == found.seconds
    assert found.describe(2).startswith("about 2 min ")
    assert found.unknown == ()


def test_what_nobody_measured_is_not_guessed() -> None:
    stated, assignment = dealt("model.backbone=vit6_small", "model.hook=block2", "model.width=null")
    assert forecast(stated, assignment, plan(stated, assignment.images)) is None
    stated, assignment = dealt()
    assert forecast(stated, assignment, plan(stated, assignment.images), "cuda bfloat16") is None


def test_attacks_are_named_as_not_counted() -> None:
    stated = read_scenario(TINY, audit="quick").scenario
    assignment = assign(stated, Sources.open(stated))
    found = forecast(stated, assignment, plan(stated, assignment.images))
    assert found is not None
    assert "attack" in found.unknown
    assert "not counting attack" in found.describe(2)
