import io
import json
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from collab.data.decoding import decode
from collab.data.folders import ImageFolders
from collab.data.parquet import ParquetFiles
from collab.data.source import Source
from collab.data.torchvision_sets import Cifar10
from collab.errors import DataError


def picture(seed: int, size: tuple[int, int] = (16, 16)) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(values)


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def write(folder: Path, images: list[object], labels: list[object], metadata: dict[str, str] | None = None) -> None:
    for name in ("train", "test"):
        table = pa.table({"image": images, "label": labels}).replace_schema_metadata(metadata)
        parquet.write_table(table, folder / f"{name}.parquet", row_group_size=3)


def opened(folder: Path) -> Source:
    names = {"train": "train.parquet", "test": "test.parquet", "image": "image", "label": "label"}
    return ParquetFiles(image_size=16, seed=0, root=folder, **names)


@pytest.mark.parametrize("is_struct", [True, False])
def test_parquet_rows_come_in_the_order_asked_across_row_groups(tmp_path: Path, is_struct: bool) -> None:
    raw = [encoded(picture(seed)) for seed in range(8)]
    write(
        tmp_path, [{"bytes": each, "path": ""} for each in raw] if is_struct else raw, [seed % 2 for seed in range(8)]
    )
    source = opened(tmp_path)
    assert source.labels("train").tolist() == [0, 1] * 4
    assert source.classes == ("0", "1")
    rows = np.array([7, 0, 4, 4])
    expected = [np.asarray(picture(int(row))).transpose(2, 0, 1) for row in rows]
    assert np.array_equal(np.concatenate(list(source.images("train", rows))), np.stack(expected))


def test_class_names_come_from_the_metadata(tmp_path: Path) -> None:
    features = {"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}
    write(tmp_path, [encoded(picture(0))] * 4, [0, 1, 0, 1], {"huggingface": json.dumps(features)})
    assert opened(tmp_path).classes == ("cat", "dog")


@pytest.mark.parametrize(("image", "label", "told"), [
    (encoded(picture(0))[:50], 0, r"row 1 of .*train\.parquet does not decode"),
    (None, 0, r"row 1 of .*train\.parquet holds no image"),
    (encoded(picture(0)), -1, "has labels from -1 to 1; they lie between 0"),
    (encoded(picture(0)), None, "row 1 of column .* is empty; it must hold a whole number from 0, a text"),
])  # fmt: skip
def test_a_bad_row_is_named(tmp_path: Path, image: bytes | None, label: int | None, told: str) -> None:
    write(tmp_path, [encoded(picture(0)), image, encoded(picture(2))], [0, label, 1])
    with pytest.raises(DataError, match=told):
        list(opened(tmp_path).images("train", np.arange(3)))


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no file .*train\.parquet"):
        opened(tmp_path)
    with pytest.raises(DataError, match="must hold the folders `train` and `val` or `test`"):
        ImageFolders(image_size=16, seed=0, root=tmp_path)
    with pytest.raises(DataError, match="is not under"):
        Cifar10(image_size=32, seed=0, root=tmp_path)
    for name in ("train", "test"):
        (tmp_path / f"{name}.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(DataError, match="no readable Parquet"):
        opened(tmp_path)


def test_folders_are_classes_and_every_mode_becomes_rgb(tmp_path: Path) -> None:
    for split in ("train", "val"):
        for name in ("owl", "cat"):
            (tmp_path / split / name).mkdir(parents=True)
    picture(0).convert("L").save(tmp_path / "train/cat/gray.png")
    picture(1).convert("RGBA").save(tmp_path / "train/cat/alpha.png")
    picture(2).convert("CMYK").save(tmp_path / "train/owl/cmyk.jpg")
    (tmp_path / "train/owl/notes.txt").write_text("no image")
    picture(3).save(tmp_path / "val/owl/a.png")
    picture(4).save(tmp_path / "val/cat/a.png")
    source = ImageFolders(image_size=16, seed=0, root=tmp_path)
    assert source.classes == ("cat", "owl")
    assert source.labels("train").tolist() == [0, 0, 1]
    images = np.concatenate(list(source.images("train", np.arange(3))))
    assert images.shape == (3, 3, 16, 16)
    assert np.array_equal(images[1, 0], images[1, 1])  # files in alphabetical order: alpha, gray
    (tmp_path / "train/cat/alpha.png").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"alpha\.png does not decode"):
        list(source.images("train", np.arange(1)))


def test_a_photograph_is_turned_upright_and_its_center_square_is_taken() -> None:
    wide = Image.new("RGB", (64, 32))
    wide.paste((255, 0, 0), (16, 0, 48, 32))
    assert (decode(encoded(wide), 32, where="x")[0] == 255).all()
    turned = Image.new("RGB", (8, 16), (0, 0, 0))
    turned.paste((255, 255, 255), (0, 0, 8, 8))
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    file = io.BytesIO()
    turned.save(file, "PNG", exif=exif)
    assert decode(file.getvalue(), 8, where="x")[0, -1].mean() > decode(file.getvalue(), 8, where="x")[0, 0].mean()


def test_cifar_is_read_from_torchvisions_own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision import datasets

    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (4, 3072), dtype=np.uint8)
    for name in ("data_batch_1", "test_batch"):
        (folder / name).write_bytes(pickle.dumps({"data": pixels, "labels": [0, 1, 1, 0]}))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": ["plane", "car"]}))
    monkeypatch.setattr(datasets.CIFAR10, "train_list", [["data_batch_1", None]])
    monkeypatch.setattr(datasets.CIFAR10, "test_list", [["test_batch", None]])
    monkeypatch.setattr(datasets.CIFAR10, "meta", {"filename": "batches.meta", "key": "label_names", "md5": None})
    source = Cifar10(image_size=32, seed=0, root=tmp_path)
    assert source.classes == ("plane", "car")
    images = np.concatenate(list(source.images("test", np.array([2, 0]))))
    assert np.array_equal(images[0], pixels[2].reshape(3, 32, 32))
