"""Where things lie in a run directory, and what the decode stage left there."""

import hashlib
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from collab.errors import EntityError
from collab.scenario.model import Refinement
from collab.store.private import private_folder
from collab.store.remote import COPIES, RemoteStore
from collab.store.shelves import shelf_at, uri_of_run
from collab.store.signing import Signer, trust_of
from collab.store.store import Store

if TYPE_CHECKING:
    from torch import Tensor

    from collab.training.feeds import ImageSet


class Layout:
    """Where things lie in a run directory; `reader` is who looks, and `elsewhere` where stores are, if not there.

    What the reader publishes is signed by the private key in the file `signing_key`, if that is given.
    """

    def __init__(self, run: Path, reader: str, elsewhere: str | None, signing_key: Path | None = None) -> None:
        self.run, self._reader, self._elsewhere, self._signing_key = run, reader, elsewhere, signing_key
        self.release = run / "release"
        """Public networks."""
        self.modules = run / "modules"
        """Fitted defenses of entities that release them, against the paper's advice."""
        self.weights = run / "weights"
        """Weights of C that entities exchange in federated averaging, a folder for each, and their averages."""
        self.heldout = run / "heldout"
        """Held-out images of the private classes, on which everything is scored; they belong to no entity."""
        self.public = run / "public"
        """Images of the public classes Q."""
        self.pictures = run / "pictures"
        """A folder for each entity: held-out images and what the released R makes of their features; for the report."""
        self.answers = run / "answers" / reader
        """What each held-out image got in what this reader scored; for the report."""

    @cached_property
    def store(self) -> Store:
        """What entities published; remembers what it has verified."""
        trust, signer = trust_of(self.run), Signer(self._signing_key) if self._signing_key else None
        if self._elsewhere is None:
            return Store(self.run / "store", trust, signer)
        copy = private_folder(self.run, self._reader) / COPIES
        return RemoteStore(self.run / "store", copy, shelf_at(uri_of_run(self._elsewhere, self.run)), trust, signer)

    def handed(self, adversary: str) -> Path:
        """What the oracle has handed to an adversary of the truth of others, since its class has it; private to it."""
        return private_folder(self.run / "handed", adversary)


def name_decider(row: Refinement) -> str:
    """Under which name an entity keeps the C that a row has trained; rows may have long names."""
    return f"decider_{hashlib.sha256(str(row.name).encode()).hexdigest()[:16]}"


def map_images(folder: Path) -> np.ndarray:
    """The images [n, 3, side, side] of uint8 that the decode stage left in `folder`, mapped, not read."""
    return np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)


def load_images(folder: Path) -> "ImageSet":
    """What the decode stage left in `folder`, its images mapped, not read."""
    from collab.training.feeds import ImageSet

    labels, groups = (load_numbers(folder, name) for name in ("labels", "groups"))
    if labels is None:
        raise EntityError(f"{folder} has images without labels. Play its decode stage again.")
    return ImageSet(map_images(folder), labels, groups)


def load_numbers(folder: Path, name: str) -> np.ndarray | None:
    """What the decode stage left in `folder` about each image under a name; None if nothing was asked."""
    file = folder / f"{name}.npy"
    return np.load(file, allow_pickle=False) if file.exists() else None


def load_people(folder: Path) -> "Tensor | None":
    """Whom the images of a folder show, as numbers [rows] from 0 without gaps; None if nothing was asked."""
    import torch

    identities = load_numbers(folder, "identities")
    return None if identities is None else torch.from_numpy(np.unique(identities, return_inverse=True)[1])
