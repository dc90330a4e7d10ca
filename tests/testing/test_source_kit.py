"""The kit passes a right source, and rejects one that breaks each of its rules, with what failed and what to do."""

import hashlib
import re
from collections.abc import Iterator

import numpy as np
import pytest

from collab.data.creatures import Creatures
from collab.data.source import Source, Split
from collab.errors import DataError
from collab.testing.sources import check_reading


class Right(Source):
    """Noise of a gray for each class."""

    def __init__(self, side: int) -> None:
        self.side, self.classes = side, ("a", "b", "c")

    def labels(self, split: Split) -> np.ndarray:
        return np.arange(30 if split == "train" else 6) % 3

    def images(self, split: Split, rows: np.ndarray) -> Iterator[np.ndarray]:
        for row in rows.tolist():
            yield self.image(split, row)[None]

    def image(self, split: Split, row: int) -> np.ndarray:
        rng = np.random.default_rng([row, split == "test"])
        return rng.integers(0, 255, (3, self.side, self.side), dtype=np.uint8)

    def digest(self) -> str:
        return hashlib.sha256(b"right").hexdigest()


class Floats(Right):
    def image(self, split: Split, row: int) -> np.ndarray:
        return super().image(split, row) / 255


class Sorted(Right):
    def images(self, split: Split, rows: np.ndarray) -> Iterator[np.ndarray]:
        return super().images(split, np.sort(rows))


class Same(Right):
    def image(self, split: Split, row: int) -> np.ndarray:
        return super().image("train", row)


class Wrong(Right):
    def labels(self, split: Split) -> np.ndarray:
        return super().labels(split) + 1


class Absent(Right):
    def labels(self, split: Split) -> np.ndarray:
        return super().labels(split) % 2


class Lost(Right):
    def images(self, split: Split, rows: np.ndarray) -> Iterator[np.ndarray]:
        return super().images(split, rows[1:])


class Large(Right):
    def images(self, split: Split, rows: np.ndarray) -> Iterator[np.ndarray]:
        for images in super().images(split, rows):
            yield images.repeat(300, 0)


class Moving(Right):
    drawn = iter(range(10**6))

    def digest(self) -> str:
        return str(next(self.drawn))


class Fixed(Right):
    def __init__(self, side: int) -> None:
        super().__init__(32)


class Refusing(Right):
    def __init__(self, side: int) -> None:
        super().__init__(side)
        if side != 32:
            raise DataError("Use 32.")


class Bug(Right):
    def image(self, split: Split, row: int) -> np.ndarray:
        raise KeyError("no such row")


@pytest.mark.parametrize("kind", [Right, Refusing])
def test_a_right_source_passes(kind: type[Right]) -> None:
    checks = check_reading(kind)
    assert [check.name for check in checks] == ["labels", "images", "order", "splits", "same bits", "size"]
    assert [check.problem for check in checks] == [""] * 6


def test_one_of_ours_passes() -> None:
    checks = check_reading(lambda side: Creatures(image_size=side, seed=0, classes=4, train=40, test=8))
    assert [check.problem for check in checks] == [""] * 6


@pytest.mark.parametrize(("kind", "check", "words"), [
    (Wrong, "labels", "go from 1 to 3, of 3 classes"),
    (Absent, "labels", "class c has no training image"),
    (Floats, "images", "must hand out uint8 .*handed out float64"),
    (Large, "images", r"handed out uint8 \[300, 3, 32, 32\]"),
    (Lost, "images", "of 30 rows of 'train' it handed out 29"),
    (Sorted, "order", "keep their order"),
    (Same, "splits", "6 of 6 different test images are training images"),
    (Moving, "same bits", "no clock, no order of a set"),
    (Fixed, "size", r"for `image_size: 16` it gave uint8 \[2, 3, 32, 32\]"),
    (Bug, "opens and reads", "it raised KeyError: 'no such row'. Raise DataError"),
])  # fmt: skip
def test_a_broken_source_is_told_what_to_do(kind: type[Right], check: str, words: str) -> None:
    failed = [each for each in check_reading(kind) if each.problem]
    assert [each.name for each in failed] == [check]
    assert re.search(words, failed[0].problem)
