"""What may stand beside a row: a class, a list of numbers, or which public image it is about; strictly checked."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor
from torch.utils.dlpack import from_dlpack

from collab.tasks import CLASS, LISTS, PUBLIC_ROW, TargetKind


@dataclass(frozen=True)
class Targets:
    """Targets of `outputs` numbers: `class` is one label in [0, outputs), int16; most others are fp32 lists.

    Which numbers these may be stands in `collab.tasks.LISTS`. `public_row` is the number of one of `outputs` public
    images, int32.
    """

    kind: TargetKind
    outputs: int

    @property
    def is_list(self) -> bool:
        """Whether a row has a list of numbers, and not a label."""
        return self.kind in LISTS

    @property
    def is_row(self) -> bool:
        """Whether a row has the number of a public image, and its values are an answer about it."""
        return self.kind == PUBLIC_ROW

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the target of one row."""
        return (self.outputs,) if self.is_list else ()

    @property
    def row_bytes(self) -> int:
        """Bytes of the target of one row."""
        return 4 * self.outputs if self.is_list else 4 if self.is_row else 2

    @property
    def bins(self) -> int:
        """Entries of a histogram: the rows of each class; of all else, how many rows there are."""
        return self.outputs if self.kind == CLASS else 1

    @property
    def type(self) -> pa.DataType:
        """The Arrow type of the column."""
        if self.is_list:
            return pa.list_(pa.field("item", pa.float32(), nullable=False), self.outputs)
        return pa.int32() if self.is_row else pa.int16()

    def empty(self, rows: int) -> np.ndarray:
        """Room for the targets of `rows`, as they are stored."""
        return np.empty((rows, *self.shape), dtype=self.type.to_pandas_dtype() if not self.is_list else np.float32)

    def room(self, rows: int) -> Tensor:
        """Room for the targets of `rows`, as they are read: int64 labels, or fp32 lists."""
        return torch.empty((rows, *self.shape), dtype=self.dtype)

    @property
    def dtype(self) -> torch.dtype:
        """The torch type of what is read."""
        return torch.float32 if self.is_list else torch.int64

    def mistake(self, values: np.ndarray) -> str:
        """What is wrong with the values of targets that have the right shape; nothing if nothing is."""
        if not len(values):
            return ""
        low, high = values.min(), values.max()
        if not self.is_list:
            wrong = low < 0 or high >= self.outputs
            what, of = ("public rows", "public images") if self.is_row else ("labels", "classes")
            return f"{what} reach from {low} to {high}; there are {self.outputs} {of}" if wrong else ""
        allowed = LISTS[self.kind]
        is_right = bool(np.isfinite(values).all()) and allowed.low <= low <= high <= allowed.high
        is_right = is_right and not (allowed.are_whole and (values != np.round(values)).any())
        return "" if is_right else allowed.mistake

    def fits(self, values: np.ndarray) -> bool:
        """Whether targets [rows, ...] have the right shape and numbers."""
        return values.shape[1:] == self.shape and values.dtype.kind in ("f" if self.is_list else "iu")

    def histogram(self, values: np.ndarray) -> np.ndarray:
        """How often each class comes up; of all else, how many there are."""
        return np.bincount(values, minlength=self.outputs) if self.kind == CLASS else np.array([len(values)])

    def column(self, values: np.ndarray) -> pa.Array:
        """Targets as a column."""
        if not self.is_list:
            return pa.array(values)
        return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(values).reshape(-1)), type=self.type)

    def has_nulls(self, column: pa.Array) -> bool:
        """Whether a target or a number of one is missing."""
        return bool(column.null_count or (self.is_list and column.values.null_count))

    def numbers(self, column: pa.Array, rows: int) -> np.ndarray:
        """A column without nulls [rows, ...]; ValueError if it has other numbers than a file of so many rows."""
        values: np.ndarray = (column.values if self.is_list else column).to_numpy()
        return values.reshape(rows, *self.shape)

    def tensor(self, column: pa.Array, rows: int) -> Tensor:
        """A checked column as a tensor on its memory, to be copied at once."""
        return from_dlpack(column.values if self.is_list else column).view(rows, *self.shape)
