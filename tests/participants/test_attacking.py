"""What attacks are given, what they are not, and how their results are called."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

from collab.attacks.base import Knowledge
from collab.errors import EntityError, ScenarioError
from collab.participants.attacking import guess_name, read_batches, read_rows
from collab.report.attack_page.failed import find_failures
from collab.report.pages.page import draw_page
from collab.results.opened import open_run
from collab.runtime.play import Played
from collab.scenario.model import Scenario
from collab.scenario.reader import read_scenario
from collab.store.ledger import read_ledger
from collab.store.release import read_release
from tests.playing import play_here

LEAK = """
name: leak
data: {source: creatures, image_size: 16, classes: 4, train: 400, test: 40, public_images: 64}
model: {backbone: resnet8, width: 4, hook: conv3_1, pretrain: {by: a1, epochs: 1}}
reconstructor: {epochs: 1}
entities:
  - {name: a1, share: 0.1, defense: {kind: dpm, epochs: 2}, release_module: true}
  - {name: a2, share: 0.1, defense: {kind: dpm, epochs: 2}}
  - name: spy
    kind: curious
    options:
      victims: [a1]
      attacks: [{kind: leaked_module, epochs: 1}, {kind: unseen_reconstructor, epochs: 1}, {kind: straw_man, name: r}]
    share: 0.1
    defense: none
