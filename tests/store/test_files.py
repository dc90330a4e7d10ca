"""The file protocol: whole or not at all, when the disk is full, when a writer fails, when a name is taken."""

import errno
import hashlib
import os
import resource
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import torch
from pyarrow import ipc

from collab.errors import BoundaryError, StoreError
from collab.results.table import Result, write_results
from collab.store import files as files_module
from collab.store.files import place_file
from collab.store.names import inside
from collab.store.private import private_folder
from collab.store.release import write_release
from collab.store.shards import ShardSpec, write_shard
from collab.store.store import Store

SPEC = ShardSpec((2, 8, 8), "float16", 4, "f" * 64)
ROWS = [(torch.rand(500, 2, 8, 8), torch.zeros(500, dtype=torch.int64))]


def everything(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if not path.is_dir()]


class FullDisk:
    """A file on a disk that has room for `left` bytes more."""

    def __init__(self, file: BinaryIO, left: int) -> None:
        self._file, self._left = file, left

    def write(self, content: Any) -> int:
        self._left -= len(content)
        if self._left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self._file.write(content)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@pytest.mark.parametrize("left", [0, 300, 20_000, 133_000])
def test_a_full_disk_leaves_nothing_and_names_the_entity(
    left: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(file: BinaryIO, *arguments: Any, **options: Any) -> Any:
        return original(FullDisk(file, left), *arguments, **options)

    assert write_shard(tmp_path / "enough", ROWS, entity="ann", spec=SPEC).bytes > 133_000
    original = ipc.new_file
    monkeypatch.setattr(ipc, "new_file", fill)
    store = Store(tmp_path / "store")
    with pytest.raises(StoreError, match=r"entity 'ann'.*entity=ann.*No space left"):
        store.publish("ann", ROWS, SPEC, run="one")
    assert everything(store.root) == []
    assert store.records() == ()


@pytest.mark.parametrize("step", ["fsync", "chmod", "replace"])
def test_each_step_that_fails_leaves_what_was_there(step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise OSError(errno.EIO, "planted")

    place_file(tmp_path, "kept", lambda file: file.write(b"old"), what="it")
    with monkeypatch.context() as patch:
        patch.setattr(files_module.os, step, fails)
        with pytest.raises(StoreError, match=r"it cannot be written to .*kept: .*planted"):
            place_file(tmp_path, "kept", lambda file: file.write(b"new"), what="it")
    assert [path.name for path in everything(tmp_path)] == ["kept"]
    assert (tmp_path / "kept").read_bytes() == b"old"


def write_beyond_a_limit(root: Path) -> list[str]:
    """What is said when the system cuts every file short; CPython ignores the signal that goes with it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    said = []
    try:
        for write in (
            lambda: Store(root / "store").publish("ann", ROWS, SPEC, run="one"),
            lambda: write_release(root / "release", "decider", {"weight": torch.rand(50_000)}, {}),
        ):
            try:
                write()
            except StoreError as error:
                said.append(str(error))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    return said


@pytest.mark.long
def test_a_file_that_the_system_cuts_short_is_removed(elsewhere: Executor, tmp_path: Path) -> None:
    shard, release = elsewhere.submit(write_beyond_a_limit, tmp_path).result(60)
    assert "entity 'ann' cannot be written" in shard
    assert "File too large" in shard
    assert "decider cannot be written" in release
    assert everything(tmp_path) == []


def test_a_mapped_file_that_is_replaced_stays_as_it_was(tmp_path: Path) -> None:
    path = place_file(tmp_path, "name", lambda file: file.write(b"old"), what="it").path
    with path.open("rb") as mapped:
        place_file(tmp_path, "name", lambda file: file.write(b"n"), what="it")
        assert mapped.read() == b"old"
    assert path.read_bytes() == b"n"


def test_the_content_may_name_the_file(tmp_path: Path) -> None:
    placed = place_file(
        tmp_path / "new" / "folder", lambda digest: digest[:8], lambda file: file.write(b"x"), what="it"
    )
    assert placed.sha256 == hashlib.sha256(b"x").hexdigest()
    assert placed.path == tmp_path / "new" / "folder" / placed.sha256[:8]
    assert placed.bytes == 1


@pytest.mark.parametrize(("folder", "file"), [(0o755, 0o444), (0o750, 0o440), (0o700, 0o400)])
def test_a_file_is_no_more_readable_than_its_folder(folder: int, file: int, tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    place.chmod(folder)
    placed = place_file(place, "name", lambda out: out.write(b"x"), what="it")
    assert placed.path.stat().st_mode & 0o777 == file
    old = os.umask(0o022)
    try:
        below = place_file(place / "new" / "folder", "name", lambda out: out.write(b"x"), what="it").path
    finally:
        os.umask(old)
    assert below.stat().st_mode & 0o777 == file
    assert below.parent.stat().st_mode & 0o777 == folder


def test_a_file_under_a_file_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    row = Result("s", "1", None, None, None, "top1", 0.5)
    with pytest.raises(StoreError, match="results cannot be written"):
        write_results(tmp_path / "file" / "results.parquet", [row])
    with pytest.raises(StoreError, match="decider cannot be written"):
        write_release(tmp_path / "file", "decider", {}, {})


@pytest.mark.parametrize("place", ["../x", "a/../../x", "/etc/passwd", "..", ".", "", "link/x"])
def test_what_leads_out_is_refused(place: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path)
    with pytest.raises(StoreError, match="leads out"):
        inside(root, place)
    assert inside(root, "a/b") == root / "a" / "b"


def test_a_private_folder_is_closed_to_others(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        folder = private_folder(tmp_path / "run", "ann")
    finally:
        os.umask(old)
    assert folder == tmp_path / "run" / "private" / "ann"
    assert [each.stat().st_mode & 0o777 for each in (folder, folder.parent)] == [0o700, 0o700]
    folder.chmod(0o755)
    (folder / "kept").write_text("")
    assert private_folder(tmp_path / "run", "ann") == folder
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "kept").exists()


@pytest.mark.parametrize("which", ["private", "private/ann"])
@pytest.mark.parametrize("target", ["folder", "file", "nothing"])
def test_a_private_folder_is_no_link(which: str, target: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / which).parent.mkdir(parents=True)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    (run / which).symlink_to(tmp_path / target)
    with pytest.raises(BoundaryError, match="link or a file"):
        private_folder(run, "ann")
    assert not list((tmp_path / "folder").iterdir())


def test_a_private_folder_of_somebody_else_or_without_modes_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private_folder(tmp_path, "ann")
    with monkeypatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        with pytest.raises(BoundaryError, match="must be 0700 and belong to"):
            private_folder(tmp_path, "ann")
    monkeypatch.setattr(Path, "chmod", lambda *_: None)  # as file systems without modes do
    os.chmod(tmp_path / "private" / "ann", 0o755)
    with pytest.raises(BoundaryError, match="0755"):
        private_folder(tmp_path, "ann")


def test_a_private_folder_never_lies_in_a_store(tmp_path: Path) -> None:
    Store(tmp_path / "store").publish("ann", [(torch.rand(1, 2, 8, 8), torch.tensor([0]))], SPEC, run="one")
    for run in (tmp_path / "store", tmp_path / "store" / "entity=ann"):
        with pytest.raises(BoundaryError, match="inside the store"):
            private_folder(run, "ann")
    assert private_folder(tmp_path, "ann").is_dir()
    with pytest.raises(StoreError, match="cannot be a name"):
        private_folder(tmp_path, "../store")
