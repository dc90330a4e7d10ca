"""Federated averaging among entities: what it equals, what crosses a boundary, and that all backends agree."""

import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

from collab.errors import ScenarioError
from collab.participants import federation as federation_of_entities
from collab.participants.entity import Entity
from collab.participants.federation import average, file_name
from collab.participants.participant import Participant
from collab.runtime.leak_check import find_unlisted
from collab.runtime.play import Played, Where, play
from collab.scenario.model import Scenario
from collab.scenario.reader import read_scenario
from collab.stages.base import Job
from collab.stages.federate import Federate
from collab.store import shards
from collab.store.ledger import read_ledger
from collab.store.release import read_release
from collab.training.precision import resolve_compute
from collab.training.tasks import Classification
from collab.types import Report
from tests.places import ROOT
from tests.playing import play_here

TASK, COMPUTE = Classification(("one", "two")), resolve_compute("fp32", "cpu")

FEDERATED = """
name: federated
data: {source: creatures, image_size: 16, classes: 4, train: 400, test: 80, public_images: 64}
model: {backbone: resnet8, width: 4, hook: conv3_1, pretrain: {by: a1, epochs: 1}}
reconstructor: {epochs: 1}
entities:
  - {name: a1, share: 0.3, defense: none}
  - {name: a2, share: 0.1, defense: none}
  - {name: a3, kind: free_rider, share: 0.2, defense: none}
refine: {epochs: 2, batch_size: 16}
refinements:
  - {row: alone, entity: a2, own: features}
federated:
  - {row: one, entities: [a2], rounds: 1, local_epochs: 2}
  - {row: two, entities: [a2, a1, a3], rounds: 2}
  - {row: three, entities: [a1, a2, a3], rounds: 3}
controls: false
"""


@pytest.fixture(scope="module")
def stated(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Scenario]:
    path = tmp_path_factory.mktemp("scenario") / "federated.yaml"
    path.write_text(FEDERATED)
    return lambda *overrides: read_scenario(path, overrides).scenario


