"""Small sets of images as their owners keep them, each under the name of the root that docs/images.md gives it."""

import io
import json
import pickle
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet
from scipy.io import savemat


def draw(number: int, side: int = 16) -> Image.Image:
    """Noise that is another for each number."""
    return Image.fromarray(np.random.default_rng(number).integers(0, 255, (side, side, 3), dtype=np.uint8))


def encode(number: int, kind: str = "PNG") -> bytes:
    """Image `number` as the content of a file."""
    file = io.BytesIO()
    draw(number).save(file, kind)
    return file.getvalue()


def save(path: Path, number: int) -> None:
    """Image `number` as a file, whose folder need not be there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draw(number).save(path)


def _save_classes(folder: Path, first: int) -> None:
    for number in range(first, first + 8):
        save(folder / ("cat", "dog")[number % 2] / f"{number}.png", number)


def photos(root: Path, test: str = "test") -> None:
    """Folders of classes in two splits."""
    _save_classes(root / "train", 0)
    _save_classes(root / test, 8)


def classes(root: Path) -> None:
    """Folders of classes, no split."""
    _save_classes(root, 0)


def ilsvrc(root: Path) -> None:
    """As torchvision unpacks it."""
    photos(root, "val")


def hub(root: Path) -> None:
    """Shards of Parquet."""
    (root / "data").mkdir(parents=True)
    for split, first in (("train", 0), ("test", 8)):
        for shard in range(2):
            numbers = range(first + 4 * shard, first + 4 * shard + 4)
            images = [{"bytes": encode(number), "path": None} for number in numbers]
            table = pa.table({"image": images, "label": [number % 2 for number in numbers]})
            parquet.write_table(table, root / f"data/{split}-{shard:05d}-of-00002.parquet")


def table(root: Path) -> None:
    """One Parquet file."""
    root.mkdir()
    columns = {"image": [encode(number) for number in range(8)], "finding": ["clear", "crack"] * 4}
    parquet.write_table(pa.table(columns), root / "images.parquet")


def _list_images(folder: Path, numbers: range) -> Iterator[tuple[str, str]]:
    for number in numbers:
        save(folder / f"{number}.png", number)
        yield f"{number}", ("clear", "crack")[number % 2]


def listed(root: Path) -> None:
    """A CSV file beside its images."""
    rows = "".join(f"{name}.png,{label}\n" for name, label in _list_images(root, range(8)))
    (root / "images.csv").write_text("path,finding\n" + rows)


def names(root: Path) -> None:
    """Lists of names, images in another folder."""
    (root / "lists").mkdir(parents=True)
    rows = "".join(f"{name},{label}\n" for name, label in _list_images(root / "photos", range(8)))
    (root / "lists/train.csv").write_text("image,label\n" + rows)
    image, label = zip(*_list_images(root / "photos", range(8, 16)), strict=True)
    parquet.write_table(pa.table({"image": image, "label": label}), root / "lists/test.parquet")


def cifar(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CIFAR-10 of 8 images; torchvision knows the digests of the real one, and is told to ask for none."""
    from torchvision import datasets

    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    for seed, name in enumerate(("data_batch_1", "test_batch")):
        pixels = np.random.default_rng(seed).integers(0, 255, (4, 3072), dtype=np.uint8)
        (folder / name).write_bytes(pickle.dumps({"data": pixels, "labels": [0, 1, 1, 0]}))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": ["plane", "car"]}))
    monkeypatch.setattr(datasets.CIFAR10, "train_list", [["data_batch_1", None]])
    monkeypatch.setattr(datasets.CIFAR10, "test_list", [["test_batch", None]])
    monkeypatch.setattr(datasets.CIFAR10, "meta", {"filename": "batches.meta", "key": "label_names", "md5": None})


def digits(root: Path, kind: str = "MNIST") -> None:
    """MNIST and its siblings: four files of a short head and bytes (magic number, sizes, values)."""
    folder = root / kind / "raw"
    folder.mkdir(parents=True)
    for seed, piece in enumerate(("train", "t10k")):
        pixels = np.random.default_rng(seed).integers(0, 255, (20, 28, 28), dtype=np.uint8)
        head = np.array([0x803, 20, 28, 28], ">i4").tobytes()
        (folder / f"{piece}-images-idx3-ubyte").write_bytes(head + pixels.tobytes())
        labels = (np.arange(20) % 10).astype(np.uint8)
        (folder / f"{piece}-labels-idx1-ubyte").write_bytes(np.array([0x801, 20], ">i4").tobytes() + labels.tobytes())


