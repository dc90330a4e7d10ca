"""The soak in short, and that it would find what it looks for."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from collab.results.table import read_results, write_results
from tests.places import ROOT

sys.path.append(str(ROOT / "benchmarks"))  # its parts are scripts beside one another

HAS_NAMESPACES = (
    shutil.which("unshare") is not None
    and subprocess.run(["unshare", "-Urmn", "ip", "link"], capture_output=True, check=False).returncode == 0
)


@pytest.fixture(scope="module")
def judge() -> ModuleType:
    import soak_judge

    return soak_judge


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from collab.runtime.play import Where
    from collab.runtime.sweep import sweep
    from collab.scenario.sweep import read_sweep
    from tests.places import TINY
    from tests.playing import SMALL

    out = tmp_path_factory.mktemp("calm")
    spec, cells = read_sweep(TINY, ["lambda=0.5"], overrides=SMALL)
    spec = spec.model_copy(update={"name": "calm"})
    sweep(spec, cells, Where("inprocess", device="cpu", out=out), lambda event: None)
    return out


def only_run(out: Path) -> Path:
    (run,) = out.glob("tiny/*")
    return run


def change_a_result(run: Path) -> None:
    rows = read_results(run / "results.parquet")
    write_results(run / "results.parquet", rows[1:])


def double_a_shard(run: Path) -> None:
    path = next((run / "store" / "manifest").iterdir())
    shutil.copy(path, path.with_name(path.name.replace("000001", "000002")))


def lose_a_shard(run: Path) -> None:
    next((run / "store" / "manifest").iterdir()).unlink()


PLANTED: list[tuple[Callable[[Path], None], str]] = [
    (change_a_result, "results: 1 lost"),
    (double_a_shard, "shards: 1 doubled or changed"),
    (lose_a_shard, "shards: 1 lost"),
    (lambda run: shutil.rmtree(run), "has no whole run"),
]


@pytest.mark.long
@pytest.mark.parametrize(("plant", "told"), PLANTED)
def test_what_is_lost_doubled_or_changed_is_found(
    plant: Callable[[Path], None], told: str, calm: Path, judge: ModuleType, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(calm, out)
    expected = judge.read_sweep(calm, "calm")
    assert judge.differences(judge.read_sweep(out, "calm"), expected) == []
    assert judge.refused_in_stores(out) == ([], 0)
    plant(only_run(out))
    assert told in " ".join(judge.differences(judge.read_sweep(out, "calm"), expected))


def test_the_same_seed_draws_the_same_faults_and_all_kinds_come_up() -> None:
    from soak_faults import FAULTS, ROUNDS, draw

    drawn = [draw(0, number) for number in range(300)]
    assert drawn == [draw(0, number) for number in range(300)]
    assert drawn != [draw(1, number) for number in range(300)]
    assert {kind for kind, _ in drawn} == set(ROUNDS)
    assert {fault.name for _, faults in drawn for fault in faults} == set(FAULTS)
    assert all(kind in FAULTS[fault.name][1] for kind, faults in drawn for fault in faults)


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.skipif(not HAS_NAMESPACES, reason="no namespaces for users")
def test_sweeps_end_as_on_a_calm_day_whatever_breaks(tmp_path: Path) -> None:
    done = subprocess.run(
        [str(ROOT / "scripts" / "soak"), "--minutes", "2", "--seed", "3", "--out", str(tmp_path / "logs")],
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=1500,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert "0 findings" in done.stdout
    assert "| rounds equal to the undisturbed one |" in done.stdout
