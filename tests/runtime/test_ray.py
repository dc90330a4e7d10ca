import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from collab.errors import ResourceError
from collab.results.table import read_results
from collab.runtime.play import Played, Where, play
from collab.scenario.model import Scenario
from tests.places import SCENARIOS
from tests.playing import SMALL, bits, shards
from tests.runtime.test_modes import open_to_others

pytestmark = pytest.mark.ray
COMMAND = [sys.executable, "-c", "from collab.cli import main; main()", "run", str(SCENARIOS / "tiny.yaml")]


def test_actors_give_the_same_bits_as_one_process(played: Played, tmp_path: Path) -> None:
    sets = [part for override in SMALL for part in ("--set", override)]
    done = subprocess.run(
        [*COMMAND, *sets, "--json", "--out", str(tmp_path)], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout)
    run = Path(told["run"])
    assert bits(tuple(read_results(run / "results.parquet"))) == bits(played.rows)
    assert shards(run) == shards(played.run)
    for path in sorted((played.run / "pictures").rglob("*.npz"), key=str):
        assert (run / path.relative_to(played.run)).read_bytes() == path.read_bytes()
    assert [row["value"] for row in told["rows"]] == [row.value for row in played.rows]


def test_more_cores_than_there_are(small: Callable[..., Scenario], tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match=r"asks for 1000 cores and Ray has \d+"):
        play(small("resources.entity.cpus=1000"), Where(out=tmp_path), lambda event: None)


@pytest.mark.parametrize(
    ("number", "head_start"),
    [(signal.SIGINT, None), (signal.SIGTERM, None), (signal.SIGTERM, 0.1)],  # the driver finds Ray without its server
)
def test_a_signal_to_all_processes_leaves_none_behind_and_results(
    number: signal.Signals, head_start: float | None, tmp_path: Path
) -> None:
    temporary = Path(tempfile.mkdtemp(prefix="m-", dir="/tmp"))  # short: it holds sockets
    with (tmp_path / "log").open("w") as log:
        command = [*COMMAND, "--set", "resources.workers=2", "--out", str(tmp_path)]
        driver = subprocess.Popen(
            command,
            stderr=log,
            stdout=log,
            start_new_session=True,
            umask=0,
            env={**os.environ, "TMPDIR": str(temporary)},
        )
        seen: dict[int, psutil.Process] = {}
        deadline = time.monotonic() + 120
        while "started" not in (tmp_path / "log").read_text() and time.monotonic() < deadline:
            time.sleep(0.2)
        for child in psutil.Process(driver.pid).children(recursive=True):
            seen[child.pid] = child
        names = []
        for child in seen.values():
            with suppress(psutil.NoSuchProcess):  # what Ray starts for a moment
                names.append(" ".join(child.cmdline()))
        assert any("ray::" in name for name in names)
        assert any(temporary.glob("collab-*/r/session_*"))
        assert list(open_to_others(temporary)) == []  # what it would leave if it were killed
        if head_start is not None:
            for child in seen.values():
                with suppress(psutil.NoSuchProcess):
                    child.send_signal(number)
            time.sleep(head_start)
        os.killpg(driver.pid, number)
        assert driver.wait(30) == 128 + number
    _, alive = psutil.wait_procs(list(seen.values()), timeout=20)
    assert not [child for child in alive if child.status() != psutil.STATUS_ZOMBIE]
    assert (tmp_path / "log").read_text().endswith("the same command goes on from there.\ninterrupted\n")
    assert list(tmp_path.glob("tiny/*/results.parquet"))
    assert list(open_to_others(tmp_path)) == []
    temporary.rmdir()  # nothing is left there
