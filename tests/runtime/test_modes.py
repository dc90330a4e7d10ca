"""Whatever ends a run, no other user of the machine can read what is private in its folder and cache; `umask` is 0."""

import os
import signal
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from collab.errors import StoreError
from collab.runtime.play import Where, play
from collab.scenario.model import Scenario
from collab.store import files
from tests.playing import FORKS
from tests.runtime.killing import play_until_killed
from tests.runtime.test_overhead import benchmark

open_to_others: Callable[[Path], Iterator[str]] = benchmark("soak_judge").open_to_others

EPOCHS = ["model.pretrain.epochs=3", "entities.*.defense.epochs=3"]


@pytest.fixture(autouse=True)
def _nothing_closes_a_file() -> Iterator[None]:
    old = os.umask(0)
    yield
    os.umask(old)


def private_parts(out: Path) -> list[Path]:
    """Folders of entities in runs and in the cache: there are some, or a test would say nothing."""
    found = [*out.glob("*/*/private/*"), *out.glob("cache/private/*")]
    assert found
    return found


def test_what_is_open_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "tiny" / "run" / "private" / "a1"
    folder.mkdir(parents=True)
    assert [each.split()[-1] for each in open_to_others(tmp_path)] == ["0777"]
    folder.parent.chmod(0o700)
    assert list(open_to_others(tmp_path)) == []
    folder.parent.chmod(0o711)
    folder.chmod(0o700)
    assert list(open_to_others(tmp_path)) == []
    (tmp_path / "collab-12345678").mkdir(mode=0o755)
    assert len(list(open_to_others(tmp_path))) == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])  # others are answered alike
def test_after_a_signal_in_the_middle_of_a_stage(number: signal.Signals, tmp_path: Path) -> None:
    victim = FORKS.Process(target=play_until_killed, args=(tmp_path, 30, EPOCHS, number))
    victim.start()
    victim.join(120)
    assert victim.exitcode == (-number if number == signal.SIGKILL else 1)
    assert list(open_to_others(tmp_path)) == []
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o700 for path in private_parts(tmp_path))
    for checkpoint in tmp_path.glob("cache/private/*/*.pt"):
        assert stat.S_IMODE(checkpoint.stat().st_mode) == 0o600


@pytest.mark.parametrize("place", ["private", "store"])
def test_after_a_disk_that_filled_up(
    place: str, small: Callable[..., Scenario], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = os.fsync

    def full(descriptor: int) -> None:
        if f"/{place}/" in os.readlink(f"/proc/self/fd/{descriptor}").replace(str(tmp_path / "tiny"), ""):
            raise OSError(28, "No space left on device")
        honest(descriptor)

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        play(small(), Where("inprocess", out=tmp_path), lambda event: None)
    assert list(open_to_others(tmp_path)) == []
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o700 for path in private_parts(tmp_path))


def test_when_all_went_well_and_from_the_cache_too(small: Callable[..., Scenario], tmp_path: Path) -> None:
    for _ in range(2):
        found = play(small("private_seeds=drawn"), Where("inprocess", out=tmp_path), lambda event: None)
        assert list(open_to_others(tmp_path)) == []
        assert all(stat.S_IMODE(path.stat().st_mode) == 0o700 for path in private_parts(tmp_path))
    assert found.cached == found.jobs
