"""The folder of an entity that nobody else may read."""

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from collab.errors import BoundaryError
from collab.store.names import check_name


def private_folder(run: Path, entity: str) -> Path:
    """`run/private/<entity>`, made if it is not there; afterward it and `run/private` are 0700 and belong to this user.

    Raises BoundaryError if that cannot be had, if either is a link, or if it would lie inside a store.
    """
    folder = run / "private" / check_name(entity)
    for parent in folder.resolve().parents:
        if parent.name == "store" and (parent / "manifest").is_dir():
            raise BoundaryError(
                f"the private folder of entity {entity!r} would be {folder}, inside the store {parent}, "
                "which every entity reads. Give the run a folder elsewhere."
            )
    run.mkdir(parents=True, exist_ok=True)
    for each in (folder.parent, folder):
        with suppress(FileExistsError):
            each.mkdir(mode=0o700)
        _close(each, entity)
    return folder


def private_seed(root: Path, entity: str) -> int:
    """The secret of `entity` under `root`, 256 bits, drawn when it is first asked for; in a file that only it may read.

    Of several that ask at once all get the same.
    """
    path = private_folder(root, entity) / "seed"
    temporary = path.with_name(f".seed-{secrets.token_hex(8)}")
    if not path.exists():
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(descriptor)
        with suppress(FileExistsError):
            os.link(temporary, path)  # whole, and only if nobody else was first
        temporary.unlink()
    return int(path.read_text(), 16)


def _close(folder: Path, entity: str) -> None:
    before = folder.lstat()
    if not stat.S_ISDIR(before.st_mode):
        raise BoundaryError(
            f"{folder}, private to entity {entity!r}, is a link or a file. Remove it: nothing is followed."
        )
    if before.st_uid == os.geteuid():
        folder.chmod(0o700)
    status = folder.lstat()
    if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) != 0o700:
        raise BoundaryError(
            f"{folder}, private to entity {entity!r}, has mode {stat.S_IMODE(status.st_mode):04o} and belongs to user "
            f"{status.st_uid}; it must be 0700 and belong to {os.geteuid()}. "
            "Some file systems cannot do this: take another."
        )
