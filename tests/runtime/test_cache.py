import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from collab.errors import StoreError
from collab.runtime import cache as module
from collab.runtime.cache import Cache, list_files
from collab.scenario.model import Scenario
from collab.store.files import place_file
from tests.playing import FORKS, play_here

KEY, OTHER = "a" * 64, "b" * 64
RESULT = {"seconds": 1.5, "measures": []}


def run_with(tmp_path: Path, name: str, files: dict[str, bytes]) -> Path:
    run = tmp_path / name
    for place, content in files.items():
        (run / place).parent.mkdir(parents=True, exist_ok=True)
        (run / place).write_bytes(content)
    return run


def kept(tmp_path: Path, place: str = "private/a1/images.npy", key: str = KEY) -> Cache:
    cache = Cache(tmp_path / "cache")
    cache.keep(key, "a1", run_with(tmp_path, "first", {place: b"pixels"}), [place], RESULT, stage="decode")
    return cache


def test_what_is_kept_comes_back_in_another_run(tmp_path: Path) -> None:
    cache = kept(tmp_path)
    second = tmp_path / "second"
    assert cache.take(KEY, "a1", second) == RESULT
    assert (second / "private/a1/images.npy").read_bytes() == b"pixels"
    assert (second / "private/a1/images.npy").samefile(tmp_path / "first/private/a1/images.npy")
    assert cache.take(OTHER, "a1", second) is None
    assert cache.take(KEY, "a2", second) is None


