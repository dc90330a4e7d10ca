"""What the oracle found of each image that an attack was tried on: a file in its private folder for each attack."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from zipfile import BadZipFile

import numpy as np

from collab.errors import StoreError
from collab.store.files import open_regular, place_file
from collab.store.pictures import judged_file

_TEXTS = ("attacker", "attack", "victim", "answers")


@dataclass(frozen=True)
class Judged:
    """One attack on one victim, image by image: `rows` [n] are numbers of the victim's own images, from 0.

    `scores` by name, in fp64. Of images [n]: `ssim_max` and, with a recognizer, `pdist` of what was rebuilt, the same
    with `_open` behind it of what plain features show, and with `_guess` of the guess that is best on the average. Of
    matches: `rank` [n] of the true image among so many `candidates` [1]. Of members: `member` [n], and `other` [m] of
    images that are not the victim's. `needs_module` says that the adversary has the victim's module.
    """

    attacker: str
    attack: str
    victim: str
    answers: str
    needs_module: bool
    rows: np.ndarray
    scores: Mapping[str, np.ndarray]


def write_judged(folder: Path, judged: Judged) -> None:
    """Keeps it in `folder`, beside the pictures of the same attack."""
    texts = {name: np.array(getattr(judged, name)) for name in _TEXTS}
    scores = {f"score {name}": np.asarray(values, np.float64) for name, values in judged.scores.items()}

    def write(file: BinaryIO) -> None:
        np.savez(file, allow_pickle=False, needs_module=judged.needs_module, rows=judged.rows, **texts, **scores)

    beside = Path(judged_file(judged.attacker, judged.attack, judged.victim))
    place_file(
        folder, beside.with_suffix(".npz").name, write, what="what an attack found", mode=0o600, is_durable=False
    )


def read_judged(folder: Path, victim: str) -> list[Judged]:
    """All that was kept in `folder` of attacks on `victim`, by attack and attacker; StoreError for a broken file."""
    found = [_read(path) for path in sorted(folder.glob("judged_*.npz"))]
    return sorted((each for each in found if each.victim == victim), key=lambda each: (each.attack, each.attacker))


def _read(path: Path) -> Judged:
    try:
        with open_regular(path) as file, np.load(file, allow_pickle=False) as parts:
            texts: dict[str, Any] = {name: str(parts[name]) for name in _TEXTS}
            scores = {name.removeprefix("score "): parts[name] for name in parts.files if name.startswith("score ")}
            return Judged(**texts, needs_module=bool(parts["needs_module"]), rows=parts["rows"], scores=scores)
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as cause:
        raise StoreError(f"{path} is not what an attack found: {cause}. Play the judge stage again.") from cause
