"""The stage cache: what a stage left behind, under its key; entries are whole or not there, and files are shared.

    shared/<key>/entry.json, files/…             what anybody may read: releases, shards, decoded public images
    private/<entity>/<key>/…                     0700: whatever holds a file of the entity's private folder
    private/<entity>/<key>-1.pt                  checkpoints of a stage that is under way
    locks/<key>                                  held by the process that plays the stage; empty, and never removed

Files are hard links to those of the run that made them, so an entry costs no space while that run exists.
"""

import errno
import hashlib
import json
import os
import shutil
import stat
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from collab.errors import StoreError
from collab.store.files import TEMPORARY, make_folder
from collab.store.manifest import parse_manifest_name
from collab.store.private import private_folder
from collab.store.remote import COPIES


@dataclass(frozen=True)
class Entry:
    """One line of `collab cache ls`: sizes in bytes; `used` in seconds since 1970, the last time a run took it."""

    path: Path
    stage: str
    participant: str
    seconds: float
    bytes: int
    used: float
    is_private: bool


class Cache:
    """Entries under one folder of a local or shared file system; several runs may use it at the same time."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def take(self, key: str, participant: str, run: Path) -> dict[str, Any] | None:
        """Links the files of an entry into `run` and returns what was kept with them; None if there is no entry.

        Every file is hashed first: an entry that is not what it was is removed, and its stage is played again.
        """
        for folder in self._places(key, participant):
            kept = self._read(folder)
            if kept is None:
                continue
            try:
                for place, digest in kept["files"].items():
                    if _sha256(folder / "files" / place) != digest:
                        raise OSError(errno.EIO, "altered")
                for place in kept["files"]:
                    _link(folder / "files" / place, _make_way(run, place))
            except OSError:
                shutil.rmtree(folder, ignore_errors=True)
                return None
            with suppress(OSError):
                os.utime(folder / "entry.json")
            result: dict[str, Any] = kept["result"]
            return result
        return None

    def holds(self, key: str, participant: str) -> bool:
        """Whether there is an entry; `take` may still find it altered."""
        return any((folder / "entry.json").is_file() for folder in self._places(key, participant))

    def keep(
        self, key: str, participant: str, run: Path, places: Sequence[str], result: dict[str, Any], *, stage: str
    ) -> None:
        """Makes an entry of the files at `places` in `run`; StoreError if it cannot be written."""
        is_private = any(place.startswith(("private/", "handed/")) for place in places)
        home = private_folder(self.root, participant) if is_private else self.root / "shared"
        temporary = home / f"{TEMPORARY}{uuid.uuid4().hex}"
        try:
            make_folder(home)
            # Not by `make_folder`, which waits for the disk: what a loss of power tears, `take` finds by its digest.
            temporary.mkdir(mode=stat.S_IMODE(home.stat().st_mode))
            for place in places:
                target = temporary / "files" / place
                target.parent.mkdir(parents=True, exist_ok=True)
                _link(run / place, target)
            files = {place: _sha256(run / place) for place in places}
            size = sum((run / place).stat().st_size for place in places)
            entry = {"stage": stage, "who": participant, "bytes": size, "files": files, "result": result}
            (temporary / "entry.json").write_text(json.dumps(entry), encoding="utf-8")
            shutil.rmtree(home / key, ignore_errors=True)
            os.replace(temporary, home / key)
        except OSError as cause:
            shutil.rmtree(temporary, ignore_errors=True)
            raise StoreError(
                f"the cache {self.root} cannot keep a stage: {cause}. Make room with `collab cache gc`."
            ) from cause

    @contextmanager
    def claim(self, key: str) -> Iterator[None]:
        """Holds the right to play the stage of `key`; waits while another process does. Released if this one dies.

        On a file system without locks nobody waits, and two processes may play one stage: its entry is the same.
        """
        path = self.root / "locks" / key
        make_folder(path.parent)
        lock = FileLock(path, mode=0o600)
        try:
            lock.acquire()
        except NotImplementedError:  # what `filelock` makes of ENOSYS
            pass
        except OSError as cause:
            if cause.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                raise
        try:
            yield
        finally:
            lock.release()

    def refuse_another_users(self) -> None:
        """Raises StoreError, before anything is played, if another user has played here: what is private is closed."""
        for folder in (self.root / "private", self.root / "locks"):
            if folder.exists() and folder.stat().st_uid != os.geteuid():
                owner, user = folder.stat().st_uid, os.geteuid()
                raise StoreError(
                    f"{folder} belongs to user {owner}, and you are {user}: what an entity keeps private is closed to "
                    "other users. Each user takes a folder of runs of their own, with `--out`."
                )

    def entries(self) -> list[Entry]:
        """What is there, least recently used first."""
        listed = []
        for path in (*self.root.glob("shared/*/entry.json"), *self.root.glob("private/*/*/entry.json")):
            folder = path.parent
            if not folder.name.startswith(TEMPORARY) and (kept := self._read(folder)) is not None:
                stated = kept["stage"], kept["who"], kept["result"]["seconds"], kept["bytes"]
                listed.append(Entry(folder, *stated, path.stat().st_mtime, folder.parent.name != "shared"))
        return sorted(listed, key=lambda entry: (entry.used, str(entry.path)))

    def gc(
        self, *, older_than: float | None = None, keep_bytes: int | None = None, now: float | None = None
    ) -> list[Entry]:
        """Removes entries not used for `older_than` seconds, then the least recently used beyond `keep_bytes`.

        Also what killed processes left unfinished an hour ago or earlier. Runs keep their files: they have links.
        """
        now = time.time() if now is None else now
        gone, kept = list[Entry](), list[Entry]()
        for entry in self.entries():
            (gone if older_than is not None and now - entry.used > older_than else kept).append(entry)
        total = sum(entry.bytes for entry in kept)
        for entry in kept:
            if keep_bytes is None or total <= keep_bytes:
                break
            gone.append(entry)
            total -= entry.bytes
        for entry in gone:
            shutil.rmtree(entry.path, ignore_errors=True)
        for leftover in (*self.root.glob(f"shared/{TEMPORARY}*"), *self.root.glob(f"private/*/{TEMPORARY}*")):
            if now - leftover.stat().st_mtime > 3600:
                shutil.rmtree(leftover, ignore_errors=True)
        return gone

    def _places(self, key: str, participant: str) -> tuple[Path, Path]:
        """The two folders that an entry may be."""
        return self.root / "private" / participant / key, self.root / "shared" / key

    def _read(self, folder: Path) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = json.loads((folder / "entry.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found


def list_files(run: Path, participant: str, *, leads: bool, is_oracle: bool) -> dict[str, tuple[int, ...]]:
    """The files of a run that only `participant` writes, and what changes when one is written anew."""
    root, private = f"{run}/", f"private/{participant}"
    folders = [private, *(f"{room}/{participant}" for room in ("answers", "modules", "pictures", "weights"))]
    folders += [f"store/entity={participant}", "store/manifest"]
    folders += ["release", "public"] if leads else []
    folders += ["heldout", "handed"] if is_oracle else []
    files: dict[str, tuple[int, ...]] = {}
    for folder in folders:
        # Weights of rounds are put there whole by `place_file`, so a new one has a number of its own. A folder tells
        # these numbers for nothing, where the state of each file is a call: after 1,000 rounds there are 2,000 files.
        is_put_whole = folder.startswith("weights/")
        for path, entry in _walk(root + folder, but=f"{root}{private}/{COPIES}"):
            is_of_another = folder == "store/manifest" and (parse_manifest_name(entry.name) or ("",))[0] != participant
            if not is_of_another and not entry.name.startswith(TEMPORARY) and entry.is_file():
                status = None if is_put_whole else entry.stat(follow_symlinks=False)
                state = (status.st_ino, status.st_mtime_ns, status.st_size) if status else (entry.inode(),)
                files[path.removeprefix(root)] = state
    return files


def _walk(folder: str, but: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """All that lies below `folder`, as paths and entries, but for the folder `but`."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    yield entry.path, entry
                elif entry.path != but:
                    yield from _walk(entry.path, but)
    except FileNotFoundError:
        return


def _make_way(run: Path, place: str) -> Path:
    """Where a file of an entry goes, its folder made with the modes that it needs."""
    parts = Path(place).parts
    if "private" in parts[:2]:  # of the run, or of what was handed out
        at = parts.index("private")
        private_folder(run.joinpath(*parts[:at]), parts[at + 1])
    path = run / place
    make_folder(path.parent)
    return path


def _link(source: Path, target: Path) -> None:
    """`target` becomes the same file as `source`, or a copy where there are no links; replaced in one step."""
    temporary = target.parent / f"{TEMPORARY}{uuid.uuid4().hex}"
    try:
        os.link(source, temporary, follow_symlinks=False)
    except OSError as cause:
        if cause.errno not in (errno.EXDEV, errno.EMLINK, errno.EPERM, errno.ENOTSUP):
            raise
        shutil.copy2(source, temporary, follow_symlinks=False)
    os.replace(temporary, target)
    temporary.unlink(missing_ok=True)  # replacing a file by a link to itself leaves both


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
