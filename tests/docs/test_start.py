"""docs/start, page by page in one folder, as somebody would; smaller trainings, in one process, on drawn images."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from collab.data.creatures import Creatures
from tests.pages import environment, play_page, unseen
from tests.places import ROOT

pytestmark = pytest.mark.slow  # `scripts/docs` plays it

PAGES = ["start/install", "start/images", "start/change", "start/figure", "add_an_attack"]
SMALLER = (
    "--backend inprocess --device cpu --set model.width=4 --set model.pretrain.epochs=1 --set reconstructor.epochs=1 "
    "--set refine.epochs=1 --set data.image_size=16"
)
LEAST_DPM = "--set entities.*.defense.epochs=1 --set entities.*.defense.blocks=1"


def save_photos(root: Path) -> None:
    """Sixty images in folders of six classes."""
    drawn = Creatures(image_size=32, seed=7, classes=6, train=60, test=6)
    numbers = np.arange(60)
    labels = drawn.labels("train")
    pictures = (picture for block in drawn.images("train", numbers) for picture in block)
    for number, picture in zip(numbers, pictures, strict=True):
        folder = root / drawn.classes[labels[number]]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture.transpose(1, 2, 0)).save(folder / f"{number}.png")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where somebody keeps photos, and whose `collab` plays small."""
    save_photos(tmp_path / "photos")
    command = tmp_path / "bin/collab"
    command.parent.mkdir()
    command.write_text(
        f'#!/bin/bash\nsmaller=""\n[ "$1" != run ] || smaller="{SMALLER}"\n'
        f'[[ "$*" != "run mine.yaml" ]] || smaller="$smaller {LEAST_DPM}"\n'
        f'set -f\nexec {sys.executable} -m collab "$@" $smaller\n'
    )
    command.chmod(0o755)
    return tmp_path


def test_the_pages_work_one_after_the_other_and_show_what_one_sees(folder: Path) -> None:
    env = environment()
    env["PATH"] = f"{folder / 'bin'}:{env['PATH']}"
    env["MPLBACKEND"] = "agg"
    for page in PAGES:
        play_page((ROOT / f"docs/{page}.md").read_text(encoding="utf-8"), folder, env)
    assert (folder / "first.svg").read_text(encoding="utf-8").startswith("<?xml")


def test_what_is_not_seen_is_told() -> None:
    seen = "row  a 12.5 ±3\n ────\n b and more\n"
    assert unseen("row a 7 ±9\n b ... more", seen) == []
    assert unseen("row c\nb", seen) == ["row c"]
    assert unseen("b\nrow a", seen) == ["row a"]
