"""Released networks: safetensors and a JSON card that holds their digest."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from collab.errors import StoreError
from collab.store.files import json_bytes, open_regular, place_file, read_json
from collab.store.names import check_name


def write_release(
    folder: Path, name: str, state: Mapping[str, Tensor], card: Mapping[str, Any], *, is_durable: bool = True
) -> str:
    """Writes `<name>.safetensors`, then `<name>.json`: `card` with the former's `sha256`, which is returned.

    Equal tensors give equal bytes, whatever their device or layout. After a loss of power both are there, unless they
    need not be (`is_durable`). Raises StoreError if something cannot be written.
    """
    what = f"the released {check_name(name)}"
    # cloned: safetensors refuses tensors that share memory or are not contiguous, channels last for one
    plain = {key: value.detach().cpu().clone(memory_format=torch.contiguous_format) for key, value in state.items()}
    content = save(plain)
    digest = hashlib.sha256(content).hexdigest()
    text = json_bytes({**card, "sha256": digest}, what=f"the card of {what}")
    place_file(folder, f"{name}.safetensors", lambda file: file.write(content), what=what, is_durable=is_durable)
    place_file(folder, f"{name}.json", lambda file: file.write(text), what=f"the card of {what}", is_durable=is_durable)
    return digest


def read_release(folder: Path, name: str, digest: str | None = None) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors, on the CPU, and the card of `name`.

    Raises StoreError if there is no such network, or if it is not the one its card names, or not the one of `digest`.
    """
    path = folder / f"{check_name(name)}.safetensors"
    try:
        card = read_json(path.with_suffix(".json"), what="card")
        with open_regular(path) as file:
            content = file.read()
    except FileNotFoundError as error:
        raise StoreError(f"no network {name!r} was released in {folder}: there is no {error.filename}.") from error
    sha256 = hashlib.sha256(content).hexdigest()
    for source, asked in (("its card", card.get("sha256")), ("who asks", digest or sha256)):
        if sha256 != asked:
            raise StoreError(f"{path} has sha256 {sha256}, {source} says {asked}: it was altered. Release it again.")
    try:
        return load(content), card
    except SafetensorError as error:
        raise StoreError(f"{path} is no safetensors file: {error}.") from error
