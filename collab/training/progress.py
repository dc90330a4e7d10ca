"""How a stage tells how far it is, and keeps what it needs to go on after its process was killed."""

import os
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SECONDS_BETWEEN = 10.0
"""Seconds between two checkpoints: a kill costs no more than that, and writing them a thousandth of it."""

Tell = Callable[[int, int, float, Mapping[str, float]], None]
"""Called after each epoch with its number (from 1), the number of epochs, the mean loss, and those of its terms."""


def _nobody(epoch: int, epochs: int, loss: float, terms: Mapping[str, float]) -> None:
    """Hears nothing."""


@dataclass
class Progress:
    """Hears of each epoch; `folder` (private to whose stage it is) keeps checkpoints under `name`, None keeps none.

    A stage may minimize several times in a fixed order: each has its own file, and its own curve of mean losses, whole
    even if the stage was killed on the way; `terms` are the means of the parts of the loss, where it has any, in the
    last epoch of the last one. Whoever plays the stage calls `forget` once its results are kept, and hears
    by `noted`, once, that none could be written.
    """

    told: Tell = _nobody
    folder: Path | None = None
    name: str = ""
    seconds_between: float = field(default_factory=lambda: SECONDS_BETWEEN)
    noted: Callable[[str], None] = lambda text: None
    curves: list[list[float]] = field(default_factory=list, init=False)
    terms: Mapping[str, float] = field(default_factory=dict, init=False)
    _has_noted: bool = field(default=False, init=False)

    def checkpoint(self) -> "Checkpoint":
        """That of the next minimization of this stage."""
        self.curves.append([])
        path = None if self.folder is None else self.folder / f"{self.name}-{len(self.curves)}.pt"
        return Checkpoint(path, self.seconds_between, self.curves[-1], self._note_once)

    def _note_once(self, text: str) -> None:
        if not self._has_noted:
            self._has_noted = True
            self.noted(text)

    def tell(self, epoch: int, epochs: int, loss: float, terms: Mapping[str, float]) -> None:
        """Says that `epoch` (from 1) of `epochs` ended with this mean loss, and these of its terms."""
        if self.curves:
            self.curves[-1].append(loss)
        self.told(epoch, epochs, loss, terms)

    def forget(self) -> None:
        """Removes the checkpoints of this stage, also such as a killed process had not finished."""
        if self.folder is not None:
            for path in (*self.folder.glob(f"{self.name}-*.pt"), *self.folder.glob(f"{self.name}-*.tmp")):
                path.unlink(missing_ok=True)


class Checkpoint:
    """The state of one minimization after its last epoch that was kept."""

    def __init__(
        self, path: Path | None, seconds_between: float, curve: list[float], note: Callable[[str], None]
    ) -> None:
        self._path, self._seconds, self._curve, self._note = path, seconds_between, curve, note
        self._last = time.monotonic()

    def load(self) -> dict[str, Any] | None:
        """What was kept; None if nothing was, or if it cannot be read (a torn disk costs time, never a result)."""
        if self._path is None or not self._path.is_file():
            return None
        import torch

        try:
            state: dict[str, Any] = torch.load(self._path, weights_only=True, map_location="cpu")
        except Exception:
            self._path.unlink(missing_ok=True)
            return None
        self._curve[:] = state.get("means", [])
        return state

    def save(self, state: Callable[[], dict[str, Any]]) -> None:
        """Keeps `state()`, whole or not at all, unless the last time was just now."""
        if self._path is None or time.monotonic() - self._last < self._seconds:
            return
        import torch

        kept, temporary = state(), self._path.with_suffix(f".{uuid.uuid4().hex}.tmp")
        try:
            with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                torch.save(kept, file)
            os.replace(temporary, self._path)
        except (OSError, RuntimeError) as cause:  # the latter is what torch makes of a disk that fills up on the way
            reason = str(cause).partition("\n")[0]
            self._note(f"goes on without a checkpoint, and would begin anew if it were killed. {self._path}: {reason}")
        finally:
            temporary.unlink(missing_ok=True)
        self._last = time.monotonic()
