"""What a run keeps for the eyes: pictures of held-out images, and the curve of every training."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from collab.participants.scoring import PICTURES, worst_and_median
from collab.runtime.play import Played, Where, play
from collab.scenario.model import Scenario
from collab.store.pictures import Pictures, read_pictures


def picture_files(run: Path) -> dict[str, bytes]:
    found = {path.parent.name: path.read_bytes() for path in (run / "pictures").glob(f"*/{Pictures.file}")}
    assert set(found) == {"a1", "a2", "a3", "a4"}
    return found


@pytest.mark.parametrize("count", [1, PICTURES, PICTURES + 3, 2 * PICTURES, 101])
def test_the_worst_come_first_and_nothing_comes_twice(count: int) -> None:
    likeness = np.random.default_rng(0).permutation(count).astype(float)
    worst, median = worst_and_median(likeness)
    assert likeness[worst].tolist() == sorted(likeness, reverse=True)[:PICTURES]
    assert len(median) == min(PICTURES, count - len(worst))
    assert not set(worst) & set(median)
    if count > 4 * PICTURES:
        assert abs(np.median(likeness[median]) - np.median(likeness)) <= 1


def test_pictures_are_held_out_images_with_the_scores_of_table_2(played: Played) -> None:
    heldout = np.load(played.run / "heldout" / "images.npy")
    found = read_pictures(played.run / "pictures" / "a2", Pictures)
    assert found is not None
    np.testing.assert_array_equal(found.original, heldout[found.rows])
    np.testing.assert_array_equal(found.labels, np.load(played.run / "heldout" / "labels.npy")[found.rows])
    assert found.heldout == len(heldout) == 20
    worst = found.ssim_poisoned[found.is_worst]
    assert worst.tolist() == sorted(worst, reverse=True)
    assert worst.min() >= found.ssim_poisoned[~found.is_worst].max()
    mean = next(
        row.value for row in played.rows if (row.entity, row.metric) == ("a2", f"{found.metric}_poisoned")
    )  # fmt: skip
    assert found.ssim_poisoned.min() <= mean <= found.ssim_poisoned.max()
    assert not np.array_equal(found.from_original, found.original)


def test_a_stage_from_the_cache_brings_its_pictures_and_its_curve(
    small: Callable[..., Scenario], tmp_path: Path
) -> None:
    where = Where("inprocess", out=tmp_path)
    first, second = (play(small("refine.epochs=2"), where, lambda event: None).run for _ in range(2))
    assert picture_files(first) == picture_files(second)
    before, after = (json.loads((run / "record.json").read_text())["jobs"] for run in (first, second))
    assert not any(job["cached"] for job in before.values())
    assert all(job["cached"] for job in after.values())
    assert {name: job["losses"] for name, job in before.items()} == {name: job["losses"] for name, job in after.items()}
    assert len(before["refine a4 row 12"]["losses"][0]) == 2
    assert before["decode a1"]["losses"] == []
