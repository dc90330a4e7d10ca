import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from collab.errors import StoreError
from collab.runtime.host import Event
from collab.runtime.play import Played, Where, play
from collab.runtime.prepared import Prepared
from collab.runtime.room import see_to_room
from collab.scenario.model import Scenario
from tests.playing import lend


def test_the_room_is_that_of_the_files_that_a_run_leaves(small: Callable[..., Scenario], played: Played) -> None:
    """A disk of just that size is enough, and one of a byte less is not."""
    files = list(played.run.rglob("images.npy"))
    size = sum(np.load(file, mmap_mode="r").nbytes for file in files if not file.is_symlink())
    prepared = Prepared.of(small(), Where("inprocess", device="cpu"))
    assert size > 0
    for free, is_enough in ((size, True), (size - 1, False)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(shutil, "disk_usage", lambda place, free=free: SimpleNamespace(free=free))
            if is_enough:
                assert "Decoded images will take" in see_to_room([prepared, prepared], Where("inprocess"))
            else:
                with pytest.raises(StoreError, match=r"has 0\.00; features and shards come on top. Nothing was begun"):
                    see_to_room([prepared], Where("inprocess"))


def test_a_run_says_so_before_it_begins_and_not_of_what_the_cache_holds(
    small: Callable[..., Scenario], played: Played, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=1000))
    with pytest.raises(StoreError, match="Decoded images will take"):
        play(small(), Where("inprocess", device="cpu", out=tmp_path / "new"), lambda event: None)
    assert not list(tmp_path.rglob("*"))
    lend(played, tmp_path / "lent")
    told: list[Event] = []
    found = play(small(), Where("inprocess", device="cpu", out=tmp_path / "lent"), told.append)
    assert found.cached == found.jobs
    assert not [event for event in told if event["event"] == "note"]
