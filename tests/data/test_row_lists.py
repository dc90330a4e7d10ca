"""Lists of rows: by number, and by file name where a source has names."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from collab.data.partition import ClassSplit
from collab.data.row_lists import RowLists, digest_names
from collab.errors import DataError

CLASSES = ["cat", "dog", "fox", "owl", "bee"]
SPLIT = ClassSplit(private=(0, 2, 3), public=(1, 4))
LABELS = np.array([0, 1, 2, 3, 4, 0])
FILES = ["cat/a_1.png", "cat/a_2.png", "cat/b [1].png", "cat/b_1.png", "dog/a_1.png", "fox/a_1.png", "fox/ä_9.png"]
LABELS_OF_FILES = np.array([0, 0, 0, 0, 1, 2, 2])


def numbered(path: Path, text: str | bytes) -> list[int]:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return RowLists(LABELS, CLASSES, SPLIT).read(path, "a").tolist()


def test_a_list_of_rows_is_read_in_any_order_and_with_empty_lines(tmp_path: Path) -> None:
    assert numbered(tmp_path / "rows.txt", "5\n\n 0 \r\n03\n") == [0, 3, 5]


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
        numbered(tmp_path / "rows.txt", text)


def test_a_list_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"the list of rows .*none\.txt cannot be read: .*No such file"):
        RowLists(LABELS, CLASSES, SPLIT).read(tmp_path / "none.txt", "a")


def named(path: Path, text: str) -> list[str]:
    path.write_text(text, encoding="utf-8")
    rows = RowLists(LABELS_OF_FILES, CLASSES, SPLIT, FILES).read(path, "a")
    return [FILES[row] for row in rows.tolist()]


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("fox/a_1.png\n\n cat/a_2.png \r\n", ["cat/a_2.png", "fox/a_1.png"]),
        ("\ufefffox/ä_9.png\ncat/a_1.png\n", ["cat/a_1.png", "fox/ä_9.png"]),  # with a byte order mark, as of Windows
        ("cat/a_*", ["cat/a_1.png", "cat/a_2.png"]),
        ("[cf]*/a_1.png", ["cat/a_1.png", "fox/a_1.png"]),
        ("cat/b [1].png\nfox/?_9.png", ["cat/b [1].png", "fox/ä_9.png"]),  # a name with the letters of a glob is a name
    ],
)
def test_names_and_globs_say_files(text: str, files: list[str], tmp_path: Path) -> None:
    assert named(tmp_path / "rows.txt", text) == files


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "cat/a_1.png\n5\n",
            r":2: 5 is a number, .* shift .*\(fox/a_1\.png, which is row 5 now\) or a glob \(fox/\*\)",
        ),
        ("99\n", r":1: 99 is a number, .*\(cat/a_1\.png\)"),
        ("cat/a_3.png", r":1: 'cat/a_3\.png' is no training image; did you mean `cat/a_\d\.png`\?"),
        ("train/fox/a_1.png", r":1: 'train/fox/a_1\.png' is no training image; did you mean `fox/a_1\.png`\?"),
        ("Cat/b_1.png", r"did you mean `cat/b_1\.png`\?"),
        ("zzz", r"is no training image; names are like cat/a_1\.png\."),
        ("cat/a_1.png\ncat/c_*", r":2: 'cat/c_\*' matches no training image\."),
        ("cat*", r":1: 'cat\*' matches no training image\. A star stands for any letters but `/`"),
        ("cat/a_2.png\n\ncat/a_*", r":3: cat/a_2\.png is there already, in line 1"),
        ("*/a_1.png", r":1: dog/a_1\.png is of class dog, which is public"),
        ("cat/a_1.png", r"lists 1 rows; it needs 2\. Write one file name or glob on each line"),
    ],
)
def test_a_wrong_name_is_told_with_its_line(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^entity 'a': .*rows\.txt.*" + words):
        named(tmp_path / "rows.txt", text)


def test_names_without_a_folder_are_those_of_celeba(tmp_path: Path) -> None:
    lists = RowLists(np.array([0, 0, 2]), CLASSES, SPLIT, ["000001.jpg", "000010.jpg", "000002.jpg"])
    (tmp_path / "rows.txt").write_text("00000?.jpg\n")
    assert lists.read(tmp_path / "rows.txt", "a").tolist() == [0, 2]
    for line, told in (("1", r"1 is a number.*\(000010\.jpg, which is row 1 now\) or a glob \(000\*\)"),
                       ("000011.jpg", "did you mean `000010.jpg`")):  # fmt: skip
        (tmp_path / "rows.txt").write_text(line)
        with pytest.raises(DataError, match=told):
            lists.read(tmp_path / "rows.txt", "a")


def test_a_digest_of_names_is_that_of_the_sorted_lines(tmp_path: Path) -> None:
    rows = np.array([6, 0, 2])
    (tmp_path / "names.txt").write_text("".join(f"{FILES[row]}\n" for row in rows), encoding="utf-8")
    told = subprocess.run(
        "LC_ALL=C sort names.txt | sha256sum", shell=True, cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert digest_names(FILES, rows) == digest_names(FILES, rows[::-1]) == told.stdout.split()[0]
    assert digest_names(FILES, rows[:2]) != digest_names(FILES, rows)
