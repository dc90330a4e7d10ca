import json
import os
from pathlib import Path

import pytest

from collab.errors import StoreError
from collab.runtime import watching
from collab.runtime.host import Event
from collab.runtime.play import Played
from collab.runtime.watching import find_latest, follow


def begin(folder: Path, pid: int) -> Path:
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text(json.dumps({"jobs": 3, "cached": 1, "text": "2 jobs to play", "pid": pid}))
    return folder


def test_what_a_run_wrote_is_what_a_watcher_is_told(played: Played) -> None:
    told = list[Event]()
    ending = follow(played.run, told.append)
    lines = (played.run / "metrics.jsonl").read_text().splitlines()
    assert told[0]["event"] == "planned"
    assert told[0]["jobs"] == played.jobs
    assert told[1:] == [json.loads(line) for line in lines]
    assert ending.startswith("ended after ")


def test_news_come_as_they_are_written_and_no_half_line_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, told = begin(tmp_path / "run", os.getpid()), list[Event]()
    events = folder / "metrics.jsonl"
    whole = [json.dumps({"event": "start", "job": str(at)}) + "\n" for at in range(2)]
    writes = [whole[0] + whole[1][:9], whole[1][9:], ""]

    def write_more(seconds: float) -> None:
        with events.open("a") as file:
            file.write(writes.pop(0))
        if not writes:
            (folder / "record.json").write_text('{"failures": {"poison a1": "no"}, "seconds": 2, "jobs": {}}')

    monkeypatch.setattr(watching.time, "sleep", write_more)
    assert follow(folder, told.append).startswith("failed: poison a1")
    assert [event.get("job") for event in told] == [None, "0", "1"]


def test_a_run_whose_process_has_died_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = begin(tmp_path / "run", pid=2**22 + 1)  # more than any process has
    monkeypatch.setattr(watching, "SILENT_SECONDS", -1.0)
    assert "goes on from there" in follow(folder, lambda event: None)


def test_a_run_that_was_interrupted_is_told_from_one_that_ended(tmp_path: Path) -> None:
    folder = begin(tmp_path / "run", pid=2**22 + 1)
    (folder / "record.json").write_text('{"failures": {}, "seconds": 2, "jobs": {"decode a1": {}}}')
    assert follow(folder, lambda event: None).startswith("stopped: 1 of 3 jobs are done. The command that began it ")


def test_the_latest_run_is_the_one_that_began_last(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no run has begun"):
        find_latest(tmp_path)
    first, last = begin(tmp_path / "b" / "1", 1), begin(tmp_path / "a" / "2", 1)
    os.utime(first / "plan.json", (1, 1))
    assert find_latest(tmp_path) == last


def test_what_is_no_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is no run"):
        follow(tmp_path, lambda event: None)
