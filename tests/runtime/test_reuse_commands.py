"""The commands of docs/reuse.md, as a user types them."""

import json
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from collab.cli import main
from tests.places import SCENARIOS
from tests.playing import SMALL

SETS = [part for override in SMALL for part in ("--set", override)]
DIVERGES = ("--set", "entities.a2.defense.learning_rate=1e30", "--set", "entities.a2.defense.epochs=4")


@pytest.fixture
def collab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    """Runs the command line in an empty folder; answers exit code, output and errors."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["collab", *arguments])
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        told = capsys.readouterr()
        return code, told.out, told.err

    monkeypatch.chdir(tmp_path)
    return run


def test_run_takes_from_the_cache_and_says_so_and_gc_empties_it(collab, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    tiny = str(SCENARIOS / "tiny.yaml")
    code, out, err = collab("run", tiny, *SETS, "--backend", "inprocess")
    assert code == 0
    assert "0 of 53 jobs from the cache" in out
    assert "poison a2: done" in err
    code, out, err = collab("run", tiny, *SETS, "--backend", "inprocess", "--json")
    assert json.loads(out)["cached"] == 53
    assert "poison a2: from the cache" in err
    code, out, _ = collab("cache", "ls")
    assert code == 0
    assert "poison             a2           private" in out
    assert "pretrain           a1           shared" in out
    assert collab("cache", "gc")[0] == 2
    assert collab("cache", "gc", "--keep", "lots")[0] == 2
    code, out, _ = collab("cache", "gc", "--keep", "1KiB")
    assert "stages removed" in out
    code, out, _ = collab("cache", "ls")
    assert int(out.split()[-4]) <= 1
    assert list((tmp_path / "runs/tiny").glob("*/private/a2/images.npy"))


def test_the_command_that_an_error_prints_plays_that_stage_again(  # type: ignore[no-untyped-def]
    collab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As pasted, in another folder: paths with spaces, a plugin of a folder of its own, the device."""
    (tmp_path / "my plugins").mkdir()
    (tmp_path / "my plugins" / "slow.py").write_text(
        "from typing import ClassVar\n\nfrom collab.participants.entity import Entity\n\n\nclass Slow(Entity):\n"
        '    kind: ClassVar[str] = "slow"\n'
    )
    given = ("--plugin-dir", "my plugins", "--set", "entities.a2.kind=slow", "--device", "cpu", "--out", "my runs")
    code, _, err = collab("run", str(SCENARIOS / "tiny.yaml"), *SETS, *DIVERGES, *given, "--backend", "inprocess")
    assert code == 4
    command = next(line for line in err.splitlines() if line.strip().startswith("collab run"))
    words = shlex.split(command)
    assert words[-2:] == ["--only", "poison a2"]
    assert words[words.index("--device") + 1] == "cpu"
    monkeypatch.chdir("/")
    code, _, err = collab(*words[1:])
    assert code == 4
    assert "entity 'a2' failed in stage 'poison'" in err
    assert "pretrain a1: from the cache" in err
    assert "poison a3" not in err


def test_who_interrupts_a_run_is_told_how_it_goes_on(collab, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    def interrupted(*words: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("collab.runtime.play.play", interrupted)
    code, _, err = collab("run", str(SCENARIOS / "tiny.yaml"), *SETS, "--backend", "inprocess")
    assert code == 130
    assert err == "What was finished is kept; the same command goes on from there.\ninterrupted\n"
    code, _, err = collab("run", str(SCENARIOS / "tiny.yaml"), *SETS, "--backend", "inprocess", "--fresh")
    assert "the same command without --fresh goes on from there" in err


def test_the_version_is_told_and_the_package_is_a_command(collab) -> None:  # type: ignore[no-untyped-def]
    told = f"collab {version('collab')}\n"
    assert collab("--version")[:2] == (0, told)
    done = subprocess.run([sys.executable, "-m", "collab", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == told


def test_on_failure_continue_prints_what_there_is_and_keeps_the_exit_code(collab) -> None:  # type: ignore[no-untyped-def]
    goes_on = (*DIVERGES, "--set", "on_failure=continue")
    code, out, err = collab("run", str(SCENARIOS / "tiny.yaml"), *SETS, *goes_on, "--backend", "inprocess", "--json")
    found = json.loads(out)
    assert code == 4
    assert len(found["failures"]) == 1
    assert err.count("error: ") == 1
    top1 = {row["row"] for row in found["rows"] if row["metric"] == "top1"}
    assert {"1", "5", "6", "8", "c_own_a3"} <= top1  # row 8 pools what a1 published
    assert not {"7", "9", "12"} & top1


def test_sweep_dry_run_plays_nothing(collab, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    code, out, _ = collab("sweep", str(SCENARIOS / "tiny.yaml"), *SETS, "--vary", "lambda=0.5,1.0", "--dry-run")
    assert code == 0
    assert out.splitlines()[-1] == "2 of 2 cells to play, about 0.2 min by the passes over images"
    assert not (tmp_path / "runs").exists()


def test_mistakes_of_a_sweep_name_the_line_or_the_cell(collab, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "sweep.yaml"
    file.write_text(
        f"name: x\nscenario: {SCENARIOS / 'tiny.yaml'}\naxis: []\naxes: [{{vary: hook, values: []}}]\nseeds: 0\n"
    )
    code, _, err = collab("sweep", str(file))
    assert code == 2
    for told in (
        "sweep.yaml:3:1: axis: unknown key; did you mean `axes`?",
        "sweep.yaml:4:",
        "sweep.yaml:5:1: seeds: must be",
    ):
        assert told in err, told
    code, _, err = collab("sweep", str(SCENARIOS / "tiny.yaml"), "--vary", "hook=conv3_1,conv9_9")
    assert code == 2
    assert "cell hook=conv9_9:" in err
    assert "conv9_9" in err
    for vary in ("hook", "hook=[a", "entities=some"):
        assert collab("sweep", str(SCENARIOS / "tiny.yaml"), "--vary", vary)[0] == 2


def test_zip_and_the_ready_made_axes(collab) -> None:  # type: ignore[no-untyped-def]
    code, out, _ = collab(
        "sweep", str(SCENARIOS / "tiny.yaml"), *SETS, "--vary", "entities=2,3", "--vary", "subset_size.a1=0.05,0.1",
        "--vary", "defense=none,dpm", "--zip", "--dry-run",
    )  # fmt: skip
    assert code == 0
    assert [line.partition(":")[0] for line in out.splitlines()[:-1]] == [
        "entities=2 subset_size.a1=0.05 defense=none seed=0", "entities=3 subset_size.a1=0.1 defense=dpm seed=0",
    ]  # fmt: skip


def test_the_schema_of_sweeps_accepts_ours(collab) -> None:  # type: ignore[no-untyped-def]
    import jsonschema
    import yaml

    schema = json.loads(collab("schema", "sweep")[1])
    jsonschema.validate(yaml.safe_load((SCENARIOS / "subset_sizes.yaml").read_text()), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"name": "x", "scenario": "y"}, schema)
