"""Weights from elsewhere: read whole and finite, or refused with the reason; nothing in them runs."""

import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from collab.errors import StoreError
from collab.store.weights_file import read_weights

MOST = 1 << 20
TENSORS = {"x": torch.arange(6.0).view(2, 3), "count": torch.tensor(7)}


def saved(path: Path, tensors: dict[str, Any], **metadata: str) -> Path:
    save_file(tensors, path, metadata)
    return path


def published(folder: Path, content: object, name: str = "net") -> tuple[Path, str]:
    """A file of torch's, called as torchvision calls its own."""
    torch.save(content, folder / "new.pth")
    sha256 = hashlib.sha256((folder / "new.pth").read_bytes()).hexdigest()[:8]
    return (folder / "new.pth").rename(folder / f"{name}-{sha256}.pth"), sha256


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.float32])
def test_numbers_of_any_type_come_as_fp32_with_digest_and_license(dtype: torch.dtype, tmp_path: Path) -> None:
    path = saved(tmp_path / "net.safetensors", {**TENSORS, "x": TENSORS["x"].to(dtype)}, license="CC0-1.0")
    found = read_weights(path, most_bytes=MOST)
    assert torch.equal(found.tensors["x"], TENSORS["x"])
    assert (found.tensors["x"].dtype, found.tensors["count"].item()) == (torch.float32, 7)
    assert (found.license, found.sha256) == ("CC0-1.0", hashlib.sha256(path.read_bytes()).hexdigest())


def test_a_file_that_says_nothing_has_no_license(tmp_path: Path) -> None:
    assert read_weights(saved(tmp_path / "net.safetensors", TENSORS), most_bytes=MOST).license is None


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (torch.tensor([1.0, float("nan")]), "not finite"),
        (torch.tensor([1.0, float("inf")]), "not finite"),
        (torch.tensor([1e300], dtype=torch.float64), "not finite"),  # in fp32, which a network has
        (torch.tensor([True]), "of type torch.bool"),
        (torch.tensor([1j]), "of type torch.complex64"),
    ],
)
def test_what_is_no_finite_number_is_refused(value: torch.Tensor, words: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=f"x .*{words}"):
        read_weights(saved(tmp_path / "net.safetensors", {"x": value}), most_bytes=MOST)


def test_hostile_files_are_refused(tmp_path: Path) -> None:
    whole = saved(tmp_path / "net.safetensors", TENSORS).read_bytes()
    header = json.dumps({"x": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 4]}}).encode()
    lies = {
        "short": whole[:-1],
        "long": whole + b"x",
        "header": (1 << 60).to_bytes(8, "little") + whole[8:],
        "shape": len(header).to_bytes(8, "little") + header + bytes(4),
        "pickle": pickle.dumps(TENSORS["x"].tolist()),
        "empty": b"",
    }
    for name, content in lies.items():
        path = tmp_path / f"{name}.safetensors"
        path.write_bytes(content)
        with pytest.raises(StoreError, match="is no safetensors file"):
            read_weights(path, most_bytes=MOST)
    with pytest.raises(StoreError, match="have more than 16 bytes"):
        read_weights(tmp_path / "net.safetensors", most_bytes=16)
    (tmp_path / "link.safetensors").symlink_to(tmp_path / "net.safetensors")
    with pytest.raises(StoreError, match="links"):
        read_weights(tmp_path / "link.safetensors", most_bytes=MOST)


def test_a_file_of_torchvisions_is_read_with_the_names_that_its_modules_have_now(tmp_path: Path) -> None:
    old = {"features.denseblock1.denselayer2.norm.1.weight": torch.ones(2), "classifier.bias": torch.zeros(2)}
    path, sha256 = published(tmp_path, old)
    assert list(read_weights(path, most_bytes=MOST, sha256=sha256).tensors) == [
        "features.denseblock1.denselayer2.norm1.weight",
        "classifier.bias",
    ]


class Shouts:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("this ran",)


def test_no_pickle_runs_and_only_the_published_one_is_opened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, sha256 = published(tmp_path, {"x": Shouts()})
    with pytest.raises(StoreError, match="holds more than tensors"):
        read_weights(path, most_bytes=MOST, sha256=sha256)
    with pytest.raises(StoreError, match="pickle of unknown origin"):
        read_weights(path, most_bytes=MOST)
    with pytest.raises(StoreError, match=r"its name says 12345678\.\.\.: it was altered"):
        read_weights(path, most_bytes=MOST, sha256="12345678")
    path, sha256 = published(tmp_path, [torch.ones(2)], "list")
    with pytest.raises(StoreError, match="something else than tensors by name"):
        read_weights(path, most_bytes=MOST, sha256=sha256)
    assert capsys.readouterr().out == ""
