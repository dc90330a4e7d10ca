"""A run where the kernel itself refuses to lock files ends as any other, and the cache serves the next."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from collab.results.table import read_results
from collab.runtime.play import Played
from tests.places import TINY
from tests.playing import SMALL, bits, shards
from tests.runtime.without_locks import FLOCK


@pytest.mark.long
@pytest.mark.skipif(os.uname().machine not in FLOCK, reason="the number of a system call is not known here")
def test_a_run_and_its_cache_need_no_locks(played: Played, tmp_path: Path) -> None:
    sets = [part for override in SMALL for part in ("--set", override)]
    program = [
        sys.executable,
        "-m",
        "tests.runtime.without_locks",
        "run",
        str(TINY),
        *sets,
        "--json",
        "--device",
        "cpu",
    ]
    for is_cached in (False, True):
        where = ["--device", "cpu", "--backend", "inprocess", "--out", str(tmp_path)]
        done = subprocess.run([*program, *where], capture_output=True, text=True, check=False)
        if "the kernel takes no filter" in done.stderr:
            pytest.skip("the kernel takes no filter of system calls")
        assert done.returncode == 0, done.stderr[-2000:]
        told = json.loads(done.stdout)
        assert bits(tuple(read_results(Path(told["run"]) / "results.parquet"))) == bits(played.rows)
        assert shards(Path(told["run"])) == shards(played.run)
        assert bool(told["cached"]) == is_cached
