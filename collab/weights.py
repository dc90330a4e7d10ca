"""Pretrained weights: which file of this machine a scenario means, found without torch; nothing is ever downloaded."""

import hashlib
import json
import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from collab.errors import ScenarioError

IMAGENET = "imagenet"
TIMM = "timm:"
PATTERN = rf"^({IMAGENET}|{TIMM}[a-z0-9_]+(\.[a-z0-9_]+)?|.*\.safetensors)$"

Color = tuple[float, float, float]
"""A number for each of red, green and blue."""

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of the pixels of ImageNet, in [0, 1]: what torchvision's weights expect, and most others."""

TORCHVISIONS = "not stated by torchvision (BSD-3-Clause is its code's); ImageNet is for research and teaching alone"


@dataclass(frozen=True)
class WeightsFile:
    """A file of weights, the normalization that they expect, and the license that is stated beside them.

    `sha256` begins as here where the file's name says so.
    """

    path: Path
    mean: Color = IMAGENET_MEAN
    std: Color = IMAGENET_STD
    license: str | None = None
    sha256: str = ""


def find_weights(weights: str, backbone: str, published: str) -> WeightsFile:
    """The file that `model.weights` means for a backbone, of which torchvision has `published` the file of this name.

    Raises ScenarioError where it is not on this machine, and says which file that is and how to fetch it.
    """
    if weights == IMAGENET:
        return _find_of_torchvision(backbone, published)
    if weights.startswith(TIMM):
        return _find_of_timm(weights.removeprefix(TIMM))
    if not Path(weights).is_file():
        raise ScenarioError(f"there is no file {weights}")
    return WeightsFile(Path(weights))


def digest_weights(path: Path) -> str:
    """The sha256 of a file; one that has not changed since is not read again. ScenarioError where it cannot be."""
    try:
        state = path.stat()
        return _digest(path, state.st_mtime_ns, state.st_size)
    except OSError as cause:
        raise ScenarioError(f"model: the weights {path} cannot be read: {cause.strerror}.") from cause


@cache
def _digest(path: Path, changed: int, size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _find_of_torchvision(backbone: str, published: str) -> WeightsFile:
    if not published:
        raise ScenarioError(f"torchvision publishes no weights of {backbone}; name a file of your own, X.safetensors")
    home = os.environ.get("TORCH_HOME") or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache"), "torch")
    path = Path(home, "hub", "checkpoints", published).expanduser()
    if not path.is_file():
        name = published.partition("-")[0]
        raise ScenarioError(
            f'there is no file {path}, and nothing is downloaded unasked; fetch it with `python -c "from '
            f"torchvision.models import get_model; get_model('{name}', weights='DEFAULT')\"`"
        )
    sha256 = path.stem.rpartition("-")[2]
    return WeightsFile(path.resolve(), license=TORCHVISIONS, sha256=sha256)


def _find_of_timm(name: str) -> WeightsFile:
    """The repository timm/`name` in the cache of the Hugging Face hub, as `hf download` leaves it."""
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache"), "huggingface")
    hub = Path(os.environ.get("HF_HUB_CACHE") or Path(home, "hub")).expanduser()
    folder = hub / f"models--timm--{name}"
    try:
        revision = (folder / "refs" / "main").read_text(encoding="utf-8").strip()
        if not re.fullmatch(r"[0-9a-f]{40}", revision):
            raise FileNotFoundError
        snapshot = folder / "snapshots" / revision
        about = json.loads((snapshot / "config.json").read_text(encoding="utf-8"))
        expects = about["pretrained_cfg"]
        mean, std = (tuple(map(float, expects[key])) for key in ("mean", "std"))
        path = (snapshot / "model.safetensors").resolve(strict=True)
    except (OSError, ValueError, KeyError, TypeError) as cause:
        raise ScenarioError(
            f"there is no file model.safetensors with its config.json in {folder}, and nothing is downloaded unasked; "
            f"fetch them with `hf download timm/{name} model.safetensors config.json`"
        ) from cause
    if len(mean) != 3 or len(std) != 3 or not all(number > 0 for number in std):
        raise ScenarioError(f"{snapshot}/config.json states no mean and std of three colors; fetch it again")
    stated = expects.get("license")
    return WeightsFile(path, mean, std, stated[:200] if isinstance(stated, str) else None)
