"""What may stand beside a row of features: a class, or a list of numbers; each strictly checked."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor
from torch.utils.dlpack import from_dlpack

from collab.tasks import CLASS, LISTS, TargetKind


@dataclass(frozen=True)
class Targets:
    """Targets of `outputs` numbers: `class` is one label in [0, outputs), int16; the others are fp32 lists.

    Which numbers these may be stands in `collab.tasks.LISTS`.
    """

    kind: TargetKind
    outputs: int

    @property
    def is_list(self) -> bool:
        """Whether a row has a list of numbers, and not a label."""
        return self.kind != CLASS

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the target of one row."""
        return (self.outputs,) if self.is_list else ()

    @property
    def row_bytes(self) -> int:
        """Bytes of the target of one row."""
        return 4 * self.outputs if self.is_list else 2

    @property
    def bins(self) -> int:
        """Entries of a histogram: the rows of each class; of lists, how many rows there are."""
        return 1 if self.is_list else self.outputs

    @property
    def type(self) -> pa.DataType:
        """The Arrow type of the column."""
        return pa.list_(pa.field("item", pa.float32(), nullable=False), self.outputs) if self.is_list else pa.int16()

    def empty(self, rows: int) -> np.ndarray:
        """Room for the targets of `rows`, as they are stored."""
        return np.empty((rows, *self.shape), dtype=np.float32 if self.is_list else np.int16)

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
            return f"labels reach from {low} to {high}; there are {self.outputs} classes" if wrong else ""
        allowed = LISTS[self.kind]
        is_right = bool(np.isfinite(values).all()) and allowed.low <= low <= high <= allowed.high
        is_right = is_right and not (allowed.are_whole and (values != np.round(values)).any())
        return "" if is_right else allowed.mistake

    def fits(self, values: np.ndarray) -> bool:
        """Whether targets [rows, ...] have the right shape and numbers."""
        return values.shape[1:] == self.shape and values.dtype.kind in ("f" if self.is_list else "iu")

    def histogram(self, values: np.ndarray) -> np.ndarray:
        """How often each class comes up; of lists, how many there are."""
        return np.array([len(values)]) if self.is_list else np.bincount(values, minlength=self.outputs)

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