refinements: []
controls: false
"""


@pytest.fixture
def leak(tmp_path: Path) -> Callable[..., Scenario]:
    path = tmp_path / "leak.yaml"
    path.write_text(LEAK)
    return lambda *overrides: read_scenario(path, overrides).scenario


def test_a_released_module_is_public_and_in_the_ledger_and_others_are_not(
    leak: Callable[..., Scenario], tmp_path: Path
) -> None:
    found = play_here(leak(), tmp_path)
    open_one, _ = read_release(found.run / "modules" / "a1", "defense")
    kept, _ = read_release(found.run / "private" / "a1", "defense")
    assert open_one.keys() == kept.keys()
    assert all(torch.equal(open_one[name], kept[name]) for name in kept)
    assert not (found.run / "modules" / "a2").exists()
    sent = [(each.sender, each.kind) for each in read_ledger(found.run / "ledger.parquet") if each.kind == "module"]
    assert sent == [("a1", "module")]
    labels = {row.attack for row in found.rows if row.row == "by spy"}
    assert labels == {"leaked_module", "unseen_reconstructor[rx2s2]", "r"}


def test_a_module_that_is_kept_is_not_had(leak: Callable[..., Scenario], tmp_path: Path) -> None:
    with pytest.raises(EntityError, match="'leaked_module' of entity 'spy' needs victim_encoder, which this adversary"):
        play_here(leak("entities.spy.options.victims=[a2]"), tmp_path)


def test_who_colludes_gives_module_and_images_and_is_no_victim(leak: Callable[..., Scenario], tmp_path: Path) -> None:
    attacks = "[{kind: own_module, epochs: 1}, {kind: own_module, epochs: 1, allies: [a1]}]"
    scenario = leak(
        "entities.spy.defense={kind: dpm, epochs: 2}", "entities.spy.options.victims=[a1, a2]",
        f"entities.spy.options.attacks={attacks}",
    )  # fmt: skip
    found = play_here(scenario, tmp_path)
    given, _ = read_release(found.run / "handed" / "private" / "spy", guess_name("own_module[a1]", "a2"))
    assert np.array_equal(given["allies.a1.images"].numpy(), np.load(found.run / "private" / "a1" / "images.npy"))
    module, _ = read_release(found.run / "private" / "a1", "defense")
    assert {f"allies.a1.{name}" for name in module} < given.keys()
    handed = [each for each in read_ledger(found.run / "ledger.parquet") if each.stage == "hand_out"]
    assert [(each.sender, each.receiver, each.kind) for each in handed] == [("a1", "spy", "allies")]
    rebuilt = {
        (row.attack, row.entity): row.value for row in found.rows if row.row == "by spy" and row.metric == "ssim_max[7]"
    }
    assert rebuilt.keys() == {("own_module", "a1"), ("own_module", "a2"), ("own_module[a1]", "a2")}
    assert rebuilt["own_module", "a2"] != rebuilt["own_module[a1]", "a2"]


def test_a_second_release_is_linked_and_what_it_leaves_out_has_no_counterpart(
    leak: Callable[..., Scenario], tmp_path: Path
) -> None:
    again = "[{kind: linkage, second: again, candidates: 400}]"
    scenario = leak(
        "entities.a1.defense=none", "entities.a1.release_module=false", "entities.a2.name=again",
        "entities.again.kind=republisher", "entities.again.options={of: a1, without: 0.5}",
        "entities.again.defense=none", "entities.again.share=null", "entities.spy.options.victims=[a1]",
        f"entities.spy.options.attacks={again}",
    )  # fmt: skip
    found = play_here(scenario, tmp_path)
    first, second = (np.load(found.run / "private" / name / "published.npy") for name in ("a1", "again"))
    assert 0 < len(second) < len(first)
    assert set(second) < set(first)
    scores = {row.metric: row.value for row in found.rows if row.row == "by spy"}
    assert scores["match_top1"] == 1.0  # both are plain: a row and its counterpart are the same
    assert scores["membership_auc"] > 0.95


def test_who_publishes_again_has_a_defense_and_pages_are_drawn(leak: Callable[..., Scenario], tmp_path: Path) -> None:
    scenario = leak(
        "entities.a2.name=again", "entities.again.kind=republisher", "entities.again.options={of: a1}",
        "entities.again.defense=gaussian_noise", "entities.again.share=null", "entities.spy.options.victims=[a1]",
        "entities.spy.options.attacks=[{kind: linkage, second: again, candidates: 400}]",
    )  # fmt: skip
    run = open_run(play_here(scenario, tmp_path).run)
    assert "again" not in {failure.entity for failure in find_failures(run)}  # it is no party
    assert "again" in draw_page(run)


def test_two_attacks_of_one_name_are_a_mistake(leak: Callable[..., Scenario]) -> None:
    with pytest.raises(ScenarioError, match="two attacks are called straw_man; give one of them a `name`"):
        leak("entities.spy.options.attacks=[straw_man, straw_man]")


def test_knowledge_is_what_was_asked_for_and_no_more() -> None:
    images = torch.zeros(2, 4, 8, 8), torch.zeros(2, dtype=torch.int64)
    known = Knowledge("the attack", *images, frozenset({"decider"}), decider=torch.nn.Identity(), own_data="mine")
    assert isinstance(known.decider, torch.nn.Identity)
    with pytest.raises(
        EntityError, match=r"the attack uses own_data, which it does not ask for. Add it to its `needs`"
    ):
        _ = known.own_data
    with pytest.raises(EntityError, match="the attack needs own_module, reconstructor, which this adversary"):
        Knowledge("the attack", *images, frozenset({"own_module", "reconstructor"}))


class Shard:
    """Rows first to first + rows - 1, whose only feature is their number."""

    def __init__(self, first: int, rows: int) -> None:
        self.first, self.rows = first, rows

    def take(self, rows: np.ndarray) -> torch.Tensor:
        return (self.first + torch.from_numpy(rows)).half().view(-1, 1, 1, 1)

    def targets(self) -> torch.Tensor:
        return torch.arange(self.first, self.first + self.rows)


@pytest.mark.parametrize(("first", "last"), [(0, 3), (3, 302), (299, 301), (300, 310), (0, 310)])
def test_rows_are_counted_over_all_shards(first: int, last: int) -> None:
    shards = [cast(Any, Shard(0, 300)), cast(Any, Shard(300, 10))]
    features, labels = read_rows(shards, first, last)
    assert labels.tolist() == list(range(first, last))
    assert features.dtype == torch.float32
    assert features.flatten().tolist() == labels.tolist()
    batches = list(read_batches(shards))
    assert [len(part) for part, _ in batches] == [256, 44, 10]
    assert all(torch.equal(part.flatten(), of.float()) for part, of in batches)
    assert torch.cat([of for _, of in batches]).tolist() == list(range(310))


SUITE = """
name: suite
data: {source: creatures, image_size: 16, classes: 4, train: 800, test: 40, public_images: 64}
model: {backbone: resnet8, width: 4, hook: conv2_1, pretrain: {by: a1, epochs: 1}}
reconstructor: {epochs: 1}
entities:
  - {name: a1, share: 0.2, defense: {kind: dpm, blocks: 1, epochs: 1}, release_module: true}
  - {name: a2, share: 0.2, defense: {kind: dpm, blocks: 1, epochs: 1}}
  - {name: a3, share: 0.2, defense: mean_filter}    # a module without weights
  - name: spy
    kind: curious
    options:
      attacks:
        - {kind: leaked_module, is_stolen: true, epochs: 1}
        - {kind: shadow_modules, modules: 1, images: 32, epochs: 1}
        - {kind: simulated_client, client_epochs: 1, epochs: 1, rows: 40}
        - {kind: leaked_pairs, pairs: 8}
        - {kind: image_prior, of: {kind: leaked_pairs, pairs: 4}, components: 4, epochs: 1, rows: 40}
        - {kind: matching, rows: 20, candidates: 60, present: 0.5}
    share: 0.1
    defense: none
