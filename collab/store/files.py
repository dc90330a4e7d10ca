"""The file protocol of everything kept: whole or not at all, durable, no more readable than its folder."""

import hashlib
import json
import os
import stat
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

from typing_extensions import Buffer

from collab.errors import StoreError

TEMPORARY = ".tmp-"
"""How the names of unfinished files begin."""

JSON_CAP = 4 << 20
"""Bytes of the largest JSON file that is read: a manifest of 10,000 classes has about 0.1 MB."""


FLUSH = 16 << 20
"""Bytes of a file that are written before the disk is asked for them: it works while the next are made."""


class Hashing:
    """A file written from beginning to end; beside the writing, one thread makes its sha256 and one fills the disk."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._sha256 = file, hashlib.sha256()
        self._hasher, self._flusher = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
        self._hashed: Future[None] | None = None
        self._flushed: Future[None] | None = None
        self._waiting = 0
        self.closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in (self._hasher, self._flusher):
            worker.shutdown()  # the file is closed next

    def write(self, content: Buffer) -> int:
        """Writes `content`, whose memory must stay as it is until `settle`."""
        self._hashed = self._hasher.submit(self._sha256.update, content)
        count = self._file.write(content)
        self._waiting += count
        if self._waiting >= FLUSH and (self._flushed is None or self._flushed.done()):
            self._raise_of_disk()
            self._flushed, self._waiting = self._flusher.submit(os.fsync, self._file.fileno()), 0
        return count

    def settle(self) -> None:
        """Waits until all that was written is hashed."""
        if self._hashed is not None:
            self._hashed.result()

    def flush(self) -> None:
        """Does nothing: `place_file` does."""

    def hexdigest(self) -> str:
        """The sha256 of all that was written; nothing can be written after it. OSError if the disk failed meanwhile."""
        self.settle()
        self._raise_of_disk()
        return self._sha256.hexdigest()

    def _raise_of_disk(self) -> None:
        """Raises what the disk said: the system says it once, so a later `fsync` would know nothing of it."""
        if self._flushed is not None:
            self._flushed.result()


@dataclass(frozen=True)
class Placed:
    """A file under its final name, with the sha256 (hex) of its bytes."""

    path: Path
    sha256: str
    bytes: int


def place_file(
    folder: Path,
    name: str | Callable[[str], str],
    write: Callable[[BinaryIO], object],
    *,
    what: str,
    mode: int = 0o444,
    is_durable: bool = True,
) -> Placed:
    """Lets `write` fill a temporary file in `folder`, then puts it under its final name in one step.

    It is on the disk then, unless it need not outlast a loss of power (`is_durable`): for a small file the disk takes
    longer than all else.

    `name` may be made from the sha256 of the content; where `write` answers it (see `Hashing`), the file is not read
    back. An existing file of that name is replaced, never truncated: who has it mapped keeps the old one. Raises
    StoreError, beginning with `what`, if the system refuses a step. After any failure, whoever caused it, the temporary
    file is gone and what had the name before is still there.
    """
    temporary = folder / f"{TEMPORARY}{uuid.uuid4().hex}"
    try:
        make_folder(folder)
        with _removed_on_failure(temporary) as file:
            answer = write(file)
            file.flush()
            if is_durable:
                os.fsync(file.fileno())
            size = file.seek(0, os.SEEK_END)
            digest = answer if isinstance(answer, str) else _digest(file)
            os.chmod(temporary, mode & folder.stat().st_mode | stat.S_IRUSR)
            path = folder / (name if isinstance(name, str) else name(digest))
            os.replace(temporary, path)
        if is_durable:
            _sync_folder(folder)
    except OSError as error:
        where = folder / name if isinstance(name, str) else folder
        raise StoreError(
            f"{what} cannot be written to {where}: {error}. Nothing half-written was left behind. "
            "See to space and permissions there and run again."
        ) from error
    return Placed(path, digest, size)


def _digest(file: BinaryIO) -> str:
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # it is readable


@contextmanager
def _removed_on_failure(path: Path) -> Iterator[BinaryIO]:
    """A new file, open for writing and reading, that is deleted if the block fails."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    file = open(os.open(path, flags, 0o600), "w+b")  # noqa: SIM115 - closing may fail too
    try:
        yield file
        file.close()
    except BaseException:
        with suppress(OSError):  # a full disk refuses the buffered rest once more
            file.close()
        path.unlink(missing_ok=True)
        raise


def make_folder(folder: Path) -> None:
    """Makes `folder` and its parents, durably, none more open than its parent; one that exists stays as it is."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(mode=stat.S_IMODE(folder.parent.stat().st_mode) & 0o777, exist_ok=True)
        _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_regular(path: Path) -> BinaryIO:
    """Opens `path` for reading if it is a regular file; FileNotFoundError, or StoreError for links and others."""
    if not stat.S_ISREG(path.lstat().st_mode):
        raise StoreError(f"{path} is no regular file; links, folders and devices are not followed.")
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # it may have been swapped since
    return open(os.open(path, flags), "rb")


def json_bytes(value: Mapping[str, Any], *, what: str) -> bytes:
    """`value` as JSON that is the same for equal values: sorted keys, no NaN; StoreError if it is no JSON."""
    try:
        return (json.dumps(value, sort_keys=True, indent=1, allow_nan=False) + "\n").encode()
    except (TypeError, ValueError) as error:
        raise StoreError(f"{what} cannot be written as JSON: {error}.") from error


def read_json(path: Path, *, what: str) -> dict[str, Any]:
    """The JSON object in the regular file `path`; StoreError if there is something else."""
    with open_regular(path) as file:
        content = file.read(JSON_CAP + 1)
    if len(content) > JSON_CAP:
        raise StoreError(f"{what} {path} has more than {JSON_CAP} bytes.")
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{what} {path} is no JSON: {error}.") from error
    if not isinstance(value, dict):
        raise StoreError(f"{what} {path} holds a JSON {type(value).__name__}, not an object.")
    return value
