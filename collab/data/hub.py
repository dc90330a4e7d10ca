"""A data set that the `datasets` package reads: of a hub, which it fetches, or in a folder that it saved."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8

from collab.data.decoding import Encoded, decode_all, digest_files
from collab.data.modes import Window
from collab.data.parquet_labels import (
    Column,
    agree_on_names,
    number_classes,
    read_column,
    refuse_classes_without_images,
)
from collab.data.source import Source, Split
from collab.data.words import say_names
from collab.errors import DataError, ResourceError

_URL = re.compile(r"hf://(\w[\w.-]*/\w[\w.-]*)@([\w./-]+)")
_BINARY = ("binary", "large_binary")
_ROWS_AT_ONCE = 64  # encoded images that are read together
_FIRST_WITHOUT_CODE = 4  # version of `datasets`; those before run a program that comes with the data


class HubSet(Source):
    """The splits `train` and `test` of `url`, `hf://owner/name@revision`, or of `root`, a folder of `save_to_disk`.

    A `url` is fetched where it is not yet in the cache of `datasets`; nothing else ever is. Without `test` there is
    one split alone. A class has the name that `ClassLabel` gives it, or that in the column, or else its number.
    """

    def __init__(
        self,
        *,
        image_size: int,
        seed: int,
        url: str | None,
        root: str | Path | None,
        config: str | None,
        train: str,
        test: str | None,
        image: str,
        label: str,
        window: Window | None = None,
    ) -> None:
        self._side, self._image, self._label, self._window = image_size, image, label, window
        self._url, self._root = url, None if root is None else Path(root)
        self._package = _import_datasets()
        sets = self._open(config)
        self._sets = dict[Split, Any]()
        wanted: dict[Split, str | None] = {"train": train, "test": test}
        for split, name in wanted.items():
            if name is not None and name not in sets:
                raise DataError(
                    f"{self._where} has no split {name!r}; it has {say_names(sorted(sets))}. Name them in `data.train` "
                    "and `data.test`, which is null, with `hold_out`, where no split is for tests."
                )
            self._sets[split] = None if name is None else sets[name]
        if train == test:
            raise DataError(f"`data.train` and `data.test` are one split, {train!r}: name another, or none.")
        columns = {split: [self._read_labels(split)] if opened else [] for split, opened in self._sets.items()}
        named = {f"{split} of {self._where}": tuple(getattr(opened.features[label], "names", None) or ())
                 for split, opened in self._sets.items() if opened}  # fmt: skip
        self.classes, self._labels = number_classes(columns, agree_on_names(named, label))
        refuse_classes_without_images(
            self.classes, self._labels["train"], f"split {train!r} of {self._where}", "Take another column or split."
        )

    def labels(self, split: Split) -> Int64[np.ndarray, " rows"]:
        """The label of every row."""
        return self._labels[split]

    def images(self, split: Split, rows: np.ndarray) -> Iterator[UInt8[np.ndarray, "batch 3 side side"]]:
        """Decodes `rows`, which `datasets` maps from its files."""
        return decode_all(self._read_images(split, rows), self._side, self._window)

    @property
    def column_names(self) -> tuple[str, ...]:
        """The columns of the training split but that of images."""
        return tuple(sorted(set(self._sets["train"].column_names) - {self._image}))

    def column(self, split: Split, name: str) -> list[Any]:
        """The value of every row in the column of that name."""
        return self._read_column(split, name).to_pylist() if self._sets[split] else []

    def digest(self) -> str:
        """Identity of what is stated and of the files that are mapped."""
        options = [
            self._side,
            self._image,
            self._label,
            self._url,
            self._window,
            [len(rows) for rows in self._labels.values()],
        ]
        return digest_files("hub", options, self._list_files())

    @property
    def _where(self) -> str:
        return self._url or str(self._root)

    def _open(self, config: str | None) -> Any:
        if (self._url is None) == (self._root is None):
            raise DataError("State one of `data.url`, hf://owner/name@revision, and `data.root`, a folder.")
        try:
            if self._url is None:
                sets = self._package.load_from_disk(str(self._root))
            else:
                name, revision = _read_url(self._url)
                sets = self._package.load_dataset(name, config, revision=revision)
            named = sets if isinstance(sets, dict) else {"train": sets}
            return {name: self._check(opened) for name, opened in named.items()}
        except DataError:
            raise
        except Exception as cause:  # the package's readers, and those of the network below, raise whatever they meet
            raise DataError(
                f"{self._where} is no data set that `datasets` reads: {cause}. `data.root` is a folder that "
                "`save_to_disk` wrote; images, Parquet files and lists in a folder have sources of their own."
            ) from cause

    def _check(self, opened: Any) -> Any:
        if missing := {self._image, self._label} - set(opened.column_names):
            raise DataError(
                f"{self._where} has no column {say_names(sorted(missing))}; it has {say_names(opened.column_names)}. "
                "Name the columns in `data.image` and `data.label`."
            )
        feature = opened.features[self._image]
        if not isinstance(feature, self._package.Image) and getattr(feature, "dtype", "") not in _BINARY:
            raise DataError(f"column {self._image!r} of {self._where} is {feature}; it must hold images.")
        folder = None if self._root is None else self._root.resolve()
        for file in opened.cache_files:
            if folder and folder not in Path(file["filename"]).resolve().parents:
                raise DataError(f"{self._where} refers to {file['filename']}, outside of its folder. Save it anew.")
        opened.data.validate(full=True)  # a damaged file is mapped all the same
        return opened

    def _read_column(self, split: Split, name: str) -> Any:
        return self._sets[split].select_columns([name]).with_format("arrow")[:].column(name)

    def _read_labels(self, split: Split) -> Column:
        return read_column(self._read_column(split, self._label), f"column {self._label!r} of {split} of {self._where}")

    def _read_images(self, split: Split, rows: np.ndarray) -> Iterator[Encoded]:
        if not len(rows):
            return
        column = self._sets[split].select_columns([self._image]).with_format("arrow")
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            some = rows[start : start + _ROWS_AT_ONCE].tolist()
            for row, value in zip(some, column[some].column(self._image), strict=True):
                where = f"row {row} of {split} of {self._where}"
                yield self._take_image(value.as_py(), where), where

    def _take_image(self, value: Any, where: str) -> bytes | Path | DataError:
        """The encoded image, or a file that the package fetched with the set."""
        encoded, path = (value.get("bytes"), value.get("path")) if isinstance(value, dict) else (value, None)
        if encoded is None and path and self._url:
            cache = Path(self._package.config.HF_CACHE_HOME).resolve()
            return Path(path) if cache in Path(path).absolute().parents else DataError(f"{where} names {path}.")
        return DataError(f"{where} holds no image. Repair or remove it.") if encoded is None else encoded

    def _list_files(self) -> list[Path]:
        return [Path(file["filename"]) for opened in self._sets.values() if opened for file in opened.cache_files]


def _read_url(url: str) -> tuple[str, str]:
    """The name, with its owner, and the revision."""
    if not (match := _URL.fullmatch(url)):
        raise DataError(f"`data.url` is {url!r}; it must be hf://owner/name@revision.")
    if Path(match[1]).exists():
        raise DataError(f"`datasets` would read the folder {match[1]} here in place of {url}. Run it from elsewhere.")
    return match[1], match[2]


def _import_datasets() -> Any:
    try:
        import datasets
    except ImportError as cause:
        raise ResourceError(
            "`source: hub` needs the package `datasets`, which does not import "
            f"({cause}). Install it: pip install 'collab[hf]'."
        ) from cause
    if int(datasets.__version__.partition(".")[0]) < _FIRST_WITHOUT_CODE:
        raise ResourceError(
            f"`datasets` {datasets.__version__} runs programs that come with data; {_FIRST_WITHOUT_CODE}.0 and later "
            "do not. Install one: pip install -U 'collab[hf]'."
        )
    datasets.disable_progress_bars()
    return datasets