refinements: []
controls: false
"""


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Played:
    path = tmp_path_factory.mktemp("suite") / "suite.yaml"
    path.write_text(SUITE)
    return play_here(read_scenario(path).scenario, path.parent / "runs")


def test_a_rehearsal_serves_all_victims_of_one_recipe(suite: Played) -> None:
    jobs = json.loads((suite.run / "record.json").read_text())["jobs"]
    rehearsals = [name for name in jobs if name.startswith("rehearse")]
    all_three = ("shadow_modules[1]", "simulated_client", "image_prior[leaked_pairs,4]")
    expected = [f"rehearse spy {kind} for {victim}" for kind in all_three for victim in ("a1", "a3")]
    assert sorted(rehearsals) == sorted(expected)
    assert {f"attack spy {kind} on {victim}" for kind in all_three for victim in ("a1", "a2", "a3")} <= set(jobs)


def test_pairs_are_of_rows_that_are_not_attacked_and_stand_in_the_ledger(suite: Played) -> None:
    given, _ = read_release(suite.run / "handed" / "private" / "spy", guess_name("leaked_pairs[8]", "a1"))
    order = np.load(suite.run / "private" / "a1" / "published.npy")
    own = np.load(suite.run / "private" / "a1" / "images.npy")
    assert np.array_equal(given["pairs"].numpy(), own[order[-8:]])
    guess, _ = read_release(suite.run / "private" / "spy", guess_name("leaked_pairs[8]", "a1"))
    assert len(guess["images"]) == len(order) - 8
    sent = {
        (each.sender, each.receiver, each.shape[0])
        for each in read_ledger(suite.run / "ledger.parquet")
        if each.kind == "pairs"
    }
    assert sent == {(victim, "spy", pairs) for victim in ("a1", "a2", "a3") for pairs in (4, 8)}


def test_of_the_candidates_as_many_are_the_victims_as_is_said(suite: Played) -> None:
    given, _ = read_release(suite.run / "handed" / "private" / "spy", guess_name("matching[boosted]", "a2"))
    order = np.load(suite.run / "private" / "a2" / "published.npy")[:20]
    attacked = {image.tobytes() for image in np.load(suite.run / "private" / "a2" / "images.npy")[order]}
    there = [image.numpy().tobytes() in attacked for image in given["candidates"]]
    assert (len(there), sum(there)) == (60, 10)
    found = {row.metric: row for row in suite.rows if row.attack == "matching[boosted]" and row.entity == "a2"}
    assert found["match_top1"].n == 10
    assert found["match_chance"].value == pytest.approx(1 / 60)


def test_another_attack_leaves_what_was_played_as_it_is(suite: Played, tmp_path: Path) -> None:
    path = tmp_path / "suite.yaml"
    path.write_text(SUITE.replace("kind: matching, rows", "kind: matching, boost: 0, rows"))
    scenario = read_scenario(path).scenario
    again = play_here(scenario, suite.run.parents[1])
    jobs = json.loads((again.run / "record.json").read_text())["jobs"]
    new = {name for name, job in jobs.items() if not job["cached"]}
    assert new
    assert all("matching" in name for name in new)
