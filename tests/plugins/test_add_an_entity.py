"""docs/add_an_entity.md, command by command; and a plugin in a package of its own, installed with pip."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.pages import environment, play_page
from tests.places import ROOT

PAGE = (ROOT / "docs" / "add_an_entity.md").read_text(encoding="utf-8")

PACKAGE = {
    "pyproject.toml": """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "quiet-parties"
version = "1.0"
[project.entry-points."collab.entities"]
quiet = "quiet_parties.quiet:Quiet"
[tool.setuptools]
packages = ["quiet_parties"]
""",
    "quiet_parties/__init__.py": "",
    "quiet_parties/quiet.py": '''
from typing import ClassVar
from pydantic import Field
from collab.participants.entity import Entity
from collab.scenario.base import EntityOptions

class Quiet(Entity):
    """Publishes features turned down."""

    class Options(EntityOptions):
        """How far."""

        volume: float = Field(0.5, gt=0, le=1, description="What is left of each feature.")

    kind: ClassVar[str] = "quiet"

    def published(self, features, labels, generator):
        return features * self.options.volume, labels
''',
}
SHRUNK = [
    "entities.a2.kind=quiet", "entities.a2.options.volume=0.25", "data.train=400", "data.test=40", "data.classes=8",
    "data.public_images=32", "model.width=4", "model.pretrain.epochs=1", "reconstructor.epochs=1", "refine.epochs=1",
    "entities.*.defense.epochs=1", "entities.*.defense.blocks=1", "entities.a4.share=0.05", "controls=false",
    "refinements.5.epochs=2", "resources.workers=2",
]  # fmt: skip


def test_the_page_works_as_it_is_written(tmp_path: Path) -> None:
    assert len(play_page(PAGE, tmp_path)) == 5
    assert list(tmp_path.glob("runs/shifts/*/report.html"))


@pytest.mark.ray
def test_a_plugin_of_an_installed_package_plays_in_the_default_scenario_on_both_backends(tmp_path: Path) -> None:
    for name, text in PACKAGE.items():
        file = tmp_path / "package" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--no-build-isolation", "--target"]
    subprocess.run([*pip, str(site), str(tmp_path / "package")], check=True, capture_output=True)
    sets = [part for override in SHRUNK for part in ("--set", override)]
    found = []
    for backend in ("inprocess", "ray"):
        out = tmp_path / backend
        command = [sys.executable, "-c", "from collab.cli import main; main()", "run"]
        done = subprocess.run(
            [*command, str(ROOT / "scenarios/four_entities.yaml"), *sets, "--backend", backend, "--out", str(out)],
            cwd=tmp_path,
            env=environment(site),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "entity quiet: quiet_parties.quiet:Quiet of the package quiet-parties" in done.stderr
        (results,) = out.glob("four_entities/*/results.parquet")
        found.append(pd.read_parquet(results).drop(columns=["seconds", "device"]))
    pd.testing.assert_frame_equal(*found)
