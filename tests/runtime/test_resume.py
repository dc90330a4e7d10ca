import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collab.runtime.host import Event
from collab.runtime.play import Played, Where, play
from collab.scenario.model import Scenario
from collab.stages.registry import STAGES
from collab.training import progress
from tests.playing import FORKS, bits, lend, shards
from tests.runtime.killing import play_until_killed

LONGER = ["entities.*.defense.epochs=3", "model.pretrain.epochs=3"]


@pytest.fixture(scope="module")
def undisturbed(small: Callable[..., Scenario], tmp_path_factory: pytest.TempPathFactory) -> tuple[Played, int]:
    """A run that nobody disturbed, and how many events it told."""
    events: list[Event] = []
    found = play(small(*LONGER), Where("inprocess", out=tmp_path_factory.mktemp("runs")), events.append)
    return found, len(events)


def killed(out: Path, last_event: int) -> None:
    victim = FORKS.Process(target=play_until_killed, args=(out, last_event, LONGER))
    victim.start()
    victim.join(120)
    assert victim.exitcode == -signal.SIGKILL


@settings(max_examples=4, suppress_health_check=[HealthCheck.too_slow])
@given(share=st.floats(0.02, 0.98))
def test_a_run_killed_anywhere_goes_on_to_the_same_bits(
    undisturbed: tuple[Played, int],
    small: Callable[..., Scenario],
    tmp_path_factory: pytest.TempPathFactory,
    share: float,
) -> None:
    expected, count = undisturbed
    out = tmp_path_factory.mktemp("killed")
    killed(out, max(2, round(share * count)))
    before = len(list((out / "cache").glob("*/*/entry.json"))) + len(
        list((out / "cache/private").glob("*/*/entry.json"))
    )
    found = play(small(*LONGER), Where("inprocess", out=out), lambda event: None)
    assert bits(found.rows) == bits(expected.rows)
    assert shards(found.run) == shards(expected.run)
    assert found.cached >= before  # jobs may share a stage
    assert not list((out / "cache").rglob("*.pt"))


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["decode", "pretrain", "reconstruct", "featurize", "poison", "publish", "refine"])
def test_a_driver_killed_in_each_stage_goes_on_to_the_same_bits(
    stage: str, small: Callable[..., Scenario], undisturbed: tuple[Played, int], tmp_path: Path
) -> None:
    told: list[Event] = []
    play(small(*LONGER), Where("inprocess", out=tmp_path / "told"), told.append)
    killed(tmp_path / "out", 1 + next(n for n, each in enumerate(told) if each.get("stage") == stage))
    found = play(small(*LONGER), Where("inprocess", out=tmp_path / "out"), lambda event: None)
    assert bits(found.rows) == bits(undisturbed[0].rows)
    assert shards(found.run) == shards(undisturbed[0].run)


def test_a_stage_goes_on_from_its_last_checkpoint(
    undisturbed: tuple[Played, int], small: Callable[..., Scenario], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN", 0.0)

    class Killed(BaseException):
        pass

    def until_the_second_epoch_of_a2(event: Event) -> None:
        if event["event"] == "epoch" and event["job"] == "poison a2" and event["epoch"] == 3:
            raise Killed

    told: list[Event] = []
    where = Where("inprocess", out=tmp_path)
    with pytest.raises(Killed):
        play(small(*LONGER), where, until_the_second_epoch_of_a2)
    assert len(list((tmp_path / "cache/private/a2").glob("*.pt"))) == 1
    found = play(small(*LONGER), where, told.append)
    epochs = [event["epoch"] for event in told if event["event"] == "epoch" and event["job"] == "poison a2"]
    assert epochs == [3]
    assert bits(found.rows) == bits(undisturbed[0].rows)


def test_an_edit_plays_again_what_it_touches_and_says_what_it_took(
    played: Played, small: Callable[..., Scenario], tmp_path: Path
) -> None:
    lend(played, tmp_path)
    where, told = Where("inprocess", device="cpu", out=tmp_path), list[Event]()
    second = play(small("entities.a4.defense.lambda=0.5"), where, told.append)
    cached = {event["job"] for event in told if event["event"] == "cached"}
    done = {event["job"] for event in told if event["event"] == "done"}
    assert {name for name in done if not str(name).startswith("refine")} == {"poison a4", "publish a4"}
    assert len(done) + len(cached) == second.jobs
    assert second.cached == len(cached)
    assert played.cached == 0
    fresh = play(
        small("entities.a4.defense.lambda=0.5"), Where("inprocess", out=tmp_path / "other"), lambda event: None
    )
    assert bits(second.rows) == bits(fresh.rows)
    assert shards(second.run) == shards(fresh.run)


def test_fresh_ignores_the_cache(played: Played, small: Callable[..., Scenario], tmp_path: Path) -> None:
    lend(played, tmp_path)
    told: list[Event] = []
    again = play(small(), Where("inprocess", device="cpu", out=tmp_path, is_fresh=True), told.append)
    assert again.cached == 0
    assert sum(event["event"] == "done" for event in told) == again.jobs


def test_a_single_task_can_be_played_with_what_it_needs(small: Callable[..., Scenario], tmp_path: Path) -> None:
    told: list[Event] = []
    play(small(), Where("inprocess", out=tmp_path, only="poison a2"), told.append)
    assert {event["job"] for event in told if event["event"] == "done"} == {
        "decode heldout", "decode a1", "pretrain a1", "decode public", "reconstruct a1", "featurize heldout",
        "decode a2", "featurize a2", "try reconstructor a2", "poison a2",
    }  # fmt: skip


def test_a_stage_of_another_code_version_is_played_again(
    played: Played, small: Callable[..., Scenario], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lend(played, tmp_path)
    monkeypatch.setattr(type(STAGES["publish"]), "version", 99)
    told: list[Event] = []
    play(small(), Where("inprocess", device="cpu", out=tmp_path), told.append)
    assert {str(event["job"]).split()[0] for event in told if event["event"] == "done"} == {"publish", "refine"}