@pytest.fixture(scope="module")
def once(stated: Callable[..., Scenario], tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play_here(stated(), tmp_path_factory.mktemp("runs"))


def scores(played: Played, row: str, entity: str) -> dict[str, float]:
    return {each.metric: each.value or 0.0 for each in played.rows if (each.row, each.entity) == (row, entity)}


def weights(played: Played, entity: str, number: int) -> list[dict[str, torch.Tensor]]:
    files = sorted((played.run / "weights" / entity).glob(f"round{number}_*.safetensors"))
    return [read_release(file.parent, file.stem)[0] for file in files]


def test_one_round_of_one_entity_is_plain_refinement_to_the_bit(once: Played) -> None:
    kept = sorted((once.run / "private" / "a2").glob("decider_*.safetensors"))
    assert len(kept) == 1
    plain, _ = read_release(kept[0].parent, kept[0].stem)
    found = [each for each in weights(once, "a2", 1) if all(torch.equal(each[name], plain[name]) for name in plain)]
    assert len(found) == 1
    alone, one = scores(once, "alone", "a2"), scores(once, "one", "a2")
    assert one["top1"] == alone["top1"] == one["top1_round[1]"]


def test_all_have_the_same_network_in_the_end(once: Played) -> None:
    assert len({scores(once, "three", name)["top1"] for name in ("a1", "a2", "a3")}) == 1
    three = scores(once, "three", "a1")
    assert three["top1"] == three["top1_round[3]"]
    assert three["rounds"] == 3


def test_rounds_that_are_alike_are_trained_once(once: Played) -> None:
    two, three = scores(once, "two", "a1"), scores(once, "three", "a1")
    assert [two["top1_round[1]"], two["top1_round[2]"]] == [three["top1_round[1]"], three["top1_round[2]"]]
    assert len(weights(once, "a1", 1)) == 1  # one file for both, though they name entities in another order
    assert len(weights(once, "a1", 3)) == 1


def test_a_round_waits_for_no_disk_and_verifies_own_features_once(
    stated: Callable[..., Scenario], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, begun = list[str](), list[int]()
    fsync, check, train = os.fsync, shards._check_rows, Federate.play

    def play(self: Federate, entity: Entity, job: Job, *others: Any) -> Report:
        if job.order.number == 2:
            begun.append(len(calls))
        return train(self, entity, job, *others)

    monkeypatch.setattr("os.fsync", lambda descriptor: (calls.append("fsync"), fsync(descriptor)))
    monkeypatch.setattr(shards, "_check_rows", lambda *given: (calls.append("verify"), check(*given)))
    monkeypatch.setattr(Federate, "play", play)
    play_here(stated("federated=[{row: three, entities: [a1, a2, a3], rounds: 3}]"), tmp_path)
    assert len(begun) == 3
    assert calls[begun[0] : begun[-1]] == []


def test_the_port_to_flower_trains_the_same_network(
    stated: Callable[..., Scenario], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    flower, flower_port = import_module("flower"), import_module("flower_port")
    rounds = "federated=[{row: both, entities: [a1, a2], rounds: 2, local_epochs: 2}]"
    scenario = stated("precision=fp32", "refine.bn=update", rounds)  # the port knows no other
    played, folder = play_here(scenario, tmp_path / "runs"), tmp_path / "port"
    flower.write_folder(scenario, played.run, folder)
    recipe = flower_port.read_recipe(folder)
    for name in ("a1", "a2"):
        net = flower_port.new_decider(recipe)
        net.load_state_dict(flower_port.read_state(folder))
        flower_port.train_round(net, folder, name, 1, recipe)
        (ours,) = weights(played, name, 1)
        torch.testing.assert_close(net.state_dict(), ours, rtol=1e-4, atol=1e-5)


def test_what_is_scored_is_the_mean_by_numbers_of_images(once: Played, stated: Callable[..., Scenario]) -> None:
    scenario = stated()
    entity = Participant("a3", scenario, once.run, task=TASK, classes=2, compute=COMPUTE)
    federation = scenario.federated[2]
    decider, read = average(entity, federation, 1)
    states = [read_release(once.run / "weights" / name, file_name(federation, 1))[0] for name in ("a1", "a2", "a3")]
    for name, value in decider.state_dict().items():
        if value.is_floating_point():
            mean = (60 * states[0][name].double() + 20 * states[1][name] + 40 * states[2][name]) / 120
            torch.testing.assert_close(value.double(), mean, rtol=1e-6, atol=1e-7)
    assert [each.sender for each in read] == ["a1"]  # the average, from who made it
    (top1,) = (each.value for each in entity.score_features(decider) if each.metric == "top1")
    assert top1 == scores(once, "three", "a3")["top1_round[1]"]
    assert torch.equal(
        average(entity, federation, 0)[0](entity.heldout_features[0][:4].float()),
        entity.released.decider(entity.heldout_features[0][:4].float()),
    )


def test_a_round_is_averaged_once_and_not_by_everybody(
    stated: Callable[..., Scenario], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, mean = list[int](), federation_of_entities.federated_average
    monkeypatch.setattr(
        federation_of_entities,
        "federated_average",
        lambda states, rows: (calls.append(len(rows)), mean(states, rows))[1],
    )
    play_here(stated("federated=[{row: three, entities: [a1, a2, a3], rounds: 3}]"), tmp_path)
    assert calls == [3, 3, 3]


def test_weights_that_cross_are_in_the_ledger(once: Played) -> None:
    crossings = [each for each in read_ledger(once.run / "ledger.parquet") if each.kind == "weights"]
    assert {each.stage for each in crossings} == {"federate", "aggregate"}
    sent = [each for each in crossings if each.receiver == "*"]
    assert sum(each.sender == "a3" for each in sent) == 2 + 3  # each federation tells its own rounds
    state = weights(once, "a3", 1)[0]
    (size,) = {each.bytes for each in sent}  # of the files, a little more than of the values in them
    assert 0 < size - sum(value.numel() * value.element_size() for value in state.values()) < 1 << 14
    files = [path for path in (once.run / "weights").glob("*/*.safetensors") if not path.is_symlink()]
    assert {path.stat().st_size for path in files} == {size}
    assert find_unlisted(once.run) == []  # and the audit, which reads them too, found nothing private
    read = [(each.sender, each.receiver) for each in crossings if each.receiver == "a3"]
    assert set(read) == {("a1", "a3")}
    assert {(each.sender, each.receiver) for each in crossings if each.receiver == "a1"} == {("a2", "a1"), ("a3", "a1")}
    three, server = scores(once, "three", "a3"), scores(once, "three", "a1")
    assert (three["bytes_sent"], three["bytes_read"]) == (3 * size, 3 * size)
    assert (server["bytes_sent"], server["bytes_read"]) == (3 * 2 * size, 3 * 2 * size)
    assert scores(once, "one", "a2")["bytes_read"] == 0


MISTAKES = {
    "nobody": ("federated.0.entities=[b]", "federated.0.entities.0: there is no entity 'b'"),
    "twice": ("federated.0.entities=[a1, a1]", "federated.0.entities.1: 'a1' is named twice"),
    "none": ("federated.0.entities=[]", "federated.0.entities: there is none; at least one takes part"),
    "name": ("federated.0.row=alone", "federated.0.row: row alone is there already"),
    "round": ("federated.0.rounds=0", "greater than or equal to 1"),
    "bound": ("expect={metric: top1, row: one, entity: a1, at_least: 0}", "row one is of a2, not of 'a1'"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_told(stated: Callable[..., Scenario], mistake: str) -> None:
    override, told = MISTAKES[mistake]
    with pytest.raises(ScenarioError, match=told):
        stated(override)


def test_a_bound_may_name_it(stated: Callable[..., Scenario]) -> None:
    assert stated("expect={metric: top1, row: three, at_least: 0.1}").expectations


@pytest.mark.ray
@pytest.mark.parametrize("workers", [1, 2])
def test_ray_comes_to_the_same_bits(
    stated: Callable[..., Scenario], once: Played, tmp_path: Path, workers: int
) -> None:
    found = play(stated(f"resources.workers={workers}"), Where("ray", device="cpu", out=tmp_path), lambda _: None)
    for name in ("a1", "a2", "a3"):
        for number in (1, 2, 3):
            files = [
                sorted((each.run / "weights" / name).glob(f"round{number}_*.safetensors")) for each in (once, found)
            ]
            assert [file.name for file in files[0]] == [file.name for file in files[1]]
            assert [file.read_bytes() for file in files[0]] == [file.read_bytes() for file in files[1]]
    assert scores(found, "three", "a1") == scores(once, "three", "a1")
