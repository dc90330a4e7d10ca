"""Rows and labels of an assignment go to other processes by file where they are many."""

import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from collab.runtime import row_file
from collab.runtime.play import Played, Where, play
from collab.runtime.prepared import Prepared
from collab.runtime.row_file import hand, take_back
from collab.runtime.run import Run
from collab.scenario.model import Scenario
from tests.playing import bits, shards


def run_of(scenario: Scenario, out: Path) -> Run:
    where = Where("inprocess", device="cpu", out=out)
    return Run(Prepared.of(scenario, where), where)


def test_what_is_handed_by_file_comes_out_as_it_was(
    small: Callable[..., Scenario], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_spec = run_of(small(), tmp_path).run_spec
    assert hand(run_spec).run_spec is run_spec  # little is handed as it is
    monkeypatch.setattr(row_file, "MOST_BYTES", 100)
    handed = hand(run_spec)
    assert not any(len(holding.rows) + len(holding.labels) for holding in handed.run_spec.assignment.holdings)
    (file,) = run_spec.run.rglob(row_file.NAME)
    assert (stat.S_IMODE(file.stat().st_mode), stat.S_IMODE(file.parent.stat().st_mode)) == (0o400, 0o700)
    opened = handed.open()
    for before, after in zip(run_spec.assignment.holdings, opened.assignment.holdings, strict=True):
        assert before.split == after.split
        assert np.array_equal(before.rows, after.rows)
        assert np.array_equal(before.labels, after.labels)
    assert list(opened.assignment.entities) == list(run_spec.assignment.entities)
    assert opened.assignment.source_digest == run_spec.assignment.source_digest
    take_back(run_spec)
    assert not file.exists()


@pytest.mark.ray
def test_actors_that_read_rows_from_a_file_give_the_same_bits(
    played: Played, small: Callable[..., Scenario], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_file, "MOST_BYTES", 100)
    made: list[int] = []
    write = row_file.place_file

    def count(*parts: object, **named: object) -> object:
        made.append(1)
        return write(*parts, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(row_file, "place_file", count)
    found = play(small("resources.workers=2"), Where(device="cpu", out=tmp_path), lambda event: None)
    assert len(made) == 1
    assert bits(found.rows) == bits(played.rows)
    assert shards(found.run) == shards(played.run)
    assert not list(found.run.rglob(row_file.NAME))
