"""Processes that are killed in the stages that only some scenarios play. Slow: a process is started again for each."""

from dataclasses import replace
from pathlib import Path

import pytest

from collab.runtime.play import Where, play
from collab.scenario.reader import read_scenario
from tests.runtime.test_dying import Killer

pytestmark = [pytest.mark.ray, pytest.mark.slow]
EVERYTHING = """
name: everything
data: {source: creatures, image_size: 16, task: attributes, classes: 4, train: 400, test: 80, public_images: 64}
model: {backbone: resnet8, width: 4, hook: conv3_1, pretrain: {by: a1, epochs: 1}}
reconstructor: {epochs: 1}
resources: {restarts: 12}
entities:
  - {name: a1, share: 0.3, defense: {kind: dpm, epochs: 1, blocks: 1}}
  - {name: gone, kind: leaver, share: 0.2, defense: none, options: {after: 1}}
  - name: spy
    kind: curious
    share: 0.2
    defense: none
    options: {victims: [a1], attacks: [{kind: through_decider, epochs: 1}, {kind: leaked_pairs, pairs: 8, epochs: 1}]}
disclosure: {recognizer: {epochs: 1}}
inference: {epochs: 1}
exposure: {embedding: {epochs: 1}, decoders: [{epochs: 1}], attributes: [smile]}
refine: {epochs: 1}
refinements:
  - {row: 1, entity: spy, own: features, pool: [a1, gone]}
  - {row: 2, entity: a1, own: features, pool: [spy]}
federated: [{row: both, entities: [a1, spy], rounds: 1}]
controls: false
"""
STAGES = (
    "find", "recognize", "disclose", "embed", "expose", "infer", "federate", "aggregate", "average", "rehearse",
    "hand", "attack", "judge", "withdraw",
)  # fmt: skip


def test_a_process_killed_in_each_other_stage_is_started_again_and_nothing_changes(tmp_path: Path) -> None:
    (tmp_path / "everything.yaml").write_text(EVERYTHING)
    scenario = read_scenario(tmp_path / "everything.yaml").scenario
    calm = play(scenario, Where("inprocess", device="cpu", out=tmp_path / "calm"), lambda event: None)
    killer = Killer(*STAGES)
    found = play(scenario, Where(device="cpu", out=tmp_path / "killed"), killer)
    assert killer.left == set()
    assert killer.restarts
    assert [replace(row, seconds=0) for row in found.rows] == [replace(row, seconds=0) for row in calm.rows]
