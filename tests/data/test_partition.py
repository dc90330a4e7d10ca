import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab.data.partition import relabel, rows_of, split_classes, stratified_subsets
from collab.errors import DataError

NAMES = ["cat", "dog", "fox", "owl", "bee"]


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
    rows = rows_of(labels, (0, 3))
    assert rows.tolist() == [0, 1, 3]
    assert relabel(labels[rows], (0, 3)).tolist() == [1, 0, 1]


@given(st.lists(st.integers(6, 30), min_size=1, max_size=5), st.lists(st.floats(0.1, 0.3), min_size=1, max_size=3))
def test_subsets_are_disjoint_and_take_their_share_of_every_class(sizes: list[int], shares: list[float]) -> None:
    labels = rng().permutation(np.repeat(np.arange(len(sizes)), sizes))
    subsets = stratified_subsets(labels, {f"e{i}": share for i, share in enumerate(shares)}, rng())
    everything = np.concatenate(list(subsets.values()))
    assert len(np.unique(everything)) == len(everything)
    for (name, rows), share in zip(subsets.items(), shares, strict=True):
        assert name
        assert np.bincount(labels[rows], minlength=len(sizes)).tolist() == [round(share * size) for size in sizes]


def test_who_comes_later_changes_nothing_for_who_came_before() -> None:
    labels = np.repeat(np.arange(4), 50)
    two = stratified_subsets(labels, {"a": 0.2, "b": 0.3}, rng())
    more = stratified_subsets(labels, {"a": 0.2, "b": 0.1, "c": 0.5}, rng())
    assert np.array_equal(two["a"], more["a"])
    assert set(more["b"]) < set(two["b"])


def test_everything_is_everything() -> None:
    labels = np.repeat(np.arange(3), 7)
    assert stratified_subsets(labels, {"all": 1.0}, rng())["all"].tolist() == list(range(21))


def test_shares_that_cannot_be_had_are_named() -> None:
    labels = np.repeat(np.arange(3), 20)
    with pytest.raises(DataError, match=r"a, b add up to 1\.2"):
        stratified_subsets(labels, {"a": 0.6, "b": 0.6}, rng())
    with pytest.raises(DataError, match=r"'b' with share 0\.01 would get no image of class 0, which has 20") as caught:
        stratified_subsets(labels, {"a": 0.5, "b": 0.01}, rng())
    least = float(str(caught.value).split("at least ")[1].split(",")[0])
    assert len(stratified_subsets(labels, {"a": 0.5, "b": least}, rng())["b"]) == 3
