from pathlib import Path

import numpy as np
import pytest

from collab.data.partition import ClassSplit, labels_of, listed_rows, relabel, rows_of, split_classes
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
    rows = rows_of(labels, (0, 3))
    assert rows.tolist() == [0, 1, 3]
    assert relabel(labels[rows], (0, 3)).tolist() == [1, 0, 1]


def test_classes_chosen_by_name_are_counted_among_the_private_ones() -> None:
    assert labels_of(("owl", "cat"), NAMES, SPLIT, "a") == (0, 2)
    with pytest.raises(DataError, match=r"entity 'a' chose dog \(public\), cow \(not in the source\).*cat, fox, owl"):
        labels_of(("cat", "dog", "cow"), NAMES, SPLIT, "a")


def listed(path: Path, text: str | bytes) -> list[int]:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return listed_rows(path, np.array([0, 1, 2, 3, 4, 0]), NAMES, SPLIT, "a").tolist()


def test_a_list_of_rows_is_read_in_any_order_and_with_empty_lines(tmp_path: Path) -> None:
    assert listed(tmp_path / "rows.txt", "5\n\n 0 \r\n03\n") == [0, 3, 5]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0\n6\n", r"rows\.txt:2: '6' is no row; the source has training images 0 to 5"),
        ("0\n-1\n", r":2: '-1' is no row"),
        ("1_0\n", r":1: '1_0' is no row"),
        ("٣\n", r":1: '٣' is no row"),
        ("row\n", r":1: 'row' is no row"),
        (99 * "9", r":1: '9{40}' is no row"),
        ("0\n\n5\n00\n", r":4: row 0 is there already, in line 1"),
        ("0\n4\n", r":2: row 4 is of class bee, which is public; the private ones are cat, fox, owl"),
        ("", r"lists 0 rows; it needs 2"),
        ("3\n", r"lists 1 rows; it needs 2"),
        (b"\xff", r"cannot be read"),
    ],
)
def test_a_wrong_list_of_rows_is_told_with_its_line(text: str | bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^entity 'a': .*" + words):
        listed(tmp_path / "rows.txt", text)


def test_a_list_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"the list of rows .*none\.txt cannot be read: .*No such file"):
        listed_rows(tmp_path / "none.txt", np.array([0]), NAMES, SPLIT, "a")
