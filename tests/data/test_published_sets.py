"""Sets as torchvision and medmnist keep them: the right pixels under the right label, and what is no such file."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from collab.data.decoding import decode
from collab.data.folders import Lfw
from collab.data.medmnist import MedMnist
from collab.data.source import Source, Split
from collab.data.torchvision_sets import TorchvisionSet
from collab.errors import DataError
from tests.data import keeping


def read(source: Source, split: Split, *rows: int) -> np.ndarray:
    return np.concatenate(list(source.images(split, np.array(rows))))


def torchvision_set(root: Path, name: str, side: int = 28) -> TorchvisionSet:
    return TorchvisionSet(image_size=side, seed=0, root=root, name=name)


@pytest.mark.parametrize(("name", "kind", "third"), [
    ("mnist", "MNIST", "3"), ("fashion_mnist", "FashionMNIST", "Dress"), ("kmnist", "KMNIST", "tsu"),
])  # fmt: skip
def test_mnist_and_its_siblings_are_gray_under_their_own_names(
    tmp_path: Path, name: str, kind: str, third: str
) -> None:
    keeping.digits(tmp_path, kind)
    source = torchvision_set(tmp_path, name)
    assert source.classes[source.labels("test")[13]] == third
    pixels = np.random.default_rng(1).integers(0, 255, (20, 28, 28), dtype=np.uint8)
    images = read(source, "test", 13, 2)
    assert all(np.array_equal(images[:, color], pixels[[13, 2]]) for color in range(3))


def test_svhn_counts_its_digits_from_zero(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keeping.numbers(root := tmp_path / "numbers", monkeypatch)
    source = torchvision_set(root, "svhn", 32)
    assert [source.classes[label] for label in source.labels("test")] == list("1234567890")
    pixels = np.random.default_rng(0).integers(0, 255, (32, 32, 3, 20), dtype=np.uint8)
    assert np.array_equal(read(source, "train", 7)[0], pixels[..., 7].transpose(2, 0, 1))


def test_flowers_for_validation_are_training_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keeping.flowers(tmp_path, monkeypatch)
    source = torchvision_set(tmp_path, "flowers102", 16)
    assert source.labels("train").tolist() == list(range(102))
    assert [source.classes[label] for label in source.labels("test")] == ["moon orchid", "pink primrose"]
    file = tmp_path / "flowers-102/jpg/image_00103.jpg"
    assert np.array_equal(read(source, "test", 0)[0], decode(file, 16, where=""))
    file.write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"image_00103\.jpg does not decode"):
        read(source, "test", 0)


@pytest.mark.parametrize("changed", [
    {"train-images-idx3-ubyte": None},
    {"train-images-idx3-ubyte": b""},
    {"train-images-idx3-ubyte": np.array([0x803, 1 << 30, 28, 28], ">i4").tobytes()},
    {"train-images-idx3-ubyte": np.array([0x803, 1, 2, 2], ">i4").tobytes() + b"1234"},
    {"train-labels-idx1-ubyte": np.array([0x801, 20], ">i4").tobytes() + bytes([10] * 20)},
    {"t10k-labels-idx1-ubyte": np.array([0xD01, 1], ">i4").tobytes() + bytes(4)},
])  # fmt: skip
def test_a_damaged_file_is_told_with_the_set(tmp_path: Path, changed: dict[str, bytes | None]) -> None:
    keeping.digits(tmp_path)
    for name, content in changed.items():
        file = tmp_path / "MNIST/raw" / name
        file.unlink() if content is None else file.write_bytes(content)
    with pytest.raises(DataError, match=f"mnist .*under {re.escape(str(tmp_path))}"):
        torchvision_set(tmp_path, "mnist")


def test_a_file_that_is_not_the_published_one_is_refused(tmp_path: Path) -> None:
    savemat(tmp_path / "train_32x32.mat", {"X": np.zeros((32, 32, 3, 2), np.uint8), "y": [[1], [2]]})
    with pytest.raises(DataError, match=r"svhn is not under .*not found or corrupted"):
        torchvision_set(tmp_path, "svhn")


def test_tensors_of_an_old_torchvision_are_not_loaded(tmp_path: Path) -> None:
    keeping.digits(tmp_path)
    (tmp_path / "MNIST/processed").mkdir()
    with pytest.raises(DataError, match="processed holds tensors of an old torchvision"):
        torchvision_set(tmp_path, "mnist")


def medmnist(root: Path, side: int = 28) -> MedMnist:
    return MedMnist(image_size=side, seed=0, root=root, name="bloodmnist")


def test_medmnist_rows_come_in_any_order_over_its_arrays(tmp_path: Path) -> None:
    keeping.cells(tmp_path)
    source = medmnist(tmp_path)
    assert source.classes == ("0", "1", "2", "3")
    assert source.labels("train").tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]
    pixels = [np.random.default_rng(seed).integers(0, 255, (count, 28, 28, 3), dtype=np.uint8)
              for seed, count in enumerate((8, 2))]  # fmt: skip
    rows = [9, 0, 3, 3, 7, 8, 2]
    expected = np.concatenate(pixels)[rows].transpose(0, 3, 1, 2)
    assert np.array_equal(read(source, "train", *rows), expected)
    assert read(medmnist(tmp_path, 16), "test", 1).shape == (1, 3, 16, 16)


@pytest.mark.parametrize(("changed", "words"), [
    ({"train_images": np.zeros((8, 28, 28, 28), np.uint8)}, "Sets of volumes are not read"),
    ({"train_images": np.zeros((8, 28, 28), np.float32)}, r"`train_images` of .* is float32"),
    ({"train_images": np.asfortranarray(np.ones((8, 28, 28), np.uint8))}, "holds columns first"),
    ({"test_images": np.zeros((0, 28, 28), np.uint8)}, "too many, too large, or none"),
    ({"train_labels": np.zeros((8, 14), np.uint8)}, "A set with several labels for an image has no classes"),
    ({"train_labels": np.zeros((7, 1), np.uint8)}, r"one whole number for each of 8 images"),
    ({"train_labels": np.zeros((8, 1), np.float32)}, "one whole number"),
    ({"train_labels": np.array([[{}]] * 8, object)}, "`train_labels` holds objects"),
    ({"test_labels": np.full((4, 1), 9, np.uint8)}, "each class, numbered from 0 without gaps, must have a training"),
    ({"train_labels": np.array([-1, 1] * 4, np.int8)}, "each class, numbered from 0"),
])  # fmt: skip
def test_arrays_of_another_kind_are_refused(tmp_path: Path, changed: dict[str, Any], words: str) -> None:
    keeping.cells(tmp_path, **changed)
    with pytest.raises(DataError, match=words):
        medmnist(tmp_path)


def test_a_damaged_archive_is_refused_and_no_byte_of_it_unpickled(tmp_path: Path) -> None:
    keeping.cells(tmp_path)
    file = tmp_path / "bloodmnist.npz"
    content = file.read_bytes()
    for spoiled in (b"", content[:2000], b"\x80\x04" + content[2:]):
        file.write_bytes(spoiled)
        with pytest.raises(DataError, match=r"bloodmnist\.npz is no readable file of MedMNIST"):
            read(medmnist(tmp_path), "train", 0)
    file.write_bytes(content[:300] + b"\0" * 50 + content[350:])  # in the images of training
    with pytest.raises(DataError, match=r"bloodmnist\.npz is no readable file of MedMNIST"):
        read(medmnist(tmp_path), "train", *range(8))
    with pytest.raises(DataError, match=r"other\.npz is no readable file"):
        MedMnist(image_size=28, seed=0, root=tmp_path, name="other")


def test_people_with_few_faces_are_counted_and_passed_over(tmp_path: Path) -> None:
    keeping.wild(tmp_path)
    source = Lfw(image_size=16, seed=0, root=tmp_path, least_images=4)
    assert source.classes == ("Ada_L", "Emmy_N")
    assert source.identities("train", np.array([0, 7])).tolist() == [0, 1]
    assert source.names("train")[4] == "Emmy_N/Emmy_N_0001.jpg"
    assert source.notices() == (
        "1 file in `lfw_funneled` passed over: in no folder of a class.",
        "1 person passed over, of fewer than 4 images.",
    )
    assert Lfw(image_size=16, seed=0, root=tmp_path / "lfw-py/lfw_funneled", least_images=1).classes[2] == "Rosa_P"
    with pytest.raises(DataError, match="holds no images"):
        Lfw(image_size=16, seed=0, root=tmp_path, least_images=5)
