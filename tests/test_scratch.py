import os
import shutil
import stat
import tempfile
from pathlib import Path

import pytest

from collab.scratch import _HELD, Scratch


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def make_old(folder: Path) -> None:
    os.utime(folder / _HELD, (0, 0))


def test_a_folder_is_its_users_alone_and_goes(temporary: Path) -> None:
    scratch = Scratch()
    assert stat.S_IMODE(scratch.path.stat().st_mode) == 0o700
    (scratch.path / "file").write_text("x")
    scratch.remove()
    assert list(temporary.iterdir()) == []


def test_what_comes_while_it_is_removed_goes_too(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process of Ray that ends may still make a socket; without the marker no later run would clear it."""
    remove, calls = shutil.rmtree, list[Path]()

    def busy(path: Path, *, ignore_errors: bool) -> None:
        remove(path, ignore_errors=ignore_errors)
        calls.append(path)
        if len(calls) == 1:
            (path / "sockets").mkdir(parents=True)

    monkeypatch.setattr("collab.scratch.shutil.rmtree", busy)
    scratch = Scratch()
    scratch.remove()
    assert not scratch.path.exists()
    assert len(calls) == 2


def test_what_a_dead_process_left_is_cleared_by_the_next_and_nothing_else(temporary: Path) -> None:
    alive, young = Scratch(), Scratch()
    make_old(alive.path)
    dead = temporary / "collab-deadbeef"
    dead.mkdir()
    (dead / _HELD).touch()
    (dead / "session").mkdir()
    beginning = temporary / "collab-begins12"
    beginning.mkdir()
    (beginning / _HELD).touch()
    make_old(dead)
    users = temporary / "collab-results"
    users.mkdir()
    new = Scratch()
    assert set(temporary.iterdir()) == {alive.path, young.path, beginning, users, new.path}


def test_a_process_that_is_killed_lets_go(temporary: Path) -> None:
    child = os.fork()
    if child == 0:
        make_old(Scratch().path)
        os._exit(0)
    os.waitpid(child, 0)
    assert len(list(temporary.iterdir())) == 1
    new = Scratch()
    assert list(temporary.iterdir()) == [new.path]


def test_a_temporary_directory_that_is_too_long_gives_way_to_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("x" * 60)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    scratch = Scratch(most=43)
    scratch.remove()
    assert len(str(scratch.path)) <= 43
    with pytest.raises(OSError, match=r"none of .*x, /tmp, /var/tmp, /dev/shm .* at most 3 characters"):
        Scratch(most=19)