def test_private_files_are_kept_in_a_private_folder_only(tmp_path: Path) -> None:
    cache = kept(tmp_path)
    holders = {path.relative_to(cache.root).parts[:2] for path in cache.root.rglob("*") if path.is_file()}
    assert holders == {("private", "a1")}
    for folder in (cache.root / "private", cache.root / "private/a1"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    cache.take(KEY, "a1", tmp_path / "second")
    assert stat.S_IMODE((tmp_path / "second/private/a1").stat().st_mode) == 0o700


def test_public_files_are_shared(tmp_path: Path) -> None:
    cache = kept(tmp_path, "release/decider.json")
    assert (cache.root / "shared" / KEY).is_dir()
    assert not (cache.root / "private").exists()


@pytest.mark.parametrize("harm", ["flip", "truncate", "remove", "entry"])
def test_an_altered_entry_is_removed_and_nothing_is_taken(tmp_path: Path, harm: str) -> None:
    cache = kept(tmp_path)
    file = cache.root / "private/a1" / KEY / "files/private/a1/images.npy"
    content = {"flip": b"pixelz", "truncate": b"pix"}.get(harm)
    if content is not None:
        file.unlink()
        file.write_bytes(content)
    elif harm == "remove":
        file.unlink()
    else:
        (cache.root / "private/a1" / KEY / "entry.json").write_text("{")
    assert cache.take(KEY, "a1", tmp_path / "second") is None
    assert not (tmp_path / "second/private/a1/images.npy").exists()


def test_a_full_disk_leaves_no_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    cache = Cache(tmp_path / "cache")
    run = run_with(tmp_path, "first", {"private/a1/x": b"1"})
    monkeypatch.setattr(module.os, "link", full)
    with pytest.raises(StoreError, match="collab cache gc"):
        cache.keep(KEY, "a1", run, ["private/a1/x"], RESULT, stage="decode")
    assert [path for path in cache.root.rglob("*") if path.is_file()] == []


def test_without_hard_links_files_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crossing(*_: object, **__: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(module.os, "link", crossing)
    cache = kept(tmp_path)
    assert cache.take(KEY, "a1", tmp_path / "second") == RESULT
    assert not (tmp_path / "second/private/a1/images.npy").samefile(tmp_path / "first/private/a1/images.npy")


def test_only_what_a_participant_writes_is_its_own(tmp_path: Path) -> None:
    run = run_with(tmp_path, "run", {
        "private/a1/x": b"1", "private/a2/x": b"1", "release/decider.json": b"1", "heldout/images.npy": b"1",
        "store/entity=a1/1.arrow": b"1", "store/entity=a2/1.arrow": b"1", "store/entity=a1/.tmp-9": b"1",
        f"store/manifest/000001-a1-{'0' * 32}.json": b"1", f"store/manifest/000001-x-a1-{'0' * 32}.json": b"1",
    })  # fmt: skip
    own = {"private/a1/x", "store/entity=a1/1.arrow", f"store/manifest/000001-a1-{'0' * 32}.json"}
    assert set(list_files(run, "a1", leads=False, is_oracle=False)) == own
    assert set(list_files(run, "a1", leads=True, is_oracle=False)) == own | {"release/decider.json"}
    assert set(list_files(run, "oracle", leads=False, is_oracle=True)) == {"heldout/images.npy"}


@pytest.mark.parametrize("place", ["private/a1/deep/x", "weights/a1/round1.json", "store/entity=a1/1.arrow"])
def test_a_file_that_is_replaced_by_an_equal_one_was_written(tmp_path: Path, place: str) -> None:
    run = run_with(tmp_path, "run", {place: b"1", "private/a1/copies/y": b"1", "weights/a1/round2.json": b"1"})
    before = list_files(run, "a1", leads=False, is_oracle=False)
    assert before.keys() == {place, "weights/a1/round2.json"}
    assert list_files(run, "a1", leads=False, is_oracle=False) == before
    place_file((run / place).parent, (run / place).name, lambda file: file.write(b"1"), what="it")
    after = list_files(run, "a1", leads=False, is_oracle=False)
    assert {each for each, state in after.items() if before.get(each) != state} == {place}


def test_what_a_plugin_writes_in_place_was_written(tmp_path: Path) -> None:
    run = run_with(tmp_path, "run", {"private/a1/x": b"1"})
    before = list_files(run, "a1", leads=False, is_oracle=False)
    (run / "private/a1/x").write_bytes(b"12")
    assert list_files(run, "a1", leads=False, is_oracle=False) != before


def test_gc_removes_by_age_and_then_by_size_and_runs_keep_their_files(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    now = time.time()
    for number, age in enumerate((30, 20, 10)):
        run = run_with(tmp_path, f"run{number}", {"release/x": bytes(100)})
        cache.keep(str(number) * 64, "a1", run, ["release/x"], RESULT, stage="pretrain")
        entry = cache.root / "shared" / (str(number) * 64) / "entry.json"
        os.utime(entry, (now - age * 86400, now - age * 86400))
    assert [entry.path.name[0] for entry in cache.entries()] == ["0", "1", "2"]
    assert [entry.path.name[0] for entry in cache.gc(older_than=25 * 86400, now=now)] == ["0"]
    assert cache.gc(keep_bytes=200, now=now) == []
    assert [entry.path.name[0] for entry in cache.gc(keep_bytes=150, now=now)] == ["1"]
    assert [entry.bytes for entry in cache.entries()] == [100]
    assert (tmp_path / "run0/release/x").read_bytes() == bytes(100)


def test_taking_an_entry_makes_it_the_last_that_goes(tmp_path: Path) -> None:
    cache = kept(tmp_path, "release/x")
    os.utime(cache.root / "shared" / KEY / "entry.json", (1, 1))
    cache.take(KEY, "a1", tmp_path / "second")
    assert cache.gc(older_than=3600) == []


def _count_alone(root: str, counter: str, turns: int) -> None:
    for _ in range(turns):
        with Cache(Path(root)).claim(KEY):
            value = int(Path(counter).read_text())
            time.sleep(0.002)
            Path(counter).write_text(str(value + 1))


def test_only_one_process_at_a_time_holds_a_claim(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    workers = [FORKS.Process(target=_count_alone, args=(str(tmp_path / "cache"), str(counter), 10)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert counter.read_text() == "30"


def _hold(root: str, told: str) -> None:
    with Cache(Path(root)).claim(KEY):
        Path(told).touch()
        time.sleep(600)


def test_a_claim_of_a_killed_process_is_free_and_its_file_stays(tmp_path: Path) -> None:
    holder = FORKS.Process(target=_hold, args=(str(tmp_path / "cache"), str(tmp_path / "told")))
    holder.start()
    while not (tmp_path / "told").exists():
        time.sleep(0.01)
    held = (tmp_path / "cache/locks" / KEY).stat()
    assert stat.S_IMODE(held.st_mode) == 0o600
    with pytest.raises(Timeout):
        FileLock(tmp_path / "cache/locks" / KEY, timeout=0).acquire()
    holder.kill()
    holder.join()
    with Cache(tmp_path / "cache").claim(KEY):
        pass
    # Were it removed, one process could hold the old file and another the new one.
    assert (tmp_path / "cache/locks" / KEY).stat().st_ino == held.st_ino


@pytest.mark.filterwarnings("ignore:flock not supported")
@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_played_on(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    played = []
    with Cache(tmp_path / "cache").claim(KEY):
        played.append(KEY)
    assert played == [KEY]


def test_what_fails_under_a_claim_is_not_taken_for_a_lock(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="of the stage"), Cache(tmp_path / "cache").claim(KEY):
        raise OSError(errno.ENOLCK, "of the stage")


def test_a_folder_in_which_another_user_has_played_is_refused_before_anything_is_played(
    small: Callable[..., Scenario], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache" / "private").mkdir(parents=True)
    monkeypatch.setattr(module.os, "geteuid", lambda: 12345)
    with pytest.raises(StoreError, match=rf"private belongs to user {os.getuid()}, and you are 12345: .* `--out`"):
        play_here(small(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]
