"""What is held out of one party's images: a share of each class, never the last image, never a part of a group."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from collab.data.creatures import Creatures
from collab.data.folders import ImageFolders
from collab.data.hold_out import find_groups, hold_out
from collab.data.parquet import ParquetFiles
from collab.errors import DataError
from tests.data.test_parquet import image


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_of_each_class_a_share_is_held_out_and_never_all() -> None:
    labels = np.repeat([0, 1, 2, 3], [100, 10, 2, 1])
    rows = hold_out(labels, 0.2, rng())
    assert np.bincount(labels[rows], minlength=4).tolist() == [20, 2, 1, 0]
    assert rows.tolist() == sorted(set(rows.tolist())) == hold_out(labels, 0.2, rng()).tolist()
    assert rows.tolist() != hold_out(labels, 0.2, rng(1)).tolist()


@pytest.mark.parametrize("seed", range(4))
def test_groups_are_held_out_whole_and_no_class_is_left_without_training_images(seed: int) -> None:
    draw = rng(seed)
    groups = draw.integers(0, 60, 400)
    labels = (groups % 3 + draw.integers(0, 2, 400)) % 3  # a group has images of two classes
    rows = hold_out(labels, 0.2, rng(seed), groups)
    assert not set(groups[rows]) & set(np.delete(groups, rows))
    of_all, held = np.bincount(labels), np.bincount(labels[rows], minlength=3)
    largest = max(np.bincount(labels[groups == group]).max() for group in np.unique(groups))
    assert (held > 0).all()
    assert (abs(held - 0.2 * of_all) <= 2 * largest).all()


def test_a_class_of_one_group_stays_in_training_and_groups_of_one_image_meet_the_share() -> None:
    labels, groups = np.repeat([0, 1], [10, 6]), np.array([*range(10), *[99] * 6])
    rows = hold_out(labels, 0.3, rng(), groups)
    assert np.bincount(labels[rows], minlength=2).tolist() == [3, 0]


def test_a_class_of_two_groups_gives_one_even_where_that_is_more_than_its_share() -> None:
    labels, groups = np.zeros(20, np.int64), np.repeat([0, 1], 10)
    assert len(hold_out(labels, 0.1, rng(), groups)) == 10


def test_groups_are_columns_identities_or_what_is_in_file_names(tmp_path: Path) -> None:
    table = pa.table({"image": [image()] * 4, "label": [0, 1, 0, 1], "patient": ["x", "y", "x", "z"]})
    parquet.write_table(table, tmp_path / "train.parquet")

    def opened() -> ParquetFiles:
        return ParquetFiles(
            image_size=16, seed=0, root=tmp_path, train="train.parquet", test=None, image="image", label="label"
        )

    assert find_groups(opened(), "patient", np.array([3, 0, 2])).tolist() == [1, 0, 0]
    with pytest.raises(DataError, match="`group: patent` is no column; there are label, patient; did you mean"):
        find_groups(opened(), "patent", np.arange(4))
    unknown = table.set_column(2, "patient", pa.array(["x", None, "x", None]))
    parquet.write_table(unknown, tmp_path / "train.parquet")
    with pytest.raises(DataError, match="'patient' has no value in row 1 and in 1 others"):
        find_groups(opened(), "patient", np.arange(4))
    assert find_groups(opened(), "patient", np.array([0, 2])).tolist() == [0, 0]

    creatures = Creatures(image_size=16, seed=0, classes=4, train=8, test=4)
    assert (
        find_groups(creatures, "identity", np.arange(8)).tolist()
        == creatures.identities("train", np.arange(8)).tolist()
    )
    with pytest.raises(DataError, match="needs a source with columns, with file names, or one that knows"):
        find_groups(creatures, "patient", np.arange(8))

    for name in ("p1_0", "p1_1", "p2_0"):
        (tmp_path / "images/cat").mkdir(parents=True, exist_ok=True)
        Image.new("L", (16, 16)).save(tmp_path / f"images/cat/{name}.png")
    folder = ImageFolders(image_size=16, seed=0, root=tmp_path / "images")
    assert find_groups(folder, r"p(\d)_", np.arange(3)).tolist() == [0, 0, 1]
    assert find_groups(folder, r"p\d_", np.arange(3)).tolist() == [0, 0, 1]
    with pytest.raises(DataError, match=r"matches nothing in 'cat/p1_0\.png'"):
        find_groups(folder, r"q(\d)", np.arange(3))
    with pytest.raises(DataError, match="is no regular expression"):
        find_groups(folder, r"p(", np.arange(3))
