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

from collab.data.decoding import digest_files
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


def opened(folder: Path, **changed: Any) -> Source:
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
    (["cat"], ["cat"], r"'label' of .*: its metadata name 1 classes, and the labels go up to 1"),
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


@pytest.mark.parametrize(("column", "classes", "labels"), [
    (["dog", "cat", "dog", "owl"], ("cat", "dog", "owl"), [1, 0, 1, 2]),
    (pa.array(["dog", "cat", "dog", "owl"]).dictionary_encode(), ("cat", "dog", "owl"), [1, 0, 1, 2]),
    (pa.array(["dog", "cat", "dog", "owl"], pa.large_string()), ("cat", "dog", "owl"), [1, 0, 1, 2]),
    (pa.array([1, 0, 1, 2]).dictionary_encode(), ("0", "1", "2"), [1, 0, 1, 2]),
    ([1.0, 0.0, 1.0, 2.0], ("0", "1", "2"), [1, 0, 1, 2]),
    (pa.array([1, 0, 1, 2], pa.float16()), ("0", "1", "2"), [1, 0, 1, 2]),
    ([True, False, True, True], ("false", "true"), [1, 0, 1, 1]),
    (pa.array([1, 0, 1, 2], pa.uint8()), ("0", "1", "2"), [1, 0, 1, 2]),
])  # fmt: skip
def test_labels_may_be_texts_categories_whole_floats_and_truth_values(
    tmp_path: Path, column: Any, classes: tuple[str, ...], labels: list[int]
) -> None:
    for name in ("train", "test"):
        write(tmp_path / f"{name}.parquet", label=column)
    source = opened(tmp_path)
    assert source.classes == classes
    assert source.labels("train").tolist() == source.labels("test").tolist() == labels


@pytest.mark.parametrize(("column", "words"), [
    ([0.0, 1.0, 0.5, 1.0], r"^row 2 of column 'label' of .*train\.parquet is 0\.5"),
    ([0.0, 1.0, float("nan"), 1.0], r"^row 2 of .* is nan"),
    ([0.0, 1.0, 1e300, 1.0], r"has labels from 0 to 32768; they lie between 0 and 32767"),
    ([0, 1, 2**63, 1], r"does not read"),
    ([[0], [1], [0], [1]], r"is list<.*>; it must hold a whole number from 0, a text, a category, or true and false"),
    ([0, 1, None, 1], r"^row 2 of column 'label' of .*train\.parquet is empty"),
    (["a", "b", None, "b"], r"^row 2 of column 'label' of .*train\.parquet is empty"),
    (["a", "b", "", "b"], r"has the label '', of 0 letters"),
    (["a", "b", "x" * 201, "b"], r"of 201 letters"),
    (["a", "b", "\x1b[2J", "b"], r"all of them printable"),
])  # fmt: skip
def test_what_is_no_label_is_named_by_row_or_type(tmp_path: Path, column: Any, words: str) -> None:
    if 2**63 in column:
        column = pa.array(column, pa.uint64())
    for name in ("train", "test"):
        write(tmp_path / f"{name}.parquet", label=column)
    with pytest.raises(DataError, match=words):
        opened(tmp_path)


def test_texts_of_one_file_and_numbers_of_another_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "train.parquet", label=["a", "b", "a", "b"])
    write(tmp_path / "test.parquet")
    with pytest.raises(DataError, match=r"test\.parquet holds numbers, and .*train\.parquet names\."):
        opened(tmp_path)


def test_a_text_that_only_held_out_images_have_is_a_class_without_training_images(tmp_path: Path) -> None:
    write(tmp_path / "train.parquet", label=["a", "b", "a", "b"])
    write(tmp_path / "test.parquet", label=["a", "b", "c", "b"])
    with pytest.raises(DataError, match=r"train\.parquet has no row of class c: 1 of 3 classes"):
        opened(tmp_path)


