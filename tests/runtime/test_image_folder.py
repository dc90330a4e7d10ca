"""A run on an image folder: what is told before it, whose images a list of names says, and what its record keeps."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from collab.data.source import WithNames
from collab.errors import DataError
from collab.participants.sources import open_scenario_source
from collab.report.pages.page import write_page
from collab.runtime.host import Event
from collab.runtime.play import Where, play
from collab.runtime.prepared import Prepared
from collab.runtime.progress import show_run, show_sweep
from collab.runtime.sweep import sweep
from collab.scenario.model import Scenario
from collab.scenario.reader import read_scenario
from collab.scenario.sweep import read_sweep
from tests.places import SCENARIOS
from tests.playing import SMALL

CLASSES = ("cat", "dog", "fox", "owl")
PASSED = "2 files in `train` passed over: Pillow reads no image with such an ending (.heic 2)."
Told = Callable[..., list[str]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for split, count in (("train", 20), ("val", 5)):
        for name in CLASSES:
            folder = tmp_path / "images" / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                paint(folder / f"{'ab'[number % 2]}_{number:02}.png", rng)
    (tmp_path / "rows.txt").write_text("cat/a_*\ndog/b_01.png\n")
    return tmp_path / "images"


def paint(file: Path, rng: np.random.Generator) -> None:
    Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(file)


def overrides(root: Path) -> list[str]:
    data = f"data={{source: imagefolder, root: {root}, image_size: 16, private_classes: [cat, dog, fox]}}"
    shares = ["entities.*.share=0.1", "entities.a1.share=null", f"entities.a1.rows={root.parent / 'rows.txt'}"]
    return [data, *(each for each in SMALL if not each.startswith(("data.", "entities.a4"))), *shares]


def read(root: Path, *more: str) -> Scenario:
    return read_scenario(SCENARIOS / "tiny.yaml", [*overrides(root), *more]).scenario


def prepared(root: Path, watch: Callable[[Event], None] = lambda event: None) -> Prepared:
    return Prepared.of(read(root), Where("inprocess", out=root.parent / "runs"), watch)


def files_of(root: Path, entity: str) -> set[str]:
    source = open_scenario_source(read(root))
    assert isinstance(source, WithNames)
    return {source.names("train")[row] for row in prepared(root).assignment.entities[entity].rows}


def with_heic(root: Path) -> Path:
    for number in range(2):
        (root / "train/cat" / f"{number}.heic").write_bytes(b"x")
    return root


def test_a_list_of_names_says_the_same_images_when_others_come(root: Path) -> None:
    listed = {*(f"cat/a_{number:02}.png" for number in range(0, 20, 2)), "dog/b_01.png"}
    assert files_of(root, "a1") == listed
    paint(root / "train/cat/a.png", np.random.default_rng(1))  # sorts before all others, so that all numbers shift
    assert files_of(root, "a1") == listed


def test_numbers_are_refused_with_what_to_write(root: Path) -> None:
    (root.parent / "rows.txt").write_text("21\n22\n")
    with pytest.raises(DataError, match=r"entity 'a1': .*rows\.txt:1: 21 is a number, .*\(dog/a_02\.png, which is row"):
        prepared(root)


def test_keys_follow_the_names_that_are_listed(root: Path) -> None:
    before = prepared(root).keys
    (root.parent / "rows.txt").write_text("dog/b_01.png\n\ncat/a_0?.png\ncat/a_1?.png\n")
    assert prepared(root).keys == before  # the same files, said otherwise
    (root.parent / "rows.txt").write_text("cat/a_*\ndog/b_03.png\n")
    after = prepared(root).keys
    assert after["decode a1"] != before["decode a1"]
    assert after["decode public"] == before["decode public"]
    (root.parent / "rows.txt").write_text("cat/a_*\ndog/b_01.png\n")
    (root / "train/dog/b_01.png").rename(root / "train/dog/b_00.png")
    (root.parent / "rows.txt").write_text("cat/a_*\ndog/b_00.png\n")
    assert prepared(root).keys["decode a1"] != before["decode a1"]


def test_notices_are_told_before_rows_are_dealt(root: Path) -> None:
    events: list[Event] = []
    assert prepared(with_heic(root), events.append).assignment.notices == (PASSED,)
    assert events == [{"event": "note", "text": PASSED}]
    (root.parent / "rows.txt").write_text("fish/*\n")
    with pytest.raises(DataError):
        prepared(root, events.append)
    assert events == 2 * [{"event": "note", "text": PASSED}]


def test_record_and_page_keep_notices_and_a_digest_of_names(root: Path) -> None:
    events: list[Event] = []
    few = read(with_heic(root), "refinements=[{row: 1, entity: a1, own: images}]", "controls=false", "expect=null")
    played = play(few, Where("inprocess", out=root.parent / "runs"), events.append)
    assert [event["event"] for event in events[:2]] == ["note", "planned"]
    record = json.loads((played.run / "record.json").read_text())
    assert record["notices"] == [PASSED]
    lines = "".join(f"{name}\n" for name in sorted(files_of(root, "a1")))
    assert record["file_names"]["a1"] == sha256(lines.encode()).hexdigest()
    assert record["file_names"].keys() == record["images"].keys()
    page = write_page(played.run).read_text(encoding="utf-8")
    assert f"<li>{PASSED}</li>" in page
    assert "b_01.png" not in page + (played.run / "record.json").read_text()


@pytest.mark.long
def test_a_sweep_tells_each_notice_once(root: Path) -> None:
    few = ["refinements=[{row: 1, entity: a1, own: images}]", "controls=false", "expect=null"]
    spec, cells = read_sweep(SCENARIOS / "tiny.yaml", (), seeds=2, overrides=[*overrides(with_heic(root)), *few])
    console = Console(file=io.StringIO(), width=200)
    with show_sweep(console) as watch:
        sweep(spec, cells, Where("inprocess", out=root.parent / "runs"), watch)
    assert console.file.getvalue().count(f"note: {PASSED}") == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("shown", [show_run, show_sweep])
@pytest.mark.parametrize("is_terminal", [True, False])
def test_whoever_watches_sees_a_notice_as_it_is(is_terminal: bool, shown: Callable[[Console], object]) -> None:
    console = Console(file=io.StringIO(), force_terminal=is_terminal, width=200)
    with shown(console) as watch:  # type: ignore[attr-defined]
        watch({"event": "note", "text": "2 files [of cat] passed over."})
        watch({"event": "note", "text": "[/cat] too."})  # rich would read both as markup
    assert "note: 2 files [of cat] passed over." in console.file.getvalue()  # type: ignore[attr-defined]


def test_notices_and_names_need_no_torch(root: Path) -> None:
    code = (
        "import sys; import collab.participants.assignment; from collab.data.folders import ImageFolders;"
        f"source = ImageFolders(image_size=16, seed=0, root={str(with_heic(root))!r});"
        "print(source.notices()[0], len(source.names('train')), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{PASSED} 80 False"
