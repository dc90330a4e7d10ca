"""What the decode stage leaves: the images of the source, each decoded once, also for the oracle."""

import errno
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from collab.data.creatures import Creatures
from collab.data.source import Split
from collab.errors import StoreError
from collab.participants.assignment import assign
from collab.participants.sources import Sources, open_scenario_source
from collab.scenario.model import Scenario
from collab.store import image_files
from tests.playing import play_here


@pytest.mark.parametrize("share", ["1.0", "null"])
def test_the_oracle_has_the_images_of_the_source_and_draws_none_that_an_entity_has_drawn(
    small: Callable[..., Scenario], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: str
) -> None:
    """With a row over all images it holds more than entities do together; two of them share some."""
    row = "own: images, share: 1.0" if share != "null" else "entity: a1, own: features, unpoisoned: [a2]"
    sets = [f"refinements=[{{row: 1, {row}}}]", "expect=null", "entities.a2.overlap={with: a1, fraction: 0.25}"]
    scenario, drawn = small(*sets), Counter[int]()
    draw = Creatures.images

    def count(self: Creatures, split: Split, rows: np.ndarray) -> Iterator[np.ndarray]:
        drawn.update(rows.tolist() if split == "train" else ())
        return draw(self, split, rows)

    monkeypatch.setattr(Creatures, "images", count)
    run = play_here(scenario, tmp_path).run
    monkeypatch.undo()
    source = open_scenario_source(scenario)
    assignment = assign(scenario, Sources.open(scenario, source))
    holding = assignment.oracle(scenario)
    assert (len(holding) > sum(map(len, assignment.entities.values()))) == (share != "null")
    images = np.load(run / "private/oracle/images.npy")
    assert np.array_equal(images, np.concatenate(list(source.images("train", holding.rows))))
    held = Counter(row for entity in assignment.entities.values() for row in entity.rows.tolist())
    assert max(held.values()) == 2
    assert drawn == held + Counter(set(holding.rows.tolist()) - set(held)) + Counter(assignment.public.rows.tolist())


def test_a_disk_that_is_too_small_is_told_before_an_image_is_decoded(
    small: Callable[..., Scenario], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # there was room when the run began, and others have taken it since
    monkeypatch.setattr("collab.runtime.play.see_to_room", lambda runs, where: "")
    monkeypatch.setattr(image_files.shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10**9, 10**9, 1000))

    def images(self: Creatures, split: Split, rows: np.ndarray) -> Iterator[np.ndarray]:
        yield pytest.fail("it was decoded")

    monkeypatch.setattr(Creatures, "images", images)
    with pytest.raises(
        StoreError, match=r"in stage 'decode' .*: 20 images need 0\.1 MB, and .*heldout has 0\.0\. Make"
    ):
        play_here(small("data.image_size=32"), tmp_path)


def test_a_disk_that_fills_while_images_are_decoded_keeps_no_half_of_them(
    small: Callable[..., Scenario], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def images(self: Creatures, split: Split, rows: np.ndarray) -> Iterator[np.ndarray]:
        yield np.zeros((8, 3, 16, 16), np.uint8)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Creatures, "images", images)
    with pytest.raises(
        StoreError, match=r"in stage 'decode' .*: a disk is full: .*No space left on device\. Make room"
    ):
        play_here(small(), tmp_path)
    assert list(tmp_path.rglob("results.parquet"))
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".tmp") or path.name == "images.npy"]
