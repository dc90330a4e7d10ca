"""What attacks are given, what they are not, and how their results are called."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from collab.attacks.base import Knowledge
from collab.errors import EntityError, ScenarioError
from collab.runtime.play import Played, Where, play
from collab.scenario.model import Scenario
from collab.scenario.reader import read_scenario
from collab.store.ledger import read_ledger
from collab.store.release import read_release

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


def played(scenario: Scenario, out: Path) -> Played:
    return play(scenario, Where("inprocess", device="cpu", out=out), lambda event: None)


def test_a_released_module_is_public_and_in_the_ledger_and_others_are_not(
    leak: Callable[..., Scenario], tmp_path: Path
) -> None:
    found = played(leak(), tmp_path)
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
        played(leak("entities.spy.options.victims=[a2]"), tmp_path)


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
