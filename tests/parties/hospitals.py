"""Three hospitals and a public folder as people have them: other sizes, modes, spellings, depths, classes, and files.

    python -m tests.parties.hospitals FOLDER CIFAR

writes them from real photographs, a folder of CIFAR-10 as `source: parquet` reads it (train.parquet).
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from collab.data.creatures import Creatures
from collab.data.source import Source

HOSPITALS: Mapping[str, Mapping[str, tuple[int, int]]] = {
    "A": {"cat": (3, 180), "deer": (4, 100), "dog": (5, 140), "frog": (6, 90), "horse": (7, 70)},
    "B": {"Cat": (3, 50), "Dog": (5, 40), "horse": (7, 30)},
    "C/Study": {"cats": (3, 80), "dog": (5, 80), "hörse": (7, 60)},
    "public": {"airplane": (0, 60), "automobile": (1, 60), "bird": (2, 60), "ship": (8, 60), "truck": (9, 60)},
}
"""Of each class of a folder, which class of the source it is and how many images there are."""

LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"


def write_hospitals(root: Path, source: Source, share: float = 1.0) -> None:
    """Writes the folders from a source of ten classes of 32 px; `share` of all images, for a test."""
    rng, labels = np.random.default_rng(0), source.labels("train")
    left = {label: list(np.flatnonzero(labels == label)) for label in range(10)}
    for folder, classes in HOSPITALS.items():
        number = 0
        for name, (label, count) in classes.items():
            (root / folder / name).mkdir(parents=True)
            rows = np.array([left[label].pop() for _ in range(max(4, round(share * count)))])
            for image in _take(source, np.sort(rows)):
                number += 1
                _save(image.transpose(1, 2, 0), root / folder / name / f"IMG_{number:05}", number, rng)
        (root / folder / "Thumbs.db").write_bytes(b"litter")


def break_some(root: Path) -> list[Path]:
    """Breaks four files in each hospital: an empty one, one cut off, a text, and a pointer of Git LFS."""
    broken = []
    for folder in list(HOSPITALS)[:3]:
        files = sorted((root / folder).rglob("IMG_*"))
        files = files[:: len(files) // 4][:4]
        whole = files[1].read_bytes()
        for file, text in zip(files, (b"", whole[: len(whole) * 9 // 10], b"no image", LFS_POINTER), strict=True):
            file.write_bytes(text)
            broken.append(file)
    return broken


def _take(source: Source, rows: np.ndarray) -> Iterator[np.ndarray]:
    for block in source.images("train", rows):
        yield from block


def _save(pixels: np.ndarray, file: Path, number: int, rng: np.random.Generator) -> None:
    """One image: 28 to 90 px wide and high, every 11th gray, every 13th with transparency, some endings in capitals."""
    wide, high = rng.integers(28, 91, 2).tolist()
    picture = Image.fromarray(np.ascontiguousarray(pixels)).resize((wide, high), Image.Resampling.BICUBIC)
    if number % 13 == 0:
        picture.convert("RGBA").save(file.with_suffix(".png"))
    else:
        kind, ending = "L" if number % 11 == 0 else "RGB", ".JPEG" if number % 2 else ".jpg"
        picture.convert(kind).save(file.with_suffix(ending), "JPEG", quality=92)


def draw(share: float, root: Path) -> None:
    """The same of drawn creatures, `share` of all images."""
    count = max(200, round(3600 * share))
    write_hospitals(root, Creatures(image_size=32, seed=0, classes=10, train=count, test=10), share)


if __name__ == "__main__":
    from collab.data.parquet import ParquetFiles

    folder, cifar = map(Path, sys.argv[1:])
    write_hospitals(
        folder,
        ParquetFiles(image_size=32, seed=0, root=cifar, train="train.parquet", test=None, image="image", label="label"),
    )
    print(*break_some(folder), sep="\n")
