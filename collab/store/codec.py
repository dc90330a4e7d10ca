"""How a row of features becomes numbers of a file and comes back: the codec of a store."""

from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.dlpack import from_dlpack

CodecName = Literal["float32", "float16", "bfloat16", "int8"]


@dataclass(frozen=True)
class Codec:
    """One codec: the Arrow type of a value, the bits that it is viewed as, the largest feature, what it reads as.

    `infinity` is infinity as an integer of those bits: without the sign, all finite values lie below it and all NaNs
    above. A quantized codec has none, and two more numbers for each row.
    """

    value: pa.DataType
    bits: torch.dtype
    largest: float
    reads_as: torch.dtype
    infinity: int | None
    is_quantized: bool = False


CODECS: dict[str, Codec] = {
    "float32": Codec(pa.float32(), torch.int32, float.fromhex("0x1.fffffep127"), torch.float32, 0x7F800000),
    "float16": Codec(pa.float16(), torch.uint16, 65504.0, torch.float16, 0x7C00),
    "bfloat16": Codec(pa.uint16(), torch.uint16, float.fromhex("0x1.fep127"), torch.bfloat16, 0x7F80),
    "int8": Codec(pa.uint8(), torch.uint8, 1e37, torch.float32, None, is_quantized=True),
}
"""The codecs by name. Arrow has no bfloat16. Quantized rows stay far from float32's end: no difference overflows."""

QUANTIZED = ("low", "step")
"""Columns of a quantized shard beside the others: a stored q means low + step * q."""


def quantize(
    x: Float[Tensor, "rows channel height width"],
) -> tuple[Tensor, Float[Tensor, " rows"], Float[Tensor, " rows"]]:
    """q [uint8, as x], low and step of each row: 256 even steps from its least to its largest feature."""
    flat = x.float().flatten(1)
    low, high = flat.amin(1), flat.amax(1)
    step = (high - low) / 255
    q = (flat - low[:, None]) / torch.where(step > 0, step, torch.ones_like(step))[:, None]
    return q.round_().clamp_(0, 255).to(torch.uint8).view(x.shape), low, step


def restore(q: Tensor, low: Tensor, step: Tensor) -> Tensor:
    """Features of quantized rows, float32; at most half a step from what they were."""
    per_row = (-1, *[1] * (q.dim() - 1))
    return torch.addcmul(low.view(per_row), q.float(), step.view(per_row))


def store_and_read(x: Tensor, codec: str) -> Tensor:
    """Features [rows, channel, height, width] as a reader of a shard would get them, on the CPU."""
    if CODECS[codec].is_quantized:
        return restore(*quantize(x.cpu()))
    return x.to("cpu", CODECS[codec].reads_as)


def encode(x: Tensor, codec: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The values of rows as they lie in a file, flat, and the codec's further columns; x is as `reads_as` has it."""
    if CODECS[codec].is_quantized:
        q, low, step = quantize(x)
        return q.numpy().reshape(-1), dict(zip(QUANTIZED, (low.numpy(), step.numpy()), strict=True))
    return x.view(CODECS[codec].bits).numpy().reshape(-1), {}


def stored_parts(batch: Any, codec: str, shape: tuple[int, int, int]) -> tuple[Tensor, ...]:
    """What a record batch holds of its rows, each part [rows, ...]: views of its memory."""
    values = from_dlpack(batch.column("x").storage.values)
    if CODECS[codec].is_quantized:
        return values.view(-1, *shape), *(from_dlpack(batch.column(name)) for name in QUANTIZED)
    return (values.view(CODECS[codec].reads_as).view(-1, *shape),)


def read_parts(parts: tuple[Tensor, ...], codec: str) -> Tensor:
    """Features [rows, channel, height, width] of `stored_parts`, a view of them where nothing is computed."""
    return restore(*parts) if CODECS[codec].is_quantized else parts[0]


def is_finite(batch: Any, codec: str) -> bool:
    """Whether no feature of a record batch is NaN or infinite, and quantized rows are within what may be written."""
    stored = CODECS[codec]
    if stored.infinity is None:
        low, step = (batch.column(name).to_numpy().astype(np.float64) for name in QUANTIZED)
        most = np.maximum(np.abs(low), np.abs(low + 255 * step))
        return bool(((step >= 0) & (most <= 1.01 * stored.largest)).all())  # NaN compares as false
    bits = batch.column("x").storage.values.to_numpy().view(f"u{stored.bits.itemsize}")
    return int((bits & (1 << 8 * stored.bits.itemsize - 1) - 1).max()) < stored.infinity


def row_bytes(codec: str, shape: tuple[int, ...]) -> int:
    """Bytes of a row's features."""
    return CODECS[codec].bits.itemsize * prod(shape) + 4 * len(QUANTIZED) * CODECS[codec].is_quantized
