"""Pictures to look at: held-out images and what a reconstructor makes of them, files of each entity. Torch-free."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from collab.errors import StoreError
from collab.store.files import Placed, open_regular, place_file

FILE = "heldout.npz"
SHEET = "sheet.npz"


@dataclass(frozen=True)
class Pictures:
    """Some of `heldout` images, the worst ones first: most alike their reconstruction from poisoned features.

    `original`, `from_original` (R of the features as they are) and `from_poisoned` are uint8 [n, 3, H, W]; `rows` are
    numbers of the held-out set, `is_worst` tells the worst from those about the median, both SSIMs are of `metric`.
    """

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

    def __len__(self) -> int:
        return len(self.rows)


def judged_file(attacker: str, attack: str, victim: str) -> str:
    """The file in the oracle's private folder with some true and rebuilt images of an attack: uint8 [2, n, 3, H, W]."""
    return f"judged_{hashlib.sha256(f'{attacker} {attack} {victim}'.encode()).hexdigest()[:16]}.npy"


def write_pictures(folder: Path, pictures: Pictures) -> Placed:
    """Puts `heldout.npz` into `folder`, whole or not at all; equal pictures give equal bytes."""
    return _write(folder, FILE, pictures)


def read_pictures(folder: Path) -> Pictures | None:
    """What `write_pictures` left; None if there is nothing, StoreError if it is something else."""
    parts = _read(folder / FILE, "poison")
    return None if parts is None else Pictures(**{**parts, "heldout": int(parts["heldout"])})


def write_sheet(folder: Path, sheet: Sheet, name: str = SHEET) -> Placed:
    """Puts `sheet.npz`, or the file of that name, into `folder`."""
    return _write(folder, name, sheet)


def read_sheet(folder: Path, name: str = SHEET) -> Sheet | None:
    """What `write_sheet` left; None if there is nothing, StoreError if it is something else."""
    parts = _read(folder / name, "disclose")
    return None if parts is None else Sheet(**{**parts, "gallery": int(parts["gallery"])})


def _write(folder: Path, name: str, pictures: Pictures | Sheet) -> Placed:
    arrays = {part: np.asarray(value) for part, value in asdict(pictures).items()}
    return place_file(
        folder, name, lambda file: np.savez_compressed(file, allow_pickle=False, **arrays), what="the pictures"
    )


def _read(path: Path, stage: str) -> dict[str, Any] | None:
    try:
        with open_regular(path) as file, np.load(file, allow_pickle=False) as found:
            parts: dict[str, Any] = {name: found[name] for name in found.files}
        return _checked(parts, {*(Sheet if stage == "disclose" else Pictures).__dataclass_fields__})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, EOFError, BadZipFile) as cause:
        raise StoreError(f"{path} holds no pictures: {cause}. Play the {stage} stage of that entity again.") from cause


def _checked(parts: Mapping[str, Any], fields: set[str]) -> dict[str, Any]:
    if parts.keys() != fields:
        raise ValueError(f"{', '.join(sorted(parts.keys() ^ fields))}: missing or unknown")
    found = {**parts, "metric": str(parts["metric"])}
    count = len(found["rows"])
    for name, part in parts.items():
        if name in ("original", "from_original", "from_poisoned"):
            if part.dtype != np.uint8 or part.ndim != 4 or part.shape[:2] != (count, 3):
                raise ValueError(f"{part.dtype} {part.shape} for {count} images")
        elif part.ndim and len(part) != count:
            raise ValueError(f"not {count} of everything")
    return found
