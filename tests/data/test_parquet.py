"""What a Parquet file of images says, and what it does not: names of classes, columns, and which file it is."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from collab.data.parquet import ParquetFiles
from collab.data.source import Source
from collab.errors import DataError

FINE, COARSE = ["oak", "pine", "trout", "shark"], ["tree", "fish"]


def image(gray: int = 0) -> bytes:
    file = io.BytesIO()
    Image.new("L", (16, 16), gray).save(file, "PNG")
    return file.getvalue()


def features(**names: list[str]) -> dict[str, str]:
    """The metadata of a data set from a hub: a `ClassLabel` for each of `names`."""
    told = {column: {"names": each, "_type": "ClassLabel"} for column, each in names.items()}
    return {"huggingface": json.dumps({"info": {"features": {"image": {"_type": "Image"}, **told}}})}


def write(path: Path, metadata: dict[str, str] | None = None, **columns: Any) -> None:
    table = pa.table({"image": [image(row) for row in range(4)], "label": [0, 1, 0, 1], **columns})
    parquet.write_table(table.replace_schema_metadata(metadata), path)


def opened(folder: Path, **changed: str) -> Source:
    names = {"train": "train.parquet", "test": "test.parquet", "image": "image", "label": "label"}
    return ParquetFiles(image_size=16, seed=0, root=folder, **names | changed)


@pytest.mark.parametrize(
    ("label", "classes"), [("fine_label", tuple(FINE)), ("coarse_label", tuple(COARSE)), ("label", ("0", "1"))]
)
def test_classes_are_named_by_the_column_that_is_asked_for(
    tmp_path: Path, label: str, classes: tuple[str, ...]
) -> None:
    metadata = features(fine_label=FINE, coarse_label=COARSE) | {
        "tags": '["a", "b"]',
        "pandas": '{"names": ["c", "d"]}',
    }
    for name in ("train", "test"):
        write(tmp_path / f"{name}.parquet", metadata, fine_label=[0, 1, 2, 3], coarse_label=[0, 0, 1, 1])
    assert opened(tmp_path, label=label).classes == classes


@pytest.mark.parametrize(("train", "test", "words"), [
    (["cat", "dog"], ["dog", "cat"], r"label 0 is 'cat' in the first and 'dog' in the second"),
    (["cat", "dog"], ["cat", "dog", "owl"], r"label 2 is None in the first and 'owl' in the second"),
    (["cat", "cat"], ["cat", "cat"], r"names two classes of 'label' alike: 'cat'"),
    (["cat"], ["cat"], r"names 1 classes of 'label', and the labels go up to 1"),
])  # fmt: skip
def test_names_that_contradict_each_other_are_refused(
    tmp_path: Path, train: list[str], test: list[str], words: str
) -> None:
    write(tmp_path / "train.parquet", features(label=train))
    write(tmp_path / "test.parquet", features(label=test))
    with pytest.raises(DataError, match=words):
        opened(tmp_path)


def test_names_that_only_the_test_file_has_count(tmp_path: Path) -> None:
    write(tmp_path / "train.parquet")
    write(tmp_path / "test.parquet", features(label=["cat", "dog"]))
    assert opened(tmp_path).classes == ("cat", "dog")


def test_one_file_is_no_train_and_test(tmp_path: Path) -> None:
    write(tmp_path / "train.parquet")
    (tmp_path / "test.parquet").symlink_to(tmp_path / "train.parquet")
    for changed in ({"test": "train.parquet"}, {"test": "../" + tmp_path.name + "/train.parquet"}, {}):
        with pytest.raises(DataError, match=r"`data\.train` and `data\.test` are one file"):
            opened(tmp_path, **changed)


@pytest.mark.parametrize(("column", "words"), [
    (["a", "b", "a", "b"], "is string; it must hold an integer"),
    (pa.array(["a", "b", "a", "b"]).dictionary_encode(), "is dictionary<.*; it must hold an integer"),
    ([0.0, 1.0, 0.0, 1.0], "is double; it must hold an integer"),
    ([0, 1, None, 1], r"^row 2 of column 'label' of .*train\.parquet is empty"),
])  # fmt: skip
def test_labels_that_are_no_numbers_are_named_by_their_type(tmp_path: Path, column: Any, words: str) -> None:
    for name in ("train", "test"):
        write(tmp_path / f"{name}.parquet", label=column)
    with pytest.raises(DataError, match=words):
        opened(tmp_path)


@pytest.mark.parametrize("column", [["a.png"] * 4, [{"path": "a.png"}] * 4, [{"bytes": "a", "path": "a.png"}] * 4])
def test_a_column_without_encoded_images_is_told_before_anything_is_played(tmp_path: Path, column: Any) -> None:
    for name in ("train", "test"):
        write(tmp_path / f"{name}.parquet", image=column)
    with pytest.raises(DataError, match=r"'image' of .*train\.parquet is (string|struct<.*>); encoded images are need"):
        opened(tmp_path)


def test_a_path_beside_the_file_is_not_read_and_named(tmp_path: Path) -> None:
    rows = [
        {"bytes": image(3), "path": "3.png"},
        {"bytes": None, "path": "images/4.png"},
        {"bytes": None, "path": None},
    ]
    for name in ("train", "test"):
        write(tmp_path / f"{name}.parquet", image=[*rows, None])
    source = opened(tmp_path)
    assert (next(source.images("train", np.arange(1))) == 3).all()
    for row, words in (
        (1, r"holds no bytes, only the path 'images/4\.png', and files beside a Parquet file are not read\. Write the"),
        (2, "holds no image"),
        (3, "holds no image"),
    ):
        with pytest.raises(DataError, match=rf"^row {row} of .*train\.parquet {words}"):
            list(source.images("train", np.array([row])))


def test_a_git_lfs_pointer_is_called_by_name(tmp_path: Path) -> None:
    (tmp_path / "train.parquet").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
    with pytest.raises(DataError, match=r"train\.parquet is a Git LFS pointer.*Run `git lfs pull`"):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("names", "label", "words"),
    [
        (["cat", "dog", "owl"], [0, 1, 0, 1], r"has no row of class owl: 1 of 3 classes have no training image"),
        (None, [1, 2, 1, 2], r"has no row of class 0: 1 of 3 classes"),
    ],
)
def test_a_class_without_training_images_is_refused_by_name(
    tmp_path: Path, names: list[str] | None, label: list[int], words: str
) -> None:
    """It would be drawn among the private classes, and nobody could learn it."""
    metadata = None if names is None else features(label=names)
    for split in ("train", "test"):
        write(tmp_path / f"{split}.parquet", metadata, label=label)
    with pytest.raises(DataError, match=words):
        opened(tmp_path)


def test_rows_come_in_any_order_over_row_groups(tmp_path: Path) -> None:
    table = pa.table({"image": [image(row) for row in range(200)], "label": [0, 1] * 100})
    for name in ("train", "test"):
        parquet.write_table(table, tmp_path / f"{name}.parquet", row_group_size=90)
    source = opened(tmp_path)
    for rows in (range(200), [199, 0, 0, 95, 94, 3, 180], [5], range(199, -1, -7), []):
        blocks = list(source.images("train", np.array(rows, dtype=np.int64)))
        assert [int(picture.max()) for block in blocks for picture in block] == list(rows)


def test_images_of_a_large_row_group_are_read_some_at_a_time(tmp_path: Path) -> None:
    """In memory lie a few batches of them, whatever the row group holds."""
    noise = np.random.default_rng(0).bytes(100_000)  # behind the end of an image, where no decoder looks
    table = pa.table({"image": [image(row % 256) + noise[row:] for row in range(600)], "label": [0, 1] * 300})
    for name in ("train", "test"):
        parquet.write_table(table, tmp_path / f"{name}.parquet", use_dictionary=False, write_batch_size=16)
    del table
    source, before, most = opened(tmp_path), pa.total_allocated_bytes(), 0
    for _ in source.images("train", np.arange(600)):
        most = max(most, pa.total_allocated_bytes() - before)
    assert most < 0.3 * 600 * 100_000


def test_all_rows_that_do_not_decode_are_told_at_once(tmp_path: Path) -> None:
    for name in ("train", "test"):
        write(tmp_path / f"{name}.parquet", image=[image(), b"a", image(), b"b"])
    with pytest.raises(DataError, match=r"(?s)^2 of 4 images do not decode:\n  row 1 of .*\n  row 3 of "):
        list(opened(tmp_path).images("train", np.arange(4)))
