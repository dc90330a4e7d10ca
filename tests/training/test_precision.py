"""What `precision: auto` comes to: what the hardware multiplies fast, or what a test says that it does."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from collab.errors import ResourceError
from collab.training import precision
from collab.training.precision import SWITCH, resolve_compute


@pytest.mark.parametrize(("stated", "float_type"), [("0", "float32"), ("1", "bfloat16")])
def test_the_switch_decides_what_auto_is_and_nothing_else(
    stated: str, float_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SWITCH, stated)
    assert resolve_compute("auto", "cpu").float_type == float_type
    assert resolve_compute("fp32", "cpu").float_type == "float32"
    assert resolve_compute("bf16", "cpu").float_type == "bfloat16"


@pytest.mark.parametrize(
    ("vendor", "flags", "float_type"),
    [
        ("GenuineIntel", "avx512_bf16", "float32"),
        ("GenuineIntel", "avx512_bf16 amx_bf16 amx_tile", "bfloat16"),
        ("AuthenticAMD", "avx512f avx512_bf16", "bfloat16"),
        ("AuthenticAMD", "avx2", "float32"),
    ],
)
def test_without_the_switch_the_processor_decides(
    vendor: str, flags: str, float_type: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"vendor_id : {vendor}\nflags : fpu {flags}\n")
    monkeypatch.delenv(SWITCH, raising=False)
    monkeypatch.setattr(precision, "CPUINFO", cpuinfo)
    assert resolve_compute("auto", "cpu").float_type == float_type


@pytest.mark.parametrize("stated", ["", "yes", "bf16"])
def test_another_value_of_the_switch_is_refused(stated: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCH, stated)
    with pytest.raises(ResourceError, match=f"COLLAB_FAST_BF16 is '{stated}'. It may be 0 or 1"):
        resolve_compute("auto", "cpu")


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A GPU with native bf16, as far as `resolve_compute` asks; torch's switches are put back afterward."""
    monkeypatch.delenv(SWITCH, raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    before = [getattr(switches, name) for switches, name in SWITCHES]
    yield
    for (switches, name), value in zip(SWITCHES, before, strict=True):
        setattr(switches, name, value)


SWITCHES = (
    (torch.backends.cudnn, "benchmark"),
    (torch.backends.cudnn, "deterministic"),
    (torch.backends.cuda.matmul, "allow_tf32"),
    (torch.backends.cudnn, "allow_tf32"),
)


@pytest.mark.usefixtures("gpu")
def test_strict_after_fast_sets_every_switch_back() -> None:
    for determinism, expected in (("strict", [0, 1, 0, 0]), ("fast", [1, 0, 1, 1]), ("strict", [0, 1, 0, 0])):
        compute = resolve_compute("fp32", "auto", determinism=determinism)  # type: ignore[arg-type]
        assert compute.device.type == "cuda"
        assert [getattr(switches, name) for switches, name in SWITCHES] == expected


@pytest.mark.usefixtures("gpu")
def test_fast_results_have_a_name_of_their_own_on_a_gpu_and_graphs_have_none() -> None:
    names = {
        (determinism, graphs): str(resolve_compute("auto", "cuda", determinism=determinism, graphs=graphs))  # type: ignore[arg-type]
        for determinism in ("strict", "fast")
        for graphs in ("auto", "off")
    }
    assert names["strict", "auto"] == names["strict", "off"] == "cuda bfloat16"
    assert names["fast", "auto"] == names["fast", "off"] == "cuda bfloat16 fast"
    assert resolve_compute("auto", "cuda").graphs
    assert not resolve_compute("auto", "cuda", graphs="off").graphs


def test_a_cpu_is_strict_whatever_is_stated() -> None:
    assert resolve_compute("fp32", "cpu", determinism="fast") == resolve_compute("fp32", "cpu")
    assert not resolve_compute("fp32", "cpu").graphs
