"""Folders in the temporary directory that do not outlive their process: what a killed one leaves, the next clears."""

import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path

PREFIX = "collab-"

_HELD = ".held-while-alive"
"""A file in each folder. Its maker holds a lock on it, which the system releases when the process ends, however."""

_SECONDS_TO_BEGIN = 60
"""A folder as young as this may not have got its lock yet."""

_TRIES = 20
"""How often a folder is removed, a tenth of a second apart, before what is left is left to the system."""

_ELSEWHERE = ("/tmp", "/var/tmp", "/dev/shm")


class Scratch:
    """A folder of this user alone (0700), for files that nobody needs when the process has ended, until `remove`.

    As a context it is its path.

    Its path has at most `most` bytes: where the temporary directory is too long, as that of some schedulers, it lies
    in another. Raises OSError if there is none.
    """

    def __init__(self, most: int = 4096) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=_parent(most)))
        self._held = os.open(self.path / _HELD, os.O_WRONLY | os.O_CREAT, 0o600)
        _lock(self._held)
        _clear(self.path.parent)

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *_: object) -> None:
        self.remove()

    def remove(self) -> None:
        """Removes the folder and all that lies in it, also what processes that are ending still put there."""
        for _ in range(_TRIES):
            shutil.rmtree(self.path, ignore_errors=True)
            if not self.path.exists():
                break
            time.sleep(0.1)
        os.close(self._held)


def _parent(most: int) -> str:
    places = [tempfile.gettempdir(), *_ELSEWHERE]
    longest = most - len(f"/{PREFIX}12345678")  # so much does `mkdtemp` add
    for place in places:
        if len(os.fsencode(place)) <= longest and os.access(place, os.W_OK | os.X_OK):
            return place
    raise OSError(f"none of {', '.join(places)} can be written and has at most {longest} characters")


def _clear(parent: Path) -> None:
    """Removes the folders of this user there whose makers have died."""
    for marker in parent.glob(f"{PREFIX}*/{_HELD}"):
        try:
            status = marker.stat()
            if status.st_uid != os.geteuid() or time.time() - status.st_mtime < _SECONDS_TO_BEGIN:
                continue
            descriptor = os.open(marker, os.O_WRONLY | os.O_NOFOLLOW)
        except OSError:  # it was removed meanwhile
            continue
        try:
            if _lock(descriptor):
                shutil.rmtree(marker.parent, ignore_errors=True)
        finally:
            os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Whether the lock of a file is ours now; never where the file system has none."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
