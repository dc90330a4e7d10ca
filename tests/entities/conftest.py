"""A scenario with an entity of every built-in kind, in seconds."""

from collections.abc import Callable

import pytest

from collab.runtime.play import Played, Where, play
from collab.scenario.model import Scenario
from collab.scenario.reader import read_scenario

KINDS = """
name: kinds
data: {source: creatures, image_size: 16, classes: 4, train: 400, test: 80, public_images: 64}
model: {backbone: resnet8, width: 4, hook: conv3_1, pretrain: {by: a1, epochs: 1}}
reconstructor: {epochs: 1}
entities:
  - {name: a1, share: 0.1, defense: {kind: dpm, epochs: 1}}
  - {name: rider, kind: free_rider, share: 0.1, defense: none}
  - {name: late, kind: late_joiner, share: 0.1, defense: none}
  - {name: gone, kind: leaver, options: {after: 7}, share: 0.1, defense: none}
  - {name: liar, kind: mislabeler, options: {fraction: 1.0}, share: 0.1, defense: none}
  - {name: noise, kind: noisy, share: 0.1, defense: none}
  - {name: picky, kind: selective, options: {entities: [a1, liar], best: 1}, share: 0.1, defense: none}
  - name: spy
    kind: curious
    options: {victims: [late], attacks: [straw_man, {kind: own_module, epochs: 1}]}
    share: 0.1
    defense: {kind: dpm, epochs: 1}
refine: {epochs: 1}
controls: false
refinements:
  - {row: 7, entity: a1, own: features, pool: [gone, liar]}
  - {row: 8, entity: a1, own: features, pool: [gone, late]}
  - {row: 9, entity: rider, own: features, pool: [a1]}
  - {row: 10, entity: picky, own: features, pool: [a1, liar, late]}
  - {row: 11, entity: gone, own: features, pool: [a1]}
"""


@pytest.fixture(scope="session")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Scenario]:
    """The scenario, changed by overrides."""
    path = tmp_path_factory.mktemp("scenario") / "kinds.yaml"
    path.write_text(KINDS)
    return lambda *overrides: read_scenario(path, overrides).scenario


@pytest.fixture(scope="session")
def play_kinds(
    kinds: Callable[..., Scenario], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., tuple[Played, list[str]]]:
    """Plays it in this process, and says in which order tasks were done; what was played alike is not played again."""
    out = tmp_path_factory.mktemp("runs")

    def played(*overrides: str) -> tuple[Played, list[str]]:
        order: list[str] = []

        def watch(event: dict[str, str | int | float]) -> None:
            if event["event"] in ("done", "cached"):
                order.append(str(event["job"]))

        return play(kinds(*overrides), Where("inprocess", device="cpu", out=out), watch), order

    return played


@pytest.fixture(scope="session")
def once(play_kinds: Callable[..., tuple[Played, list[str]]]) -> tuple[Played, list[str]]:
    """The scenario as it stands, played."""
    return play_kinds()
