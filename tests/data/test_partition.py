import numpy as np
import pytest

from collab.data.partition import ClassSplit, find_labels, find_rows, relabel, split_classes
from collab.errors import DataError

NAMES = ["cat", "dog", "fox", "owl", "bee"]
SPLIT = ClassSplit(private=(0, 2, 3), public=(1, 4))


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_half_of_the_classes_are_private_and_the_rest_public() -> None:
    split = split_classes(NAMES, "half", rng())
    assert len(split.private) == 2
    assert sorted(split.private + split.public) == list(range(5))
    assert split == split_classes(NAMES, "half", rng())
    assert len({split_classes(NAMES, "half", np.random.default_rng(seed)).private for seed in range(20)}) > 3


def test_named_classes_are_private() -> None:
    assert split_classes(NAMES, ("owl", "cat"), rng()).private == (0, 3)
    with pytest.raises(DataError, match=r"cow.*cat, dog"):
        split_classes(NAMES, ("cow", "cat"), rng())
    with pytest.raises(DataError, match="at least two must be private"):
        split_classes(NAMES, NAMES, rng())


def test_relabeling_counts_within_the_classes() -> None:
    labels = np.array([3, 0, 4, 3, 1])
    rows = find_rows(labels, (0, 3))
    assert rows.tolist() == [0, 1, 3]
    assert relabel(labels[rows], (0, 3)).tolist() == [1, 0, 1]


def test_classes_chosen_by_name_are_counted_among_the_private_ones() -> None:
    assert find_labels(("owl", "cat"), NAMES, SPLIT, "a") == (0, 2)
    with pytest.raises(DataError, match=r"entity 'a' chose dog \(public\), cow \(not in the source\).*cat, fox, owl"):
        find_labels(("cat", "dog", "cow"), NAMES, SPLIT, "a")
