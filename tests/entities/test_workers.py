"""Entities of every kind give the same bits in one process, in a few, and in one each."""

from pathlib import Path

import pytest

from collab.runtime.play import Played, Where, play
from collab.scenario.reader import read_scenario
from tests.places import SCENARIOS

SHRUNK = [
    "data.image_size=16", "data.train=2400", "data.test=40", "data.public_images=64", "model.width=4",
    "model.pretrain.epochs=1", "reconstructor.epochs=1", "refine.epochs=1",
    *(f"entities.{name}.defense.epochs=1" for name in ("c1", "liar1", "spy1", "dusk1")),
]  # fmt: skip


def played(out: Path, backend: str, *overrides: str) -> Played:
    loaded = read_scenario(SCENARIOS / "many_entities.yaml", [*SHRUNK, *overrides])
    where = Where(backend, device="cpu", out=out, plugins=loaded.plugins)  # type: ignore[arg-type]
    return play(loaded.scenario, where, lambda event: None)


def bits(found: Played) -> list[tuple[object, ...]]:
    rows = [(row.row, row.entity, row.attack, row.metric, row.value, row.low, row.high, row.n) for row in found.rows]
    return [*rows, *sorted(path.name for path in found.run.glob("store/entity=*/*.arrow"))]


@pytest.mark.ray
@pytest.mark.parametrize(
    "workers", [pytest.param(2), pytest.param(9999, marks=pytest.mark.slow, id="one each")], ids=str
)
def test_light_entities_share_workers_and_nothing_changes(workers: int, tmp_path: Path) -> None:
    alone = played(tmp_path / "alone", "inprocess")
    few = played(tmp_path / "few", "ray", "resources.workers=" + ("2" if workers == 2 else "null"))
    assert len(bits(alone)) > 500
    assert bits(few) == bits(alone)
