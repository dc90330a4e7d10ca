"""Pictures to look at: held-out images and what a reconstructor makes of them, one file for each entity. Torch-free."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from collab.errors import StoreError
from collab.store.files import open_regular, place_file

FILE = "heldout.npz"


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


def write_pictures(folder: Path, pictures: Pictures) -> None:
    """Puts `heldout.npz` into `folder`, whole or not at all; equal pictures give equal bytes."""
    arrays = {name: np.asarray(value) for name, value in asdict(pictures).items()}
    place_file(folder, FILE, lambda file: np.savez_compressed(file, allow_pickle=False, **arrays), what="the pictures")


def read_pictures(folder: Path) -> Pictures | None:
    """What `write_pictures` left; None if there is nothing, StoreError if it is something else."""
    path = folder / FILE
    try:
        with open_regular(path) as file, np.load(file, allow_pickle=False) as found:
            parts: dict[str, Any] = {name: found[name] for name in found.files}
        return _checked(parts)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, EOFError, BadZipFile) as cause:
        raise StoreError(f"{path} holds no pictures: {cause}. Play the poison stage of that entity again.") from cause


def _checked(parts: Mapping[str, Any]) -> Pictures:
    found = Pictures(**{**parts, "metric": str(parts["metric"]), "heldout": int(parts["heldout"])})
    count = len(found.rows)
    for images in (found.original, found.from_original, found.from_poisoned):
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[:2] != (count, 3):
            raise ValueError(f"{images.dtype} {images.shape} for {count} images")
    if any(len(part) != count for part in (found.labels, found.is_worst, found.ssim_original, found.ssim_poisoned)):
        raise ValueError(f"not {count} of everything")
    return found
