"""Lists of images: which rows and labels they have, and what they may not name."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from collab.data.broken import BrokenImages
from collab.data.hold_out import find_groups
from collab.data.image_lists import ImageLists
from collab.data.looking import find_strangers
from collab.data.source import WithColumns
from collab.errors import DataError


def paint(root: Path, *names: str) -> None:
    """Image k of `names` is of gray k + 1."""
    for gray, name in enumerate(names, 1):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (16, 16), gray).save(root / name, "PNG")


def opened(root: Path, **changed: Any) -> ImageLists:
    options = {"train": "train.csv", "test": None, "images": "{}", "image": "image", "label": "label"}
    return ImageLists(image_size=16, seed=0, root=root, **options | changed)


def grays(source: ImageLists, *rows: int) -> list[int]:
    return [int(image[0, 0, 0]) for block in source.images("train", np.array(rows)) for image in block]


def test_rows_follow_the_list_and_are_named_by_their_files(tmp_path: Path) -> None:
    paint(tmp_path, "b.png", "x/a.png", "x/ü c.png", "t.png")
    (tmp_path / "train.csv").write_text("id,image,label\n7,x/a.png,dog\n8,./b.png,cat\n9,x/ü c.png,dog\n", "utf-8")
    (tmp_path / "test.csv").write_text("label,image\ncat,t.png\n", "utf-8")
    source = opened(tmp_path, test="test.csv")
    assert source.classes == ("cat", "dog")
    assert source.labels("train").tolist() == [1, 0, 1]
    assert source.labels("test").tolist() == [0]
    assert source.names("train") == ("x/a.png", "b.png", "x/ü c.png")
    assert grays(source, 2, 0, 1, 1) == [3, 2, 1, 1]


def test_other_columns_say_whose_the_images_are(tmp_path: Path) -> None:
    paint(tmp_path, "a.png", "b.png", "c.png")
    (tmp_path / "train.csv").write_text("patient,image,label\n7,a.png,cat\n8,b.png,cat\n7,c.png,dog\n", "utf-8")
    source = opened(tmp_path)
    assert source.column_names == ("label", "patient")
    assert source.column("train", "patient") == ["7", "8", "7"]
    assert find_groups(source, "patient", np.arange(3)).tolist() == [0, 1, 0]
    assert find_groups(source, r"^(\w)", np.arange(3)).tolist() == [0, 1, 2]  # no column: a pattern in file names


@pytest.mark.parametrize("text", [
    "image,label\na.png,007\nb.png,NA\n",
    "\ufeffimage;label;note\na.png;007;1,2\nb.png;NA;\n\n",
    "label\timage\r\n007\ta.png\r\nNA\tb.png\r\n",
    '"image","label"\n"a.png","007"\n"b.png","NA"',
])  # fmt: skip
def test_a_list_may_be_written_as_programs_write_it(tmp_path: Path, text: str) -> None:
    paint(tmp_path, "a.png", "b.png")
    (tmp_path / "train.csv").write_text(text, "utf-8", newline="")
    source = opened(tmp_path)
    assert source.classes == ("007", "NA")  # no number loses its zeros, and no class is a missing value
    assert (source.names("train"), source.labels("train").tolist()) == (("a.png", "b.png"), [0, 1])


def test_parquet_lists_have_labels_of_any_kind_and_images_lie_where_the_pattern_says(tmp_path: Path) -> None:
    paint(tmp_path, "photos/one.jpg", "photos/two.jpg")
    table = pa.table({"id": ["two", "one"], "ill": [True, False]})
    parquet.write_table(table, tmp_path / "list.parquet")
    source = opened(tmp_path, train="list.parquet", images="photos/{}.jpg", image="id", label="ill")
    assert (source.classes, source.labels("train").tolist()) == (("false", "true"), [1, 0])
    assert source.names("train") == ("photos/two.jpg", "photos/one.jpg")
    assert grays(source, 0, 1) == [2, 1]


@pytest.mark.parametrize(("text", "words"), [
    ("image,label\n../a.png,x\n", r"row 0 of .*train\.csv names the file '\.\./a\.png'; only files in"),
    ("image,label\na.png,x\n/etc/passwd,x\n", r"row 1 of .* names the file '/etc/passwd'"),
    ("image,label\nc:a.png,x\n", r"row 0 of .* names the file 'c:a\.png'"),
    ("image,label\na.png,x\n,x\n", r"row 1 of .* names no file"),
    ("image,label\na.png,\n", r"row 0 of column 'label' of .*train\.csv is empty"),
    ("image,label\na.png,x\n./a.png,y\n", r"row 1 of .* names a\.png, as row 0 of .*train\.csv does"),
    ("image,label\n,x\n../b.png,y\na.png,x\na.png,y\n", r"(?s)3 rows .*row 0 .* no file.*row 1 .*row 3 .* as row 2"),
    ("image,label\nc.png,y\nd.png,y\n", r"(?s)of 2 images .*, none is in .*c\.png, in row 0 .*d\.png, in row 1"),
    ("image,label\na.png\n", "is no readable list"),
    ("image,label\na.png," + "x" * 201, "of 201 letters"),
    ("path,label\na.png,x\n", "must have the column 'image' once; it has path, label"),
    ("image,label,label\na.png,x,y\n", "must have the column 'label' once"),
    ("image,label\n", "has no rows"),
    ("", "must have the column 'image' once"),
])  # fmt: skip
def test_what_a_list_may_not_hold_is_named_by_row(tmp_path: Path, text: str, words: str) -> None:
    paint(tmp_path, "a.png")
    (tmp_path / "train.csv").write_text(text, "utf-8")
    with pytest.raises(DataError, match=words):
        opened(tmp_path)


def test_single_files_that_are_not_there_are_broken_images(tmp_path: Path) -> None:
    paint(tmp_path, "a.png")
    (tmp_path / "train.csv").write_text("image,label\nc.png,y\na.png,x\nd.png,y\n")
    source = opened(tmp_path)
    assert list(find_strangers(source.encoded("train", np.arange(3)))) == [0, 2]
    with pytest.raises(BrokenImages, match=r"(?s)2 of 3 images .*c\.png cannot be read.*d\.png cannot be read"):
        grays(source, 0, 1, 2)


def test_other_columns_are_told_of_every_row(tmp_path: Path) -> None:
    paint(tmp_path, "a.png", "b.png", "c.png")
    (tmp_path / "train.csv").write_text("image,label,patient\na.png,x,007\nb.png,y,\n")
    (tmp_path / "more.csv").write_text("patient;image;label;ward\n8;c.png;x;3\n")
    source = opened(tmp_path, train=("train.csv", "more.csv"))
    assert isinstance(source, WithColumns)
    assert source.column_names == ("label", "patient")
    assert source.column("train", "patient") == ["007", None, "8"]
    assert source.column("test", "patient") == []


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    paint(tmp_path, "a.png")
    for content in (b"image,label\na.png,\xff\n", b"\xff\xfe\x00", b"PAR1" + bytes(30)):
        (tmp_path / "train.csv").write_bytes(content)
        with pytest.raises(DataError, match=r"train\.csv"):
            opened(tmp_path)


def test_a_parquet_list_of_other_things_than_paths_is_refused(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"image": [1], "label": ["x"]}), tmp_path / "list.parquet")
    with pytest.raises(DataError, match=r"column 'image' of .*list\.parquet is int64"):
        opened(tmp_path, train="list.parquet")


def test_no_image_is_trained_on_and_held_out(tmp_path: Path) -> None:
    paint(tmp_path, "a.png")
    for name in ("train", "test"):
        (tmp_path / f"{name}.csv").write_text("image,label\na.png,x\n", "utf-8")
    with pytest.raises(DataError, match=r"row 0 of .*test\.csv names a\.png, as row 0 of .*train\.csv does"):
        opened(tmp_path, test="test.csv")


def test_the_digest_follows_lists_and_images(tmp_path: Path) -> None:
    paint(tmp_path, "a.png", "b.png")
    (tmp_path / "train.csv").write_text("image,label\na.png,x\nb.png,y\n")
    digests = [opened(tmp_path).digest(), opened(tmp_path).digest()]
    assert digests[0] == digests[1]
    Image.new("L", (20, 20), 9).save(tmp_path / "b.png")
    digests.append(opened(tmp_path).digest())
    (tmp_path / "train.csv").write_text("image,label\nb.png,y\na.png,x\n")
    digests.append(opened(tmp_path).digest())
    assert len(set(digests)) == 3
