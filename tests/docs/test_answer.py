"""The picture of README.md is drawn from a run of the demo, and shows every adversary that it names."""

import importlib.util
from pathlib import Path
from types import ModuleType

import matplotlib as mpl
import pytest

import collab
from collab.front.playing import DEMO
from tests.places import ROOT

SMALLER = [
    "data.classes=4", "data.train=480", "data.test=120", "data.public_images=80", "model.width=4", "refine.epochs=1",
    "model.pretrain.epochs=3", "reconstructor.epochs=2", "refinements.1.epochs=1",
    *(f"entities.{name}.defense.epochs=1" for name in ("north", "south", "small")),
]  # fmt: skip


@pytest.fixture
def answer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("answer", ROOT / "docs/pictures/answer.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow  # `scripts/docs` plays it
def test_the_picture_shows_who_gains_and_what_every_adversary_sees(answer: ModuleType, tmp_path: Path) -> None:
    run = collab.run(DEMO, set=SMALLER, out=tmp_path, backend="inprocess", device="cpu", progress=False)
    attacks = set(run.results.attack.dropna())
    assert all(any(attack.startswith(name) for attack in attacks) for name in answer.ADVERSARIES)
    with mpl.rc_context():
        for name in ("one.svg", "two.svg"):
            answer.draw(run, tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
