"""Images that stand twice: told before anything is trained, no leak of anybody's, and what is a leak is found."""

import io
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from collab.cli import main
from collab.errors import DataError
from collab.report.pages.page import write_page
from collab.runtime.host import Event
from collab.runtime.leak_check import LeakCheck
from collab.runtime.play import Played, Where, play
from collab.runtime.prepared import Prepared
from collab.runtime.progress import show_run, show_sweep
from collab.scenario.model import Scenario
from collab.scenario.reader import read_scenario
from collab.store.residue import read_batches, read_rows
from collab.store.written import Written
from tests.places import SCENARIOS
from tests.playing import SMALL

BLACK = np.zeros((16, 16, 3), np.uint8)


class Images:
    """An image folder of noise, 24 and 6 images in each of 4 classes, of which an entity's may be changed."""

    def __init__(self, root: Path, *overrides: str) -> None:
        self.root, rng = root / "images", np.random.default_rng(0)
        for split, count in (("train", 24), ("val", 6)):
            for name in "abcd":
                (self.root / split / name).mkdir(parents=True)
                for number in range(count):
                    self.put(split, name, number, rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))
        sets = [
            f"data={{source: imagefolder, root: {self.root}, image_size: 16, private_classes: [a, b]}}",
            *(each for each in SMALL if not each.startswith("data.")), "entities.*.share=0.2", "controls=false",
        ]  # fmt: skip
        self.sets = [*sets, *overrides]

    @property
    def scenario(self) -> Scenario:
        return read_scenario(SCENARIOS / "tiny.yaml", self.sets).scenario

    def put(self, split: str, name: str, number: int, pixels: np.ndarray) -> None:
        Image.fromarray(pixels).save(self.root / split / name / f"{number:02}.png")

    def path_of(self, entity: str, number: int) -> Path:
        """The file of an image of an entity; files of a class are in order, those of a before those of b."""
        row = Prepared.of(self.scenario, Where("inprocess", out=self.root)).assignment.entities[entity].rows[number]
        return self.root / "train" / "ab"[row // 24] / f"{row % 24:02}.png"

    def played(self, out: Path, watch: Callable[[Event], None] = lambda event: None) -> Played:
        return play(self.scenario, Where("inprocess", out=out), watch)


@pytest.fixture
def images(tmp_path: Path) -> Images:
    return Images(tmp_path)


def held_out(images: Images) -> None:
    shutil.copy(images.path_of("a1", 2), images.root / "val/b/03.png")


def public(images: Images) -> None:
    shutil.copy(images.path_of("a2", 3), images.root / "train/c/05.png")


def blank(images: Images) -> None:
    Image.fromarray(BLACK).save(images.path_of("a1", 0))
    Image.fromarray(BLACK).save(images.path_of("a3", 1))
    images.put("val", "a", 2, BLACK)
    images.put("train", "d", 2, BLACK)


def of_two_entities(images: Images) -> None:
    images.sets.append("entities.a3.defense=none")
    shutil.copy(images.path_of("a1", 4), images.path_of("a3", 0))
    shutil.copy(images.path_of("a2", 4), images.path_of("a3", 1))


COPIES: dict[Callable[[Images], None], str] = {
    held_out: "1 private image is also held-out (a1: 1): a score there says nothing about new images.",
    public: ("1 private image is also public (a2: 1): no secret, and part of what the reconstructor has learned from."),
    blank: (
        "4 images are of a single color (a1: 1, a3: 1, held-out: 1, public: 1), counted nowhere else here: there is "
        "nothing on them to learn, to hide or to rebuild."
    ),
    of_two_entities: (
        "2 images are held by several entities (a1 and a3: 1, a2 and a3: 1): matching cannot tell them apart, and what "
        "one of them gives away is given away for all."
    ),
}


@pytest.mark.parametrize("copy", COPIES, ids=lambda copy: copy.__name__)
def test_copies_end_no_run_and_are_told_before_anything_is_trained(
    copy: Callable[[Images], None], images: Images, tmp_path: Path
) -> None:
    copy(images)
    told: list[Event] = []
    run = images.played(tmp_path / "runs", told.append).run
    events = [(event["event"], event.get("stage", event.get("text"))) for event in told]
    assert [text for event, text in events if event == "note"] == [COPIES[copy]]
    assert events.index(("note", COPIES[copy])) < events.index(("start", "pretrain"))
    record = json.loads((run / "record.json").read_text())
    assert list(record["facts"]["find copies"].values()) == [COPIES[copy]]
    assert f"<li>{COPIES[copy]}" in write_page(run).read_text()
    again: list[Event] = []
    images.played(tmp_path / "runs", again.append)
    assert [event["text"] for event in again if event["event"] == "note"] == [COPIES[copy]]  # from the cache, too


@pytest.mark.parametrize("scored", ["heldout", "validation"])
def test_copies_among_validation_images_are_told_by_their_names(images: Images, tmp_path: Path, scored: str) -> None:
    """Which of both sets a run is scored on changes nothing of it."""
    images.sets += ["data.validation=5", f"data.score_on={scored}"]
    prepared = Prepared.of(images.scenario, Where("inprocess", out=images.root)).assignment
    sets = (prepared.heldout, prepared.unscored) if scored == "heldout" else (prepared.unscored, prepared.heldout)
    heldout, validation = (f"val/{'ab'[row // 6]}/{row % 6:02}.png" for row in (held.rows[0] for held in sets))
    shutil.copy(images.path_of("a2", 3), images.root / validation)
    shutil.copy(images.root / validation, images.root / heldout)
    where = Where("inprocess", out=tmp_path / "runs", only="find copies")
    facts = json.loads((play(images.scenario, where, lambda event: None).run / "record.json").read_text())["facts"]
    assert {about: text.split(":")[0] for about, text in facts["find copies"].items()} == {
        "private, held-out": "1 private image is also held-out (a2",
        "private, validation": "1 private image is also validation (a2",
        "held-out, validation": "1 held-out image is also among the validation images",
    }


def test_where_nothing_stands_twice_nothing_is_said(played: Played) -> None:
    record = json.loads((played.run / "record.json").read_text())
    assert "find copies" in record["jobs"]
    assert "find copies" not in record["facts"]


def test_leaks_are_found_beside_copies_and_named_by_their_image(images: Images, tmp_path: Path) -> None:
    for copy in (held_out, public, blank, of_two_entities):
        copy(images)
    run = images.played(tmp_path / "runs").run
    features = read_rows(next((run / "private/a1/features").glob("*.arrow")), 1000)
    pixels = np.load(run / "private/a1/images.npy")
    (run / "release/more.bin").write_bytes(features[[0, 2]].tobytes() + pixels[[0, 2]].tobytes())
    assert LeakCheck(run, images.scenario).search_run() == []  # a black frame, and an image that is held out as well
    (run / "release/more.bin").write_bytes(features[[0, 5]].tobytes() + pixels[[2, 5]].tobytes())
    assert [str(leak) for leak in LeakCheck(run, images.scenario).search_run()] == [
        "release/more.bin holds images of a1 (of its image 5)",
        "release/more.bin holds unpoisoned features of a1 (of its image 5)",
    ]


def test_a_row_that_was_put_among_held_out_features_is_found(images: Images, tmp_path: Path) -> None:
    held_out(images)
    run = images.played(tmp_path / "runs").run
    shard = Written.read(run / "heldout/features").path
    content = bytearray(shard.read_bytes())
    stolen = read_rows(next((run / "private/a2/features").glob("*.arrow")), 1000)[7].tobytes()
    there = next(read_batches(shard))[1].tobytes()
    at = content.index(there)
    content[at : at + len(there)] = stolen
    shard.unlink()  # the cache holds the same file
    shard.write_bytes(content)
    (leak,) = LeakCheck(run, images.scenario).search_run()
    assert str(leak) == f"{shard.relative_to(run)} holds unpoisoned features of a2 (of its image 7)"


def with_other(pixels: np.ndarray, rows: slice) -> np.ndarray:
    changed = pixels.copy()
    changed[rows] = np.random.default_rng(1).integers(0, 256, changed[rows].shape, dtype=np.uint8)
    return changed


def test_images_that_are_alike_in_a_part_end_no_run_and_are_looked_for_by_the_rest(
    images: Images, tmp_path: Path
) -> None:
    original = np.asarray(Image.open(images.path_of("a1", 1)))
    images.put("val", "a", 0, with_other(original, slice(15, 16)))
    other = np.asarray(Image.open(images.path_of("a1", 2)))
    for number, rows in enumerate((slice(0, 1), slice(15, 16), slice(8, 9))):  # together they show all of it
        images.put("val", "a", 1 + number, with_other(other, rows))
    run = images.played(tmp_path / "runs").run
    write_page(run)  # its pictures of held-out images lie there by pixel
    audit = LeakCheck(run, images.scenario)
    assert audit.search_run() == []
    features = read_rows(next((run / "private/a1/features").glob("*.arrow")), 1000)
    (run / "release/more.bin").write_bytes(features[1].tobytes())
    assert [leak.images for leak in audit.search_run()] == [(1,)]


def refused(images: Images, out: Path, monkeypatch: pytest.MonkeyPatch, *more: str) -> None:
    sets = [part for override in images.sets for part in ("--set", override)]
    arguments = ["collab", "run", str(SCENARIOS / "tiny.yaml"), *sets, "--backend", "inprocess", "--out", str(out)]
    monkeypatch.setattr("sys.argv", [*arguments, *more])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == DataError.exit_code == 2


@pytest.mark.parametrize("sets", [(), ("on_failure=continue",)])
def test_a_test_split_that_is_the_training_split_is_refused_before_anything_is_trained(
    sets: Sequence[str], images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    shutil.rmtree(images.root / "val")
    shutil.copytree(images.root / "train", images.root / "val")
    images.sets += sets
    refused(images, tmp_path / "runs", monkeypatch)
    text = capsys.readouterr().err
    assert "different private images of entities are also held-out images: the test split is a copy" in text
    assert "To play this stage again" not in text
    (run,) = (tmp_path / "runs/tiny").glob("*")
    assert not (run / "release").exists()


def test_half_a_test_split_of_training_images_is_told_and_played(images: Images, tmp_path: Path) -> None:
    for number, name in enumerate(("a", "b")):
        for place in range(3):
            shutil.copy(images.path_of(f"a{number + 1}", place), images.root / f"val/{name}/{place:02}.png")
    told: list[Event] = []
    images.played(tmp_path / "runs", told.append)
    (text,) = (event["text"] for event in told if event["event"] == "note")
    assert str(text).startswith("6 private images are also held-out (a1: 3, a2: 3)")


def test_an_image_that_does_not_decode_keeps_only_its_entity_from_playing(images: Images, tmp_path: Path) -> None:
    images.path_of("a4", 0).write_bytes(b"no image")
    images.sets.append("on_failure=continue")
    found = images.played(tmp_path / "runs")
    assert {type(failure) for failure in found.failures} == {DataError}  # of a4; the oracle waits for its images
    assert {"1", "7", "9"} <= {row.row for row in found.rows}
    assert not {"10", "11", "12"} & {row.row for row in found.rows}


@pytest.mark.parametrize("is_terminal", [True, False])
@pytest.mark.parametrize("way", [show_run, show_sweep])
def test_a_note_stays_on_the_screen_and_a_sweep_prints_it_once(
    way: Callable[..., Callable[[Event], None]], is_terminal: bool
) -> None:
    file = io.StringIO()
    with way(Console(file=file, force_terminal=is_terminal, width=100)) as watch:  # type: ignore[attr-defined]
        for run in ("one", "two"):
            watch({"event": "note", "text": "2 images are twins", "run": run})
    assert file.getvalue().count("note: 2 images are twins") == (2 if way is watch else 1)
