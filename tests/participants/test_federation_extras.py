"""Federated averaging with clients drawn, lost and held back, a server's momentum, one schedule, and a guarantee."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import torch

from collab.participants.federation import average, draw_clients, file_name, schedule_of
from collab.participants.participant import Participant
from collab.runtime.play import Played
from collab.scenario.federated import Federation
from collab.scenario.model import Scenario
from collab.scenario.parts import Refine
from collab.scenario.reader import read_scenario
from collab.store.ledger import read_ledger
from collab.store.release import read_release
from collab.training.averaging import federated_average
from tests.participants.test_federation import COMPUTE, FEDERATED, TASK, scores
from tests.playing import play_here

HEAD, _, _ = FEDERATED.partition("refinements:")
EXTRAS = (
    f"{HEAD}federated:"
    + """
  - {row: some, entities: [a1, a2, a3], rounds: 3, clients: 0.67, momentum: 0.5, proximal: 0.1, schedule_over: rounds}
PRIVATE
controls: false
"""
)
PRIVATE = "  - {row: private, entities: [a1, a2], rounds: 2, dp: {epsilon: 8}}"


def read(folder: Path, private: str = "") -> Scenario:
    (folder / "extras.yaml").write_text(EXTRAS.replace("PRIVATE\n", f"{private}\n" if private else ""))
    return read_scenario(folder / "extras.yaml", ()).scenario


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Scenario, Played]:
    folder = tmp_path_factory.mktemp("extras")
    scenario = read(folder)
    return scenario, play_here(scenario, folder)


def states(scenario: Scenario, played: Played, number: int) -> tuple[list[dict[str, torch.Tensor]], list[int]]:
    """The weights of who was there in a round, and of how many rows each."""
    federation = scenario.federated[0]
    there = [
        read_release(played.run / "weights" / name, file_name(federation, number))
        for name in draw_clients(federation, number, scenario.seed)
    ]
    return [state for state, _ in there], [card["rows"] for _, card in there]


def test_only_who_is_drawn_trains_and_publishes(played: tuple[Scenario, Played]) -> None:
    scenario, run = played
    federation = scenario.federated[0]
    for number in (1, 2, 3):
        drawn = draw_clients(federation, number, scenario.seed)
        assert len(drawn) == 2
        files = (run.run / "weights").glob(f"*/{file_name(federation, number)}.safetensors")
        assert sorted(path.parent.name for path in files) == list(drawn)


def test_the_server_takes_steps_with_momentum_towards_the_averages(played: tuple[Scenario, Played]) -> None:
    scenario, run = played
    entity = Participant("a2", scenario, run.run, task=TASK, classes=2, compute=COMPUTE)
    weight = read_release(run.run / "release", "decider")[0]["head.2.weight"]
    velocity = torch.zeros_like(weight)
    for number in (1, 2, 3):
        velocity = 0.5 * velocity + federated_average(*states(scenario, run, number))["head.2.weight"] - weight
        weight = weight + velocity
        found, _ = average(entity, scenario.federated[0], number)
        torch.testing.assert_close(found.state_dict()["head.2.weight"], weight)


def test_the_last_average_is_kept_for_everybody_and_is_a_line_of_the_ledger(played: tuple[Scenario, Played]) -> None:
    scenario, run = played
    (path,) = (run.run / "weights" / "a1").glob("average3_*.safetensors")
    kept, card = read_release(path.parent, path.stem)
    entity = Participant("a2", scenario, run.run, task=TASK, classes=2, compute=COMPUTE)
    torch.testing.assert_close(kept, dict(average(entity, scenario.federated[0], 3)[0].state_dict()))
    assert card["round"] == 3
    assert card["sha256"] in {each.digest for each in read_ledger(run.run / "ledger.parquet")}


def test_who_took_part_is_scored_before_the_averages_and_all_on_their_own_images(
    played: tuple[Scenario, Played],
) -> None:
    scenario, run = played
    present = {name for number in (1, 2, 3) for name in draw_clients(scenario.federated[0], number, scenario.seed)}
    for name in ("a1", "a2", "a3"):
        found = scores(run, "some", name)
        assert 0 <= found["top1_own"] <= 1
        assert ("top1_client" in found) == (name in present)


def test_clients_drop_out_as_often_as_stated_and_all_agree_on_who() -> None:
    names = tuple(f"a{number}" for number in range(8))
    federation = Federation(row="fed", entities=names, clients=0.5, dropout=0.25)
    drawn = [draw_clients(federation, number, 7) for number in range(1, 301)]
    assert drawn == [draw_clients(federation, number, 7) for number in range(1, 301)]
    assert math.isclose(sum(map(len, drawn)) / 300, 4 * 0.75, rel_tol=0.1)
    assert len({name for each in drawn for name in each}) == 8
    assert draw_clients(Federation(row="fed", entities=("b", "a")), 1, 7) == ("a", "b")


def test_training_with_dp_says_so_where_its_weights_lie_and_in_the_results(tmp_path: Path) -> None:
    pytest.importorskip("dp_accounting")
    scenario = read(tmp_path, PRIVATE)
    run = play_here(scenario, tmp_path)
    federation = scenario.federated[1]
    for name in ("a1", "a2"):
        _, card = read_release(run.run / "weights" / name, file_name(federation, 2))
        held, found = card["guarantee"], scores(run, "private", name)
        assert (held["epsilon"], held["steps"]) == (8.0, 2 * math.ceil(card["rows"] / 16))
        assert found["dp_epsilon"] == 8.0
        assert found["dp_noise_multiplier"] == held["noise_multiplier"]


def test_a_federation_may_have_steps_of_its_own_and_its_guarantee_counts_them() -> None:
    stated = {"row": "fed", "entities": ("a", "b"), "rounds": 2, "dp": {"epsilon": 8}}
    usual, own = Federation.model_validate(stated), Federation.model_validate(stated | {"batch_size": 40})
    scenario = SimpleNamespace(refine=Refine(batch_size=16, learning_rate=0.1))
    entity = cast("Participant", SimpleNamespace(scenario=scenario))
    assert schedule_of(entity, usual) == scenario.refine
    assert schedule_of(entity, own) == Refine(batch_size=40, learning_rate=0.1)
    assert file_name(usual, 1) != file_name(own, 1)


def test_where_weights_alone_are_read_nobody_trains_r_or_publishes_features(played: tuple[Scenario, Played]) -> None:
    scenario, run = played
    assert scenario.federates_only
    assert not (run.run / "release" / "reconstructor.safetensors").exists()
    assert not (run.run / "store").exists()
    assert {row.row for row in run.rows}.isdisjoint({"reconstructor", "tables_1_2", "publish"})
