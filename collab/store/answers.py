"""What each held-out image got, compactly: whether it was answered right, its error, or its scores.

    answers/<participant>/<digest>.parquet      one score of one job, named by the digest of what it holds
    answers.parquet                             those of a whole run, beside the results that they belong to

Held-out images belong to nobody and every participant has them: an answer says how well a network did on a public test
image, a part of the figure that results print anyway, and nothing of anybody's own images.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from collab.errors import StoreError
from collab.store.tables import VERSION_KEY, read_table, write_table

AnswerKind = Literal["hits", "errors", "scores"]

Key = tuple[str, str, str]
"""Row, entity (empty where it is nobody's) and metric of the result that answers belong to."""


@dataclass(frozen=True, eq=False)
class Answers:
    """What each image got in each repeat of one training.

    `values` are bool [repeats, images] where they are `hits`, fp16 [repeats, images] where `errors`, and fp16
    [repeats, images, attributes] where `scores`; these have `truth`, bool [images, attributes]. `images` names the
    held-out images by a digest: answers with the same are pairs, image by image; empty where that is not known.
    """

    kind: AnswerKind
    values: np.ndarray
    truth: np.ndarray | None = None
    images: str = ""
    digest: str = field(init=False, default="")

    def __post_init__(self) -> None:
        dimensions = 3 if self.kind == "scores" else 2
        type_of = np.bool_ if self.kind == "hits" else np.float16
        if self.values.ndim != dimensions or self.values.dtype != type_of or 0 in self.values.shape:
            raise StoreError(f"answers: {self.kind} of type {self.values.dtype} and shape {self.values.shape}.")
        truth = None if self.truth is None else (self.truth.dtype, self.truth.shape)
        if truth != ((np.dtype(np.bool_), self.values.shape[1:]) if self.kind == "scores" else None):
            raise StoreError(f"answers: {self.kind} of shape {self.values.shape} with another truth.")
        parts = [self.kind.encode(), str(self.values.shape).encode(), *map(bytes, self._packed.values())]
        object.__setattr__(self, "digest", hashlib.sha256(b"\n".join(parts)).hexdigest())

    @property
    def repeats(self) -> int:
        """How many trainings answered."""
        return self.values.shape[0]

    @property
    def count(self) -> int:
        """How many images were asked about."""
        return self.values.shape[1]

    @cached_property
    def _packed(self) -> Mapping[str, bytes]:
        values = np.packbits(self.values) if self.kind == "hits" else self.values.astype("<f2")
        truth = b"" if self.truth is None else np.packbits(self.truth).tobytes()
        return {"values": values.tobytes(), "truth": truth}

    def row(self) -> dict[str, Any]:
        """The columns of a table of answers, but for those that say whose they are."""
        return {"images": self.images, "kind": self.kind, "shape": list(self.values.shape), **self._packed}

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> "Answers":
        """What `row` made columns of; StoreError if they do not fit each other."""
        kind, shape = row["kind"], tuple(row["shape"])
        try:
            if kind == "hits":
                values = _unpack(row["values"], shape)
            else:
                values = np.frombuffer(row["values"], "<f2").astype(np.float16).reshape(shape)
            truth = _unpack(row["truth"], shape[1:]) if kind == "scores" else None
        except ValueError as cause:
            raise StoreError(f"answers: {kind} of shape {shape} do not fit their bytes: {cause}.") from cause
        return cls(kind, values, truth, row["images"])


_KEY = ("row", "entity", "metric")
_TYPES = {"images": pa.string(), "kind": pa.string(), "shape": pa.list_(pa.int32())}
_TYPES |= {"values": pa.binary(), "truth": pa.binary()}
_ONE, _ALL = (
    pa.schema([pa.field(name, kind, nullable=False) for name, kind in types.items()], metadata={VERSION_KEY: "1"})
    for types in (_TYPES, dict.fromkeys(_KEY, pa.string()) | _TYPES)
)


def place_answers(folder: Path, answers: Answers) -> str:
    """Puts answers into `folder` under their digest, which is returned; equal answers are one file."""
    path = _file(folder, answers.digest)
    if not path.exists():
        write_table(path, _ONE, [answers.row()], what="answers")
    return answers.digest


def take_answers(folder: Path, digest: str) -> Answers:
    """The answers of a digest in `folder`; StoreError if there are none, or others."""
    rows = read_table(_file(folder, digest), _ONE, what="answers")
    if len(rows) != 1 or (found := Answers.of_row(rows[0])).digest != digest:
        raise StoreError(f"answers: {_file(folder, digest)} holds others than its name says. Play its stage again.")
    return found


def count_bytes(folder: Path, digest: str) -> int:
    """The size of the file of a digest in `folder`."""
    return _file(folder, digest).stat().st_size


def write_answers(path: Path, answers: Mapping[Key, Answers]) -> None:
    """Replaces the table at `path` by all answers of a run, by the results that they belong to."""
    rows = [dict(zip(_KEY, key, strict=True)) | each.row() for key, each in answers.items()]
    write_table(path, _ALL, rows, what="the answers")


def read_answers(path: Path) -> dict[Key, Answers]:
    """What `write_answers` put there; nothing where there is no file, as of a run from before answers were kept."""
    if not path.exists():
        return {}
    rows = read_table(path, _ALL, what="the answers")
    return {(row["row"], row["entity"], row["metric"]): Answers.of_row(row) for row in rows}


def _file(folder: Path, digest: str) -> Path:
    if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        raise StoreError(f"answers: {digest!r} is no digest.")
    return folder / f"{digest}.parquet"


def _unpack(packed: bytes, shape: tuple[int, ...]) -> np.ndarray:
    count = int(np.prod(shape))
    bits = np.frombuffer(packed, np.uint8)
    if len(bits) != -(-count // 8):
        raise ValueError(f"{len(bits)} bytes for {count} bits")
    return np.unpackbits(bits, count=count).astype(np.bool_).reshape(shape)
