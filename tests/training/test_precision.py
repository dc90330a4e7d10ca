"""What `precision: auto` comes to: what the hardware multiplies fast, or what a test says that it does."""

from pathlib import Path

import pytest
import torch

from collab.errors import ResourceError
from collab.training import precision
from collab.training.precision import SWITCH, resolve_compute


@pytest.mark.parametrize(("stated", "dtype"), [("0", torch.float32), ("1", torch.bfloat16)])
def test_the_switch_decides_what_auto_is_and_nothing_else(
    stated: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SWITCH, stated)
    assert resolve_compute("auto", "cpu").dtype == dtype
    assert resolve_compute("fp32", "cpu").dtype == torch.float32
    assert resolve_compute("bf16", "cpu").dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("flags", "dtype"), [("avx512_bf16", torch.float32), ("avx512_bf16 amx_bf16 amx_tile", torch.bfloat16)]
)
def test_without_the_switch_the_processor_decides(
    flags: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"flags : fpu {flags}\n")
    monkeypatch.delenv(SWITCH, raising=False)
    monkeypatch.setattr(precision, "CPUINFO", cpuinfo)
    assert resolve_compute("auto", "cpu").dtype == dtype


@pytest.mark.parametrize("stated", ["", "yes", "bf16"])
def test_another_value_of_the_switch_is_refused(stated: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCH, stated)
    with pytest.raises(ResourceError, match=f"COLLAB_FAST_BF16 is '{stated}'. It may be 0 or 1"):
        resolve_compute("auto", "cpu")
