"""Weights from elsewhere: read strictly, since whoever made the file is nobody of the run."""

import hashlib
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from collab.errors import StoreError
from collab.store.files import open_regular

DENSE_LAYER = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12])\.")
"""Names that torchvision's files of DenseNets have from before its modules were renamed, and that it renames too."""


@dataclass(frozen=True)
class Weights:
    """Tensors by name, on the CPU, floating ones in fp32; the sha256 of their file; the license that it states."""

    tensors: dict[str, Tensor]
    sha256: str
    license: str | None


def read_weights(path: Path, *, most_bytes: int, sha256: str = "") -> Weights:
    """The tensors of a safetensors file, or of torchvision's own `.pth`, whose sha256 begins with `sha256`.

    A `.pth` is unpickled only after its digest was found to be the published one, and nothing in it may be code.
    Raises StoreError for a file of more than `most_bytes`, for a link, for what is no such file, for another digest,
    and for tensors that are no finite numbers.
    """
    try:
        with open_regular(path) as file:
            content = file.read(most_bytes + 1)
    except OSError as cause:
        raise StoreError(f"the weights {path} cannot be read: {cause.strerror}.") from cause
    if len(content) > most_bytes:
        raise StoreError(f"the weights {path} have more than {most_bytes:,} bytes, more than this network could need.")
    digest = hashlib.sha256(content).hexdigest()
    if not digest.startswith(sha256):
        raise StoreError(f"{path} has sha256 {digest}, its name says {sha256}...: it was altered. Fetch it again.")
    if path.suffix == ".pth":
        if not sha256:
            raise StoreError(f"{path} is a pickle of unknown origin. Convert it to safetensors.")
        tensors, stated = _unpickle(content, path), None
    else:
        try:
            tensors = load(content)
        except (SafetensorError, KeyError) as cause:  # KeyError: of a type that torch does not have
            raise StoreError(f"{path} is no safetensors file: {cause}.") from cause
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        stated = header.get("__metadata__", {}).get("license", "")[:200] or None
    return Weights({name: _finite(name, value, path) for name, value in tensors.items()}, digest, stated)


def _unpickle(content: bytes, path: Path) -> dict[str, Tensor]:
    try:
        found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as cause:  # whatever a pickle can do wrong
        raise StoreError(f"{path} holds more than tensors, or is no file of torch: {cause}.") from cause
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise StoreError(f"{path} holds something else than tensors by name.")
    return {DENSE_LAYER.sub(r"\1\2.", str(name)): value for name, value in found.items()}


def _finite(name: str, value: Tensor, path: Path) -> Tensor:
    if not value.is_floating_point():
        if value.is_complex() or value.dtype == torch.bool:
            raise StoreError(f"{path}: {name} is of type {value.dtype}; weights are numbers.")
        return value
    number = value.float()
    if not number.isfinite().all():
        raise StoreError(f"{path}: {name} holds numbers that are not finite. No network can be made of it.")
    return number
