import subprocess
import sys

import numpy as np
import pytest

from collab.data.creatures import Creatures


@pytest.fixture(scope="module")
def source() -> Creatures:
    return Creatures(image_size=32, seed=0, classes=6, train=600, test=60)


def drawn(source: Creatures, rows: list[int], split: str = "train") -> np.ndarray:
    return np.concatenate(list(source.images(split, np.array(rows))))


def test_a_picture_depends_on_its_row_and_not_on_block_or_order(source: Creatures) -> None:
    together = drawn(source, list(range(300)))
    assert together.shape == (300, 3, 32, 32)
    assert together.dtype == np.uint8
    assert np.array_equal(drawn(source, [299, 5, 17]), together[[299, 5, 17]])


def test_seeds_and_splits_differ_and_repeat(source: Creatures) -> None:
    again = Creatures(image_size=32, seed=0, classes=6, train=600, test=60)
    other = Creatures(image_size=32, seed=1, classes=6, train=600, test=60)
    assert np.array_equal(drawn(source, [3]), drawn(again, [3]))
    assert again.digest() == source.digest() != other.digest()
    assert not np.array_equal(drawn(source, [3]), drawn(other, [3]))
    assert not np.array_equal(drawn(source, [3]), drawn(source, [3], "test"))


def test_the_same_row_shows_the_same_picture_at_another_size(source: Creatures) -> None:
    rows = list(range(40))
    large = drawn(Creatures(image_size=64, seed=0, classes=6, train=600, test=60), rows).astype(float)
    halved = large.reshape(40, 3, 32, 2, 32, 2).mean((3, 5))
    small = drawn(source, rows).astype(float)
    alike = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(halved, small, strict=True)]
    unlike = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(halved, np.roll(small, 1, 0), strict=True)]
    assert min(alike) > 0.95 > max(unlike)


def test_classes_are_balanced_and_labels_need_no_drawing(source: Creatures) -> None:
    labels = source.labels("train")
    assert np.bincount(labels, minlength=6).tolist() == [100] * 6
    assert len(source.labels("test")) == 60


def test_individuals_have_one_species_each_and_attributes_and_poses_vary(source: Creatures) -> None:
    rows = np.arange(600)
    species: dict[int, set[int]] = {}
    for individual, label in zip(source.identities("train", rows), source.labels("train"), strict=True):
        species.setdefault(int(individual), set()).add(int(label))
    assert all(len(found) == 1 for found in species.values())
    assert len(species) == 600 // 8 + 3  # up to 8 images each; the last run of a species may be shorter
    attributes = source.attributes("train", rows)
    assert attributes.shape == (600, 40)
    assert len(source.attribute_names) == len(set(source.attribute_names)) == 40
    assert (attributes.any(0) & ~attributes.all(0)).sum() >= 38
    pose = source.pose("train", rows)
    assert pose.shape == (600, 3)
    assert (pose.std(0) > 5).all()
    assert (abs(pose) < 60).all()


def test_memory_of_one_picture_serves_for_the_next() -> None:
    """Pages that a fresh process asks for while it draws a second block: it was 20,000, to be given back at once."""
    script = """
import resource
import numpy as np
from collab.data.creatures import Creatures
blocks = Creatures(image_size=32, seed=0, classes=6, train=1024).images("train", np.arange(512))
next(blocks)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
next(blocks)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    asked = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert int(asked) < 2000


def test_as_many_images_as_are_asked_for_show_one_individual_and_the_default_draws_what_it_always_drew() -> None:
    plain, few = (
        Creatures(image_size=16, seed=3, classes=4, train=192, test=8, **more) for more in ({}, {"images_of_each": 24})
    )
    assert plain.digest() == Creatures(image_size=16, seed=3, classes=4, train=192, test=8, images_of_each=8).digest()
    assert plain.digest() != few.digest()
    rows = np.arange(192)
    for source, individuals in ((plain, 24), (few, 8)):
        _, counts = np.unique(source.identities("train", rows), return_counts=True)
        assert counts.tolist() == [192 // individuals] * individuals
    assert np.array_equal(plain.labels("train"), few.labels("train"))
    assert np.array_equal(plain.pose("train", rows), few.pose("train", rows))  # an image keeps its pose
