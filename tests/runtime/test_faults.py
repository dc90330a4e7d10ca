import io
import itertools
import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image
from pyarrow import parquet

from collab.cli import main
from collab.errors import DataError, ResourceError, StoreError
from collab.participants.entity import Entity
from collab.runtime.play import Played, Where, play
from collab.scenario.model import Scenario
from collab.scenario.reader import read_scenario
from collab.store import files
from collab.store.store import Store
from collab.training.progress import Progress
from collab.types import Report
from tests.places import TINY
from tests.playing import bits, shards


def quietly(scenario: Scenario, out: Path, device: str = "auto") -> Played:
    return play(scenario, Where("inprocess", device=device, out=out), lambda event: None)


def temporary_files(out: Path) -> list[Path]:
    return [path for path in out.rglob("*") if path.name.startswith(".tmp")]


def test_images_that_do_not_decode_are_named_with_whose_they_are(tmp_path: Path) -> None:
    for name, count in (("train", 48), ("test", 12)):
        rng = np.random.default_rng(0)
        images = []
        for number in range(count):
            file = io.BytesIO()
            Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(file, "PNG")
            broken = name == "train" and number < 24
            images.append({"bytes": file.getvalue()[:60] if broken else file.getvalue(), "path": str(number)})
        table = pa.table({"image": images, "label": [number % 4 for number in range(count)]})
        parquet.write_table(table, tmp_path / f"{name}.parquet")
    text = TINY.read_text()
    start = text.index("data: {")
    line = text[start : text.index("\n", start)]
    other = f"data: {{source: parquet, root: {tmp_path}, image_size: 16}}"
    (tmp_path / "scenario.yaml").write_text(text.replace(line, other))
    scenario = read_scenario(tmp_path / "scenario.yaml", ["entities.*.share=0.25"]).scenario
    with pytest.raises(
        DataError, match=r"(?s)a1: 2 of 6 images do not decode:\n  row \d+ of .*train\.parquet"
    ) as caught:
        quietly(scenario, tmp_path / "runs")
    assert caught.value.exit_code == 2
    assert not list((tmp_path / "runs").rglob("*.arrow"))


def test_a_full_disk_while_publishing_leaves_no_half_written_shard(
    small: Callable[..., Scenario], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = os.fsync

    def full(descriptor: int) -> None:
        if "/store/entity=" in os.readlink(f"/proc/self/fd/{descriptor}"):
            raise OSError(28, "No space left on device")
        honest(descriptor)

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(StoreError, match=r"entity 'a1' failed in stage 'publish'.*No space left") as caught:
        quietly(small(), tmp_path)
    assert caught.value.exit_code == 5
    assert "store/entity=a1" in str(caught.value)
    store = next(tmp_path.rglob("store"))
    assert not list(store.rglob("*.arrow"))
    assert not temporary_files(tmp_path)


def test_a_class_with_too_few_images_for_a_share(small: Callable[..., Scenario], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'a4' with share 0\.001 would get no image of class species_00, which has 40"):
        quietly(small("entities.a4.share=0.001"), tmp_path)


def test_a_gpu_that_is_not_there(
    small: Callable[..., Scenario], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ResourceError, match="no CUDA device"):
        quietly(small(), tmp_path, device="cuda")


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["run", "no_such.yaml"], 2, "no_such.yaml"),
        (["run", str(TINY), "--set", "model.hook=conv9_1"], 2, "conv9_1"),
        (["validate", str(TINY), "--set", "modl.hook=x"], 2, "modl"),
        (["run", str(TINY), "--set", "data.train=24", "--backend", "inprocess"], 2, "share"),
        (["store", "ls", "nowhere"], 5, "nowhere"),
    ],
)
def test_mistakes_end_with_one_message_and_their_exit_code(
    arguments: list[str],
    code: int,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["collab", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    printed = capsys.readouterr().err
    assert ended.value.code == code
    assert printed.count("error: ") == 1
    assert told in printed
    assert "Traceback" not in printed


def test_a_store_that_was_tampered_with_ends_with_its_exit_code(
    played: Played, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(played.run / "store", tmp_path / "store")
    monkeypatch.setattr("sys.argv", ["collab", "store", "verify", str(tmp_path / "store")])
    main()
    shard = next((tmp_path / "store").glob("entity=a2/*.arrow"))
    shard.chmod(0o600)
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 5
    assert "1 refused" in capsys.readouterr().out


def test_a_read_only_store_is_named_and_what_was_published_stays(
    small: Callable[..., Scenario], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = os.open

    def read_only(path: object, flags: int, *args: object, **kwargs: object) -> int:
        if "/store/entity=a3" in str(path) and flags & os.O_CREAT:
            raise OSError(30, "Read-only file system")
        return honest(path, flags, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(files.os, "open", read_only)
    found = quietly(small("on_failure=continue"), tmp_path)
    monkeypatch.setattr(files.os, "open", honest)
    assert any(
        isinstance(failure, StoreError) and re.search("entity 'a3' failed in stage 'publish'.*Read-only", str(failure))
        for failure in found.failures
    )
    store = Store(next(tmp_path.glob("tiny/*/store")))
    assert {record.entity for record in store.records()} == {"a1", "a2", "a4"}
    assert not temporary_files(tmp_path / "tiny")
    assert [finding.problem for finding in store.verify()] == [""] * 3


@pytest.mark.long
def test_a_slow_entity_costs_time_and_nothing_else(
    small: Callable[..., Scenario], played: Played, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest, slowed = Entity.publish, list[str]()

    def slow(self: Entity, progress: Progress) -> Report:
        if self.name == "a2":
            slowed.append(self.name)
            time.sleep(1.5)
        return honest(self, progress)

    monkeypatch.setattr(Entity, "publish", slow)
    found = play(small(), Where("inprocess", out=tmp_path), lambda event: None)
    assert slowed == ["a2"]
    assert bits(found.rows) == bits(played.rows)
    assert shards(found.run) == shards(played.run)


@pytest.mark.long
def test_a_clock_that_jumps_changes_no_result(
    small: Callable[..., Scenario], played: Played, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest, calls = time.time, itertools.count()
    monkeypatch.setattr(time, "time", lambda: honest() + (-1) ** next(calls) * 86400 * 365)
    found = play(small(), Where("inprocess", out=tmp_path), lambda event: None)
    again = play(small(), Where("inprocess", out=tmp_path), lambda event: None)
    monkeypatch.setattr(time, "time", honest)
    assert next(calls) > 10
    assert bits(found.rows) == bits(again.rows) == bits(played.rows)
    assert shards(found.run) == shards(played.run)
    assert again.cached == again.jobs
    assert len(Store(again.run / "store").records()) == 4
