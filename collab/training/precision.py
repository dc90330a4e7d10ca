"""Where and how arithmetic is done: device and compute type; resolved once, written into the run record.

Imports torch only to compute, and to ask for a GPU where there may be one: who plans a run needs no more than names.
"""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from collab.errors import ResourceError

if TYPE_CHECKING:
    import torch
    from torch import nn

Network = TypeVar("Network", bound="nn.Module")
Precision = Literal["auto", "bf16", "fp32"]
Determinism = Literal["strict", "fast"]

SWITCH = "COLLAB_FAST_BF16"
"""A switch for tests: `1` or `0` in this environment variable says whether `auto` takes bf16, whatever the hardware.

So one machine plays what another would. It stands in a run's record; Ray's workers inherit it from the driver.
"""

CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Compute:
    """A device and the type in which networks are evaluated on it, by name; losses and metrics are always fp32.

    `determinism` fast lets a GPU round products of fp32 to TF32 and choose kernels by their speed; its results are
    other ones, and differ from run to run. `graphs`: steps whose kernels never change are replayed as CUDA graphs,
    which changes no bit.
    """

    device_type: Literal["cpu", "cuda"]
    float_type: Literal["bfloat16", "float32"]
    determinism: Determinism = "strict"
    graphs: bool = False

    @property
    def device(self) -> "torch.device":
        """The device."""
        import torch

        return torch.device(self.device_type)

    def autocast(self) -> AbstractContextManager[None]:
        """Mixed precision for the networks' forward passes; does nothing in fp32."""
        import torch

        return torch.autocast(
            self.device_type, dtype=getattr(torch, self.float_type), enabled=self.float_type != "float32"
        )

    def place(self, net: Network) -> Network:
        """`net` itself, on the device, its convolutions' weights channels last."""
        import torch

        net.to(self.device)
        net.to(memory_format=torch.channels_last)
        return net

    @contextmanager
    def lane(self) -> Iterator[None]:
        """On a GPU a stream of its own for what is computed inside, unless there is one already.

        It begins when all that was asked for before has ended, and what follows waits for it.
        """
        import torch

        if self.device_type != "cuda" or torch.cuda.current_stream() != torch.cuda.default_stream():
            yield
            return
        outside, inside = torch.cuda.current_stream(), torch.cuda.Stream()  # type: ignore[no-untyped-call]
        inside.wait_stream(outside)
        with torch.cuda.stream(inside):
            yield
        outside.wait_stream(inside)

    def __str__(self) -> str:
        """What results depend on; stages are kept under it."""
        words = self.device_type, self.float_type, "fast" if self.determinism == "fast" else ""
        return " ".join(words).strip()


def resolve_compute(
    precision: Precision,
    device: Literal["auto", "cpu", "cuda"],
    *,
    determinism: Determinism = "strict",
    graphs: Literal["auto", "off"] = "auto",
) -> Compute:
    """The device and type of this machine: bf16 only where hardware multiplies it faster than fp32.

    On Intel's CPUs that is AMX: with AVX512-BF16 alone bf16 convolutions were 0.6 to 1.0 times as fast as fp32. With
    AMD's (Zen 4) a whole run took 0.7 to 0.8 of the time (docs/performance.md).
    A CPU is always strict, and has no graphs: `fast` would change no bit there. On a GPU this sets torch's switches.
    Raises ResourceError for `cuda` where there is none.
    """
    sees_cuda = device != "cpu" and _sees_cuda()
    if device == "cuda" and not sees_cuda:
        raise ResourceError(
            "device `cuda` was asked for, and torch sees no CUDA device here. Use `--device cpu` or `auto`."
        )
    device_type: Literal["cpu", "cuda"] = "cuda" if sees_cuda else "cpu"
    is_bf16 = precision == "bf16" or (precision == "auto" and _has_fast_bf16(device_type))
    float_type: Literal["bfloat16", "float32"] = "bfloat16" if is_bf16 else "float32"
    if device_type == "cpu":
        return Compute(device_type, float_type)
    import torch

    is_fast = determinism == "fast"
    torch.backends.cudnn.benchmark = is_fast
    torch.backends.cudnn.deterministic = not is_fast
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = is_fast
    return Compute(device_type, float_type, determinism, graphs == "auto")


def _sees_cuda() -> bool:
    """Whether torch sees a GPU; it is not imported for that where neither CUDA's driver is nor AMD's."""
    if "torch" not in sys.modules and not Path("/dev/kfd").exists():
        try:
            ctypes.CDLL("libcuda.so.1")
        except OSError:
            return False
    import torch

    return torch.cuda.is_available()


def _has_fast_bf16(device: str) -> bool:
    if (switch := os.environ.get(SWITCH)) is not None:
        if switch not in ("0", "1"):
            raise ResourceError(f"the environment variable {SWITCH} is {switch!r}. It may be 0 or 1; or unset it.")
        return switch == "1"
    if device == "cuda":
        import torch

        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    facts = CPUINFO.read_text() if CPUINFO.is_file() else ""
    return " amx_bf16" in facts or ("AuthenticAMD" in facts and " avx512_bf16" in facts)
