"""Images in tar files as WebDataset keeps them: members of one name are a sample, `0001.jpg` and `0001.cls`."""

import json
import os
import sys
import tarfile
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from jaxtyping import Int64, UInt8

from collab.data.decoding import Encoded, decode_all, digest_files
from collab.data.listing import list_endings
from collab.data.modes import Window
from collab.data.parquet_labels import Column, number_classes, read_column, refuse_classes_without_images
from collab.data.shard_files import FileNames, find_files_of_splits
from collab.data.source import Source, Split
from collab.data.words import make_readable, say_count, say_names
from collab.errors import DataError

_MOST_BYTES = 1 << 30  # of an image
_MOST_LABEL_BYTES = 1 << 20
_BLOCK = 512  # bytes; a tar file consists of such blocks, and ends with zeros

_DAMAGED = (tarfile.TarError, OSError, ValueError, EOFError, OverflowError, RecursionError, MemoryError)


class _Place(NamedTuple):
    """Where a member's bytes lie in its file."""

    ending: str
    offset: int
    size: int


class _Sample(NamedTuple):
    name: str
    image: _Place
    label: str


class WebDataset(Source):
    """Tar files for each split; without `test` there is one split alone. Samples are in the order of the files.

    The image of a sample is its member with the ending `image`, or the one whose ending is an image's; its label the
    text of the member `label`, or with `json.KEY` that of KEY in the member `json`. Where members lie is read once,
    from their heads; nothing is unpacked. A row is named by its file and member: `train-000.tar/0001.jpg`.
    """

    def __init__(
        self,
        *,
        image_size: int,
        seed: int,
        root: str | Path,
        train: FileNames,
        test: FileNames | None,
        image: str | None,
        label: str,
        window: Window | None = None,
    ) -> None:
        self._side, self._root, self._window = image_size, Path(root), window
        self._image, self._label = image, label
        wanted: dict[Split, FileNames | None] = {"train": train, "test": test}
        self._paths = find_files_of_splits(self._root, wanted, ".tar")
        self._names: dict[Split, tuple[str, ...]] = dict.fromkeys(wanted, ())
        self._places: dict[Split, Int64[np.ndarray, "rows 3"]] = {}  # number of the file, offset, size
        columns = {split: [self._read_heads(split)] if paths else [] for split, paths in self._paths.items()}
        self.classes, self._labels = number_classes(columns, ())
        refuse_classes_without_images(
            self.classes, self._labels["train"], f"`data.train` in {root}", "Add one, or leave the class out."
        )

    def labels(self, split: Split) -> Int64[np.ndarray, " rows"]:
        """The label of every sample."""
        return self._labels[split]

    def names(self, split: Split) -> tuple[str, ...]:
        """The name of every row."""
        return self._names[split]

    def images(self, split: Split, rows: np.ndarray) -> Iterator[UInt8[np.ndarray, "batch 3 side side"]]:
        """Reads and decodes the images of `rows`, some at a time."""
        return decode_all(self._read_images(split, rows), self._side, self._window)

    def digest(self) -> str:
        """Identity of all files."""
        counts = [len(paths) for paths in self._paths.values()]
        options = [self._side, self._image, self._label, self._window, counts]
        return digest_files("webdataset", options, [path for paths in self._paths.values() for path in paths])

    def _read_heads(self, split: Split) -> Column:
        """Finds the samples of a split, and reads their labels."""
        names, places, labels = list[str](), list[tuple[int, int, int]](), list[str]()
        for number, path in enumerate(self._paths[split]):
            for sample in self._list_samples(path):
                names.append(f"{path.relative_to(self._root)}/{sample.name}.{sample.image.ending}")
                places.append((number, sample.image.offset, sample.image.size))
                labels.append(sys.intern(sample.label))
        self._names[split] = tuple(names)
        self._places[split] = np.array(places, dtype=np.int64).reshape(-1, 3)
        return read_column(pa.chunked_array([pa.array(labels, pa.string())]), f"`data.{split}` in {self._root}")

    def _read_images(self, split: Split, rows: np.ndarray) -> Iterator[Encoded]:
        """The encoded images; a file stays open as long as the next image is of it too."""
        for number, of_file in groupby(rows.tolist(), key=lambda row: int(self._places[split][row, 0])):
            path = self._paths[split][number]
            try:
                with path.open("rb") as file:
                    for row in of_file:
                        _, offset, size = self._places[split][row].tolist()
                        file.seek(offset)
                        yield file.read(size), make_readable(f"{self._root}/{self._names[split][row]}")
            except OSError as cause:
                raise DataError(f"{path} cannot be read: {cause.strerror}. Repair or remove it.") from cause

    def _list_samples(self, path: Path) -> Iterator[_Sample]:
        """The samples of a tar file. Raises DataError for one that has no image or label, and for hostile files."""
        ending, _, key = self._label.partition(".")
        try:
            with path.open("rb") as file:
                for name, members in _list_members(path, file.fileno()).items():
                    where = f"sample {make_readable(name)} of {path}"
                    image = self._find_image(members, where)
                    if ending not in members:
                        raise DataError(
                            f"{where} has no label: of `{ending}`, `data.label`, there is no member; it has "
                            f"{say_names(sorted(members))}."
                        )
                    yield _Sample(name, image, _read_label(file.fileno(), members[ending], key, where))
        except _DAMAGED as cause:
            why = str(cause) or type(cause).__name__
            raise DataError(f"{path} is no readable tar file: {why}. It may not be compressed.") from cause

    def _find_image(self, members: dict[str, _Place], where: str) -> _Place:
        endings = [ending for ending in members if ending == self._image or (
            self._image is None and f".{ending.rpartition('.')[2]}" in list_endings())]  # fmt: skip
        if len(endings) != 1:
            raise DataError(
                f"{where} has {say_count(len(endings), 'image')} among its members {say_names(sorted(members))}; "
                "one is needed. Name its ending in `data.image`."
            )
        image = members[endings[0]]
        if image.size > _MOST_BYTES:
            raise DataError(f"{where} has an image of {image.size:,} bytes. Make it smaller or remove it.")
        return image