def numbers(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SVHN of 20 and 10 images; its label of the digit 0 is 10."""
    from torchvision import datasets

    root.mkdir()
    for seed, (split, count) in enumerate({"train": 20, "test": 10}.items()):
        pixels = np.random.default_rng(seed).integers(0, 255, (32, 32, 3, count), dtype=np.uint8)
        savemat(root / f"{split}_32x32.mat", {"X": pixels, "y": np.arange(count)[:, None] % 10 + 1})
    files = {split: ["", f"{split}_32x32.mat", None] for split in ("train", "test")}
    monkeypatch.setattr(datasets.SVHN, "split_list", files)


def flowers(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flowers-102 with one training image of each class, the last two of them for validation, and one test image."""
    from torchvision import datasets

    for number in range(1, 104):
        save(root / f"flowers-102/jpg/image_{number:05d}.jpg", number)
    ids = {"trnid": np.arange(1, 101), "valid": [101, 102], "tstid": [103, 1]}
    savemat(root / "flowers-102/setid.mat", ids)
    savemat(root / "flowers-102/imagelabels.mat", {"labels": [*range(1, 103), 7]})
    files = {"image": ("", None), "label": ("imagelabels.mat", None), "setid": ("setid.mat", None)}
    monkeypatch.setattr(datasets.Flowers102, "_file_dict", files)


def sat(root: Path) -> None:
    """EuroSAT."""
    _save_classes(root / "eurosat/2750", 0)


def wild(root: Path) -> None:
    """LFW: two people with four images, one with one."""
    folder = root / "lfw-py/lfw_funneled"
    for number in range(9):
        name = ("Ada_L", "Emmy_N", "Rosa_P")[number // 4]
        save(folder / name / f"{name}_{number % 4 + 1:04d}.jpg", number)
    (folder / "pairs_01.txt").write_text("300")


def cells(root: Path, **changed: object) -> None:
    """BloodMNIST of 28 px: arrays of three splits in one file."""
    root.mkdir(exist_ok=True)
    arrays: dict[str, object] = {}
    for seed, (piece, count) in enumerate({"train": 8, "val": 2, "test": 4}.items()):
        pixels = np.random.default_rng(seed).integers(0, 255, (count, 28, 28, 3), dtype=np.uint8)
        arrays |= {f"{piece}_images": pixels, f"{piece}_labels": np.arange(count, dtype=np.uint8)[:, None] % 4}
    np.savez_compressed(root / "bloodmnist.npz", **arrays | changed)  # type: ignore[arg-type]


def scans(root: Path) -> None:
    """DICOM in folders of classes, 12 bits in 16."""
    pytest.importorskip("pydicom", reason="pip install 'collab[dicom]'")
    from tests.data.test_dicom import dicom

    for number in range(8):
        file = root / ("clear", "crack")[number % 2] / f"{number}.dcm"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(dicom(np.random.default_rng(number).integers(0, 4096, (20, 16)).astype(np.uint16)))


def microscope(root: Path) -> None:
    """TIFF of 12 bits in 16 in folders of classes."""
    for number in range(8):
        file = root / ("clear", "crack")[number % 2] / f"{number}.tif"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(number).integers(0, 4096, (20, 16)).astype(np.uint16)).save(file)


def pack(path: Path, members: dict[str, bytes]) -> None:
    """A tar file of `members` by name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def tars(root: Path) -> None:
    """WebDataset: two tar files for training, one for tests, with labels as text and as JSON."""
    for shard, numbers in enumerate((range(4), range(4, 8), range(8, 12))):
        members: dict[str, bytes] = {}
        for number in numbers:
            label = ("clear", "crack")[number % 2]
            members |= {f"{number:04d}.png": encode(number), f"{number:04d}.cls": label.encode()}
            members[f"{number:04d}.json"] = json.dumps({"finding": number % 2}).encode()
        pack(root / ("test-0.tar" if shard == 2 else f"train-{shard:03d}.tar"), members)


def saved(root: Path) -> None:
    """Two splits as `save_to_disk` of `datasets` writes them; image k is that of `encode(k)`, all in another order."""
    datasets = pytest.importorskip("datasets", reason="pip install 'collab[hf]'")
    datasets.disable_progress_bars()
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    splits = {}
    for split, numbers in {"train": range(8), "test": range(8, 12)}.items():
        columns = {"image": [{"bytes": encode(number), "path": None} for number in numbers]}
        made = datasets.Dataset.from_dict(columns | {"label": [number % 2 for number in numbers]}, features)
        splits[split] = made.select(range(len(numbers))[::-1])
    datasets.DatasetDict(splits).save_to_disk(str(root))
