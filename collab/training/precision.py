"""Where and how arithmetic is done: device, compute type, threads; resolved once, written into the run record."""

import os
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import torch
from torch import nn

from collab.errors import ResourceError

Network = TypeVar("Network", bound=nn.Module)
Precision = Literal["auto", "bf16", "fp32"]

SWITCH = "COLLAB_FAST_BF16"
"""A switch for tests: `1` or `0` in this environment variable says whether `auto` takes bf16, whatever the hardware.

So one machine plays what another would. It stands in a run's record; Ray's workers inherit it from the driver.
"""

CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Compute:
    """A device and the type in which networks are evaluated on it; losses and metrics are always fp32."""

    device: torch.device
    dtype: torch.dtype

    def autocast(self) -> AbstractContextManager[None]:
        """Mixed precision for the networks' forward passes; does nothing in fp32."""
        return torch.autocast(self.device.type, dtype=self.dtype, enabled=self.dtype != torch.float32)

    def place(self, net: Network) -> Network:
        """`net` itself, on the device, its convolutions' weights channels last."""
        net.to(self.device)
        net.to(memory_format=torch.channels_last)
        return net

    def __str__(self) -> str:
        return f"{self.device.type} {str(self.dtype).removeprefix('torch.')}"


def resolve_compute(precision: Precision, device: Literal["auto", "cpu", "cuda"]) -> Compute:
    """The device and type of this machine: bf16 only where hardware multiplies it faster than fp32.

    On CPUs that is AMX: without it bf16 convolutions were 0.6 to 1.0 times as fast as fp32 (2 cores with AVX512-BF16).
    Raises ResourceError for `cuda` where there is none.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ResourceError(
            "device `cuda` was asked for, and torch sees no CUDA device here. Use `--device cpu` or `auto`."
        )
    name = "cuda" if device == "cuda" or (device == "auto" and torch.cuda.is_available()) else "cpu"
    dtypes = {"bf16": torch.bfloat16, "fp32": torch.float32}
    chosen = dtypes[precision] if precision != "auto" else torch.bfloat16 if _has_fast_bf16(name) else torch.float32
    if name == "cuda":
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.deterministic = True
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    return Compute(torch.device(name), chosen)


def _has_fast_bf16(device: str) -> bool:
    if (switch := os.environ.get(SWITCH)) is not None:
        if switch not in ("0", "1"):
            raise ResourceError(f"the environment variable {SWITCH} is {switch!r}. It may be 0 or 1; or unset it.")
        return switch == "1"
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return CPUINFO.is_file() and " amx_bf16" in CPUINFO.read_text()
