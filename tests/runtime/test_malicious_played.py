"""Malicious publishers: a poor R is told or refused before anybody trains against it, and backdoors are measured."""

from collections.abc import Callable
from pathlib import Path

import pytest

from collab.errors import EntityError
from collab.report.attack_page.failed import find_failures, tell_failures
from collab.results.opened import open_run
from collab.runtime.play import Played
from collab.scenario.model import Scenario
from collab.scenario.reader import read_scenario
from tests.playing import play_here

POOR = """
name: poor
data: {source: creatures, image_size: 16, classes: 4, train: 600, test: 40, public_images: 400}
model: {backbone: resnet8, width: 8, hook: conv2_1, pretrain: {by: a1, epochs: 1}}
reconstructor: {epochs: 4, batch_size: 32, optimizer: muon, learning_rate: 0.05}
entities:
  - {name: a1, kind: saboteur, share: 0.2, defense: none, options: {ships: weak}}
  - {name: a2, share: 0.2, defense: {kind: dpm, epochs: 1, blocks: 1}}
refine: {epochs: 1}
controls: false
"""


@pytest.fixture
def poor(tmp_path: Path) -> Callable[..., Scenario]:
    path = tmp_path / "poor.yaml"
    path.write_text(POOR)
    return lambda *overrides: read_scenario(path, overrides).scenario


def found(played: Played, entity: str, metric: str) -> float:
    values = [row.value for row in played.rows if row.row == "reconstructor_tried" and row.entity == entity
              and row.metric.startswith(f"reconstructor_{metric}") and "stated" not in row.metric]  # fmt: skip
    assert len(values) == 1
    assert values[0] is not None
    return values[0]


def test_a_weak_one_is_told_first_and_a_good_one_is_not(poor: Callable[..., Scenario], tmp_path: Path) -> None:
    weak = play_here(poor(), tmp_path)
    (told, *_) = tell_failures(find_failures(open_run(weak.run)))
    assert told.startswith("The reconstructor that a1 released is no opponent. Tried on own plain features by a1 and")
    assert "no more of own plain features than a guess by class" in told
    assert found(weak, "a2", "shows[") < 0
    honest = play_here(poor("entities.a1.kind=contributor", "entities.a1.options={}"), tmp_path)
    assert found(honest, "a2", "shows[") > 0.1
    assert not [each for each in find_failures(open_run(honest.run)) if each.is_of_release]


def test_a_weak_one_is_refused_before_anybody_trains_against_it(poor: Callable[..., Scenario], tmp_path: Path) -> None:
    with pytest.raises(EntityError, match=r"'a[12]' refuses the reconstructor that 'a1' released: it shows no more"):
        play_here(poor("reconstructor.poor=refuse"), tmp_path)
    (run,) = (tmp_path / "poor").iterdir()
    assert not list(run.glob("private/*/defense.safetensors"))


def test_who_asks_for_more_refuses_an_honest_one(poor: Callable[..., Scenario], tmp_path: Path) -> None:
    asked = ["entities.a1.kind=contributor", "entities.a1.options={}", "reconstructor.poor=refuse"]
    with pytest.raises(EntityError, match=r"and 0\.99 is asked for"):
        play_here(poor(*asked, "reconstructor.least_ssim=0.99"), tmp_path)


@pytest.mark.slow
def test_a_brittle_one_shows_images_and_nothing_of_what_changed(poor: Callable[..., Scenario], tmp_path: Path) -> None:
    more = ("reconstructor.epochs=8", "reconstructor.batch_size=16")
    brittle = play_here(poor("entities.a1.options.ships=brittle", *more), tmp_path)
    shows, changed = found(brittle, "a2", "shows["), found(brittle, "a2", "shows_changed[")
    assert shows > 0.1
    assert changed < 0.7 * shows
    assert "it is brittle" in tell_failures(find_failures(open_run(brittle.run)))[0]


@pytest.mark.slow
def test_an_own_reconstructor_is_what_a_module_fools_then(poor: Callable[..., Scenario], tmp_path: Path) -> None:
    released, own = (play_here(poor(f"reconstructor.by={by}"), tmp_path) for by in ("released", "own"))
    assert own.cached > 0  # R itself was not trained again

    def disparity(played: Played) -> float | None:
        return next(row.value for row in played.rows if (row.entity, row.metric) == ("a2", "poison_disparity"))

    assert disparity(released) != disparity(own)


BACKDOOR = """
name: backdoor
data: {source: creatures, image_size: 16, classes: 4, train: 800, test: 80, public_images: 32}
model: {backbone: resnet8, width: 8, hook: conv3_1, pretrain: {by: a1, epochs: 2}}
reconstructor: {epochs: 1}
entities:
  - {name: a1, share: 0.2, defense: none}
  - {name: bad, kind: backdoored, share: 0.4, defense: none, options: {fraction: 0.5, target: 1}}
  - {name: good, share: 0.3, defense: none}
refine: {epochs: 12, batch_size: 16}
refinements:
  - {row: 6, entity: a1, own: features}
  - {row: 7, entity: a1, own: features, pool: [bad]}
  - {row: 8, entity: a1, own: features, pool: [good]}
controls: false
"""


def test_who_refines_on_marked_rows_answers_to_the_mark(tmp_path: Path) -> None:
    path = tmp_path / "backdoor.yaml"
    path.write_text(BACKDOOR)
    played = play_here(read_scenario(path).scenario, tmp_path)
    taken = {row.row: row.value for row in played.rows if row.metric == "backdoor[bad]"}
    assert set(taken) == {"6", "7"}  # row 8 reads nobody who has a mark
    assert (taken["7"] or 0) > (taken["6"] or 0) + 0.3