def write_shards(folder: Path, split: str, count: int, rows: int = 4) -> None:
    """Shards of a split as hubs name them; image k of a split is of gray k."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        images = [{"bytes": image(number * rows + row), "path": None} for row in range(rows)]
        table = pa.table({"image": images, "label": [row % 2 for row in range(rows)]})
        path = folder / f"{split}-{number:05d}-of-{count:05d}.parquet"
        parquet.write_table(table.replace_schema_metadata(features(label=["cat", "dog"])), path, row_group_size=3)


@pytest.mark.parametrize("train", [
    "data/train-*.parquet", "data/tr*", ("data/train-00000-of-00003.parquet", "data/train-0000[12]-of-*"), "shards",
])  # fmt: skip
def test_shards_of_a_hub_are_one_split(tmp_path: Path, train: Any) -> None:
    write_shards(tmp_path / "data", "train", 3)
    write_shards(tmp_path / "shards", "train", 3)
    write_shards(tmp_path / "data", "test", 1)
    source = opened(tmp_path, train=train, test="data/test-*.parquet")
    assert source.classes == ("cat", "dog")
    assert source.labels("train").tolist() == [0, 1, 0, 1] * 3
    for rows in (range(12), [11, 0, 4, 3, 3, 8], [7], []):
        blocks = list(source.images("train", np.array(rows, dtype=np.int64)))
        assert [int(picture.max()) for block in blocks for picture in block] == list(rows)


def test_a_row_of_a_shard_that_does_not_decode_has_its_number_in_that_shard(tmp_path: Path) -> None:
    write_shards(tmp_path, "train", 2)
    write(tmp_path / "train-00001-of-00002.parquet", features(label=["cat", "dog"]), image=[image(), b"a"] * 2)
    with pytest.raises(DataError, match=r"^row 1 of .*train-00001-of-00002\.parquet does not decode"):
        list(opened(tmp_path, train="train-*", test=None).images("train", np.array([5])))


@pytest.mark.parametrize(("train", "words"), [
    ("data/train-*", r"has 2 of 3 shards of train in .*data; number 1 is missing\. Fetch all"),
    ("train.parquet", r"there is no file .*train\.parquet\..*It holds data/train-00000-of-00003\.parquet, "),
    ("empty", r"there is no \*\.parquet file in the folder .*empty"),
    ("/data/*", r"is no pattern of files"),
    (("data/train-00000-of-00003.parquet", "data/train-00000*"), r"names .*train-00000-of-00003\.parquet twice"),
])  # fmt: skip
def test_files_that_are_not_all_there_are_told(tmp_path: Path, train: Any, words: str) -> None:
    write_shards(tmp_path / "data", "train", 3)
    (tmp_path / "data/train-00001-of-00003.parquet").unlink()
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=words):
        opened(tmp_path, train=train, test=None)


def test_without_a_test_file_there_is_one_split(tmp_path: Path) -> None:
    write(tmp_path / "train.parquet")
    source = opened(tmp_path, test=None)
    assert source.labels("test").tolist() == []
    assert list(source.images("test", np.empty(0, np.int64))) == []
    assert source.labels("train").tolist() == [0, 1, 0, 1]


def test_the_digest_of_two_files_is_the_one_that_it_has_always_been(tmp_path: Path) -> None:
    """Stages that were finished before there were shards stay finished."""
    for name in ("train", "test"):
        write(tmp_path / f"{name}.parquet")
    files = [tmp_path / "train.parquet", tmp_path / "test.parquet"]
    assert opened(tmp_path).digest() == digest_files("parquet", [16, "image", "label"], files)
    assert opened(tmp_path, test=None).digest() != digest_files("parquet", [16, "image", "label"], files[:1])


@pytest.mark.parametrize("column", [[{"bytes": "a", "path": "a.png"}] * 4, [{"name": "a.png"}] * 4, [1, 2, 3, 4]])
def test_a_column_without_images_is_told_before_anything_is_played(tmp_path: Path, column: Any) -> None:
    for name in ("train", "test"):
        write(tmp_path / f"{name}.parquet", image=column)
    with pytest.raises(DataError, match=r"'image' of .*train\.parquet is (int64|struct<.*>); encoded images are need"):
        opened(tmp_path)


@pytest.mark.parametrize("form", ["text", "path alone", "bytes null", "some bytes"])
def test_images_beside_the_file_are_read_by_their_path(tmp_path: Path, form: str) -> None:
    paths = [f"images/{row}.png" for row in range(4)]
    (tmp_path / "images").mkdir()
    for row, path in enumerate(paths):
        (tmp_path / path).write_bytes(image(row))
    column: list[Any] = {
        "text": paths,
        "path alone": [{"path": path} for path in paths],
        "bytes null": [{"bytes": None, "path": path} for path in paths],
        "some bytes": [{"bytes": image(row) if row % 2 else None, "path": path} for row, path in enumerate(paths)],
    }[form]
    write(tmp_path / "train.parquet", image=column)
    source = opened(tmp_path, test=None)
    shown = np.concatenate(list(source.images("train", np.arange(4))))
    assert shown[:, 0, 0, 0].tolist() == [0, 1, 2, 3]
    before = source.digest()
    (tmp_path / "images/2.png").write_bytes(image(7) + b" ")
    assert opened(tmp_path, test=None).digest() != before


@pytest.mark.parametrize("path", ["/etc/passwd", "../secret.png", "images/../../secret.png", "C:\\secret.png", "a\0b"])
def test_a_path_that_leads_out_of_the_folder_is_not_followed(tmp_path: Path, path: str) -> None:
    (tmp_path / "secret.png").write_bytes(image(3))
    (tmp_path / "set").mkdir()
    write(tmp_path / "set/train.parquet", image=[{"bytes": None, "path": path}] * 4)
    source = opened(tmp_path / "set", test=None)
    source.digest()
    with pytest.raises(DataError, match=r"row 0 of .* names the file .*; only files in .*set or its folders are read"):
        list(source.images("train", np.arange(1)))


def test_a_row_without_bytes_and_without_its_file_is_named(tmp_path: Path) -> None:
    rows = [{"bytes": image(3), "path": "3.png"}, {"bytes": None, "path": "4.png"}, {"bytes": None, "path": None}]
    write(tmp_path / "train.parquet", image=[*rows, None])
    source = opened(tmp_path, test=None)
    assert (next(source.images("train", np.arange(1))) == 3).all()
    for row, words in (
        (1, r".*4\.png cannot be read: No such file"),
        (2, "^row 2 of .* holds no image"),
        (3, "^row 3 of"),
    ):
        with pytest.raises(DataError, match=words):
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
