"""A share of the training images of a source without a test split is held out: stratified, stated, and nobody's."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from collab.errors import DataError
from collab.participants.assignment import Assignment, assign
from collab.participants.sources import Sources
from collab.scenario.reader import read_scenario
from tests.places import TINY


@pytest.fixture
def root(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in ("cat", "dog", "fox", "owl"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(20):
            pixels = rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / name / f"{number:02}.png")
    return tmp_path / "images"


def assigned(root: Path, *overrides: str, **data: Any) -> Assignment:
    stated = {"source": "imagefolder", "root": str(root), "image_size": 16, "private_classes": "[cat, dog, fox]"} | data
    data_line = "data={" + ", ".join(f"{key}: {value}" for key, value in stated.items()) + "}"
    scenario = read_scenario(TINY, [data_line, "entities.a4.share=0.1", *overrides]).scenario
    return assign(scenario, Sources.open(scenario))


def test_a_share_of_each_private_class_is_held_out_and_nobodys(root: Path) -> None:
    given = assigned(root, hold_out=0.2)
    assert given.heldout.split == "train"
    assert np.bincount(given.heldout.labels).tolist() == [4, 4, 4]
    assert len(given.everything) == 48
    assert len(given.public) == 20  # of public classes nothing is scored
    held = set(given.heldout.rows.tolist())
    assert not held & {row for holding in given.entities.values() for row in holding.rows.tolist()}
    assert held == set(assigned(root, hold_out=0.2).heldout.rows.tolist())
    assert held != set(assigned(root, "data.seed=5", hold_out=0.2).heldout.rows.tolist())


def test_an_entity_that_lists_its_images_keeps_those_that_are_not_held_out(root: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("cat/0*\ndog/0*\n")
    given = assigned(root, "entities.a1={name: a1, rows: " + str(tmp_path / "a.txt") + ", defense: dpm}", hold_out=0.2)
    listed = {*range(10), *range(20, 30)}  # rows of cat, then those of dog
    assert set(given.entities["a1"].rows.tolist()) == listed - set(given.heldout.rows.tolist()) != listed


def test_a_split_is_there_or_stated_and_not_both(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no test split, so nothing could be scored\. State `data\.hold_out: 0\.2`"):
        assigned(root)
    for split in ("train", "val"):
        (tmp_path / "set").mkdir(exist_ok=True)
        (tmp_path / "set" / split).symlink_to(root)
    with pytest.raises(DataError, match=r"the source has 80 test images of its own\. Leave `hold_out` out"):
        assigned(tmp_path / "set", hold_out=0.2)
