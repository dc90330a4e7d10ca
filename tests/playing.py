"""What tests play: the smallest scenario, a run of any in this process, and what the same seed must repeat."""

import multiprocessing
import shutil
from pathlib import Path
from typing import Any

from collab.results.table import Result
from collab.runtime.play import Played, Where, play
from collab.scenario.model import Scenario

SMALL = [
    "data.classes=4", "data.train=160", "data.test=40", "data.public_images=32", "model.width=4",
    "model.pretrain.epochs=1",
    "reconstructor.epochs=1", "entities.*.defense.epochs=1", "entities.*.defense.blocks=1", "refine.epochs=1",
    "entities.a4.share=0.05",
]  # fmt: skip
"""Overrides of `tiny.yaml`: fewer and smaller everything, a second or two."""

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.playing"])
"""Starts processes of their own that need not import torch and what plays scenarios: it was imported once for all."""


def play_here(scenario: Scenario, out: Path, **where: Any) -> Played:
    """Plays a scenario in this process, on its CPU, and tells nobody how far it is."""
    return play(scenario, Where("inprocess", device="cpu", out=out, **where), lambda event: None)


def lend(played: Played, out: Path) -> None:
    """Gives runs in the folder `out` what another run has played, as if it had been played there."""
    shutil.copytree(played.run.parents[1] / "cache", out / "cache")


def bits(rows: tuple[Result, ...]) -> list[tuple[object, ...]]:
    """Everything in rows that the same seed must repeat."""
    return [(row.row, row.entity, row.metric, row.value, row.low, row.high, row.n, row.seed) for row in rows]


def shards(run: Path) -> list[str]:
    """Names of the shards that a run published: at least one."""
    found = sorted(str(path.relative_to(run)) for path in (run / "store").glob("entity=*/*.arrow"))
    assert found
    return found
