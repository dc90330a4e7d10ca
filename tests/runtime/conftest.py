from collections.abc import Callable
from pathlib import Path

import pytest

from collab.results.table import Row
from collab.runtime.play import Played, Where, play
from collab.scenario.model import Scenario
from collab.scenario.reader import read_scenario

SCENARIOS = Path(__file__).parents[2] / "scenarios"
SMALL = [
    "data.classes=4", "data.train=160", "data.test=40", "data.public_images=32", "model.width=4",
    "model.pretrain.epochs=1",
    "reconstructor.epochs=1", "entities.*.defense.epochs=1", "entities.*.defense.blocks=1", "refine.epochs=1",
    "entities.a4.share=0.05",
]  # fmt: skip


@pytest.fixture(scope="session")
def small() -> Callable[..., Scenario]:
    """`tiny.yaml` with fewer and smaller everything: a second or two."""

    def read(*overrides: str, seed: int | None = None) -> Scenario:
        return read_scenario(SCENARIOS / "tiny.yaml", [*SMALL, *overrides], seed).scenario

    return read


@pytest.fixture(scope="session")
def played(small: Callable[..., Scenario], tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play(small(), Where("inprocess", out=tmp_path_factory.mktemp("runs")), lambda event: None)


def bits(rows: tuple[Row, ...]) -> list[tuple[object, ...]]:
    """Everything in rows that the same seed must repeat."""
    return [(row.row, row.entity, row.metric, row.value, row.low, row.high, row.n, row.seed) for row in rows]


def shards(run: Path) -> list[str]:
    found = sorted(str(path.relative_to(run)) for path in (run / "store").glob("entity=*/*.arrow"))
    assert found
    return found
