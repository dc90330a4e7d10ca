"""What each part of a run imports: torch takes 2 s of a core in each process, and waits until something is computed."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from collab.runtime.play import Played
from collab.runtime.ray_backend import WHAT_FOLLOWS

pytestmark = pytest.mark.long

SLOW = {"torch", "torchvision", "ray", "scipy", "matplotlib", "sklearn", "pandas"}
TINY = Path(__file__).parents[2] / "scenarios" / "tiny.yaml"


def imported(*arguments: str) -> set[str]:
    """Which of `SLOW` the command line has imported when it ends."""
    code = f"import sys; from collab.cli import main; main(); print(*({SLOW} & {{*sys.modules}}), file=sys.stderr)"
    ended = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    return {*ended.stderr.splitlines()[-1].split()}


def test_what_plans_hands_out_and_looks_for_leaks_imports_nothing_slow() -> None:
    code = f"import sys, collab.runtime.play, collab.runtime.pages; print({SLOW} & {{*sys.modules}})"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert answer.strip() == "set()"


def test_images_are_decoded_and_compared_without_torch(tmp_path: Path) -> None:
    run = ("run", str(TINY), "--out", str(tmp_path), "--backend", "inprocess")
    assert not imported(*run, "--only", "find copies") & {"torch", "ray"}
    assert "torch" in imported(*run, "--only", "pretrain a1")


def test_a_run_from_the_cache_needs_neither_torch_nor_ray(played: Played, tmp_path: Path) -> None:
    shutil.copytree(played.run.parents[1] / "cache", tmp_path / "cache")
    slow = imported("run", str(played.run / "scenario.yaml"), "--out", str(tmp_path))
    assert slow == {name.partition(".")[0] for name in WHAT_FOLLOWS}  # a driver of Ray's does so while hosts play
