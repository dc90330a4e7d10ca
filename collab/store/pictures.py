"""Pictures to look at: held-out images and what a reconstructor makes of them, files of each entity. Torch-free."""

import hashlib
import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, TypeVar
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.lib.format import read_array

from collab.errors import StoreError
from collab.store.files import Placed, open_regular, place_file

Kind = TypeVar("Kind", "Pictures", "Sheet", "Exhibit")


@dataclass(frozen=True)
class Pictures:
    """Some of `heldout` images, the worst ones first: most alike their reconstruction from poisoned features.

    `original`, `from_original` (R of the features as they are) and `from_poisoned` are uint8 [n, 3, H, W]; `rows` are
    numbers of the held-out set, `is_worst` tells the worst from those about the median, both SSIMs are of `metric`.
    """

    file: ClassVar = "heldout.npz"
    stage: ClassVar = "poison"

    metric: str
    heldout: int
    rows: np.ndarray
    labels: np.ndarray
    is_worst: np.ndarray
    ssim_original: np.ndarray
    ssim_poisoned: np.ndarray
    original: np.ndarray
    from_original: np.ndarray
    from_poisoned: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Sheet:
    """A few held-out images, the same for all entities whatever they look like, and where each is found again.

    Ranks are those by pixels in a gallery of so many images; NaN where it is too small for ranks to say anything.
    """

    file: ClassVar = "sheet.npz"
    stage: ClassVar = "disclose"

    metric: str
    gallery: int
    rows: np.ndarray
    ssim_original: np.ndarray
    ssim_poisoned: np.ndarray
    rank_original: np.ndarray
    rank_poisoned: np.ndarray
    original: np.ndarray
    from_original: np.ndarray
    from_poisoned: np.ndarray


@dataclass(frozen=True)
class Exhibit:
    """What others make of a few held-out images that an entity published, and a map of what it publishes.

    uint8 [n, 3, H, W]: images of numbers `rows`, and R of their features as they are and as published; what each of
    `decoders` rebuilt is `decoded` [decoders, n, 3, H, W]. `positions` [m, 2] are where t-SNE puts the published
    features of the first m held-out images, for which `is_true` [m, attributes] says which of `attributes` each has.
    """

    file: ClassVar = "exhibit.npz"
    stage: ClassVar = "expose"

    rows: np.ndarray
    original: np.ndarray
    from_original: np.ndarray
    from_published: np.ndarray
    decoders: np.ndarray
    decoded: np.ndarray
    attributes: np.ndarray
    positions: np.ndarray
    is_true: np.ndarray


def judged_file(attacker: str, attack: str, victim: str) -> str:
    """The file in the oracle's private folder with some true and rebuilt images of an attack: uint8 [2, n, 3, H, W]."""
    return f"judged_{hashlib.sha256(f'{attacker} {attack} {victim}'.encode()).hexdigest()[:16]}.npy"


def compared_file(attacker: str, victim: str) -> str:
    """The file there with true images of a victim above what each attack of an adversary rebuilt of them: a PNG."""
    return f"compared_{attacker}_{victim}.png"


def write_pictures(folder: Path, pictures: Pictures | Sheet | Exhibit, name: str = "") -> Placed:
    """Puts them into `folder` as the file of their kind, or as `name`; equal pictures give equal bytes."""
    arrays = {part: np.asarray(value) for part, value in asdict(pictures).items()}

    def write(file: BinaryIO) -> None:
        np.savez_compressed(file, allow_pickle=False, **arrays)

    return place_file(folder, name or pictures.file, write, what="the pictures")


def read_pictures(folder: Path, kind: type[Kind], name: str = "") -> Kind | None:
    """What `write_pictures` left in `folder`; None if there is nothing, StoreError if it is something else."""
    path = folder / (name or kind.file)
    try:
        with open_regular(path) as file, ZipFile(file) as packed:  # numpy opens each array twice, of each entity
            parts: dict[str, Any] = {
                name.removesuffix(".npy"): read_array(io.BytesIO(packed.read(name)), allow_pickle=False)
                for name in packed.namelist()
            }
        return kind(**_check(parts, {part.name: str(part.type) for part in fields(kind)}))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, EOFError, BadZipFile) as cause:
        stage = kind.stage
        raise StoreError(f"{path} holds no pictures: {cause}. Play the {stage} stage of that entity again.") from cause


def _check(parts: Mapping[str, Any], kinds: Mapping[str, str]) -> dict[str, Any]:
    """The parts as their dataclass says them, if images are images and there are as many of everything."""
    if parts.keys() != kinds.keys():
        raise ValueError(f"{', '.join(sorted(parts.keys() ^ kinds.keys()))}: missing or unknown")
    count = len(parts["rows"])
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(
        ("original", "from_original", "from_poisoned", "from_published"), (count, 3)
    )
    if "decoders" in parts:
        shapes["decoded"] = (len(parts["decoders"]), count, 3)
        placed = len(parts["positions"])
        if parts["positions"].shape != (placed, 2) or parts["is_true"].shape != (placed, len(parts["attributes"])):
            raise ValueError(f"{parts['positions'].shape} places for {parts['is_true'].shape} attributes")
    for name, shape in shapes.items():
        if name in parts and (parts[name].dtype != np.uint8 or parts[name].shape[:-2] != shape):
            raise ValueError(f"{parts[name].dtype} {parts[name].shape} for {count} images")
    of_rows = parts.keys() - shapes.keys() - {"decoders", "attributes", "positions", "is_true"}
    if any(parts[name].ndim and len(parts[name]) != count for name in of_rows):
        raise ValueError(f"not {count} of everything")
    plain = {"str": str, "int": int}
    return {name: plain[kinds[name]](part) if kinds[name] in plain else part for name, part in parts.items()}