def _list_members(path: Path, file: int) -> dict[str, dict[str, _Place]]:
    """The members by name and ending: what is before and behind the first dot of a file's name, folders before it."""
    samples: dict[str, dict[str, _Place]] = {}
    length, before = os.fstat(file).st_size, -1
    with tarfile.open(path, "r:") as tar:
        while (member := tar.next()) is not None:
            tar.members = []  # type: ignore[attr-defined]  # or it keeps all
            where = f"member {make_readable(member.name)} of {path}"
            if not member.isdir() and (not member.isreg() or member.issparse()):
                raise DataError(f"{where} is no plain file, but a link or a device. Pack the files themselves.")
            if not 0 <= member.size <= length - member.offset_data or not before < member.offset_data:
                raise DataError(f"{where} says that it lies where the file has no more bytes. Fetch it anew.")
            before = member.offset_data
            folder, slash, file_name = member.name.rpartition("/")
            name, dot, ending = file_name.partition(".")
            if not dot or not name or member.isdir():  # of macOS and of nobody
                continue
            sample = samples.setdefault(f"{folder}{slash}{name}", {})
            if ending.lower() in sample:
                raise DataError(f"{where} stands there twice. Each name counts once: pack it anew.")
            sample[ending.lower()] = _Place(ending.lower(), member.offset_data, member.size)
        if any(os.pread(file, _BLOCK, tar.offset)):  # tarfile stops in silence where it cannot read on
            raise DataError(f"{path} is damaged at byte {tar.offset:,}. Fetch it anew.")
    return samples


def _read_label(file: int, place: _Place, key: str, where: str) -> str:
    if place.size > _MOST_LABEL_BYTES:
        raise DataError(f"{where} has a label of {place.size:,} bytes.")
    try:
        text = os.pread(file, place.size, place.offset).decode().strip()
        if not key:
            return text
        value = json.loads(text)[key]
    except (ValueError, KeyError, TypeError, RecursionError) as cause:
        raise DataError(f"{where} has a `{place.ending}` that has no label {key}: {cause!r}.") from cause
    if not isinstance(value, str | int):
        raise DataError(f"{where} has {key} as {str(value)[:40]}; a label is a text, a whole number, or true or false.")
    return value if isinstance(value, str) else json.dumps(value)
