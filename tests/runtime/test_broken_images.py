"""Broken images: all of a run in one list before anything is trained, or left out, counted, and out of every hand."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from collab.data.decoding import Encoded
from collab.data.looking import find_strangers
from collab.errors import DataError
from collab.results.table import Result
from collab.runtime import deal
from collab.runtime.host import Event
from collab.runtime.play import Played, Where, play
from collab.runtime.sweep import sweep
from collab.scenario.reader import read_scenario
from collab.scenario.sweep import read_sweep
from tests.places import SCENARIOS

CLASSES = ("cat", "dog")
PARTIES = ("a1", "a2")
ROWS = """[{row: 1, entity: a1, own: images}, {row: 2, entity: a2, own: features, pool: [a1]},
           {row: 3, entity: a2, own: features, unpoisoned: [a1]}, {row: 5, own: images, share: 1.0, epochs: 1}]"""


def paint(folder: Path, count: int, rng: np.random.Generator) -> None:
    for name in CLASSES:
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number:02}.png")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two parties with a folder each, and a public one."""
    rng = np.random.default_rng(0)
    for folder in (*PARTIES, "public"):
        paint(tmp_path / folder, 20, rng)
    return tmp_path


def cut(file: Path) -> Path:
    """An image that begins as one, and ends too soon."""
    file.write_bytes(file.read_bytes()[:200])
    return file


def changes(root: Path) -> list[str]:
    """What makes `tiny` a scenario of these folders."""
    entities = ", ".join(
        f"{{name: {name}, data: {{source: imagefolder, root: {root / name}, hold_out: 0.2}},"
        " defense: {kind: dpm, blocks: 1, epochs: 1, batch_size: 16}}"
        for name in PARTIES
    )
    public = f"public: {{source: imagefolder, root: {root / 'public'}}}"
    parts = [f"data={{source: own, image_size: 16, {public}}}", f"entities=[{entities}]", f"refinements={ROWS}"]
    return [*parts, "model.pretrain.epochs=1", "refine.epochs=1", "expect=null"]


def run(
    root: Path, *overrides: str, out: str = "runs", only: str | None = None, events: list[Event] | None = None
) -> Played:
    scenario = read_scenario(SCENARIOS / "tiny.yaml", [*changes(root), *overrides]).scenario
    told = [] if events is None else events
    return play(scenario, Where("inprocess", out=root / out, only=only), told.append)


def note(seen: list[str], files: Iterable[Encoded]) -> Iterator[Encoded]:
    for file, where in files:
        seen.append(where)
        yield file, where


def count_left_out(rows: Sequence[Result]) -> dict[tuple[str, str | None], float]:
    return {(row.metric, row.entity): row.value or 0 for row in rows if row.metric.endswith("left_out") and row.value}


def test_all_broken_images_of_all_parties_come_in_one_list_before_anything_is_trained(root: Path) -> None:
    broken = [cut(root / name / "cat" / f"{number:02}.png") for name in (*PARTIES, "public") for number in range(7)]
    events: list[Event] = []
    with pytest.raises(DataError) as error:
        run(root, events=events)
    text = str(error.value)
    assert error.value.exit_code == 2
    assert [text.count(str(file)) for file in broken] == [1] * len(broken)
    assert text.endswith("or leave them out: --set data.broken=skip")
    assert {event["stage"] for event in events if event["event"] == "start"} == {"decode"}
    lists = sorted((root / "runs").glob("tiny/*/private/*/broken_*.txt"))
    assert sum(len(each.read_text().splitlines()) for each in lists) == len(broken)
    assert {each.stat().st_mode & 0o777 for each in lists} == {0o600}


def test_a_list_of_many_names_twenty_and_the_file_of_all(root: Path) -> None:
    broken = [cut(file) for file in sorted((root / "public").glob("*/*.png"))[:25]]
    with pytest.raises(DataError, match=r"public images: 25 of 40 images do not decode \(all in .*\.txt\):") as error:
        run(root)
    place = Path(str(error.value).split("(all in ")[1].split("):")[0])
    assert [line.split(" does not")[0] for line in place.read_text().splitlines()] == list(map(str, broken))
    assert sum(str(file) in str(error.value) for file in broken) == 20


def test_what_is_no_image_is_refused_before_anything_is_decoded_unless_all_was_decoded_before(root: Path) -> None:
    run(root, only="find copies")
    (root / "a1/cat/02.png").unlink()
    (root / "a1/cat/02.png").symlink_to("nowhere")
    events: list[Event] = []
    with pytest.raises(DataError, match=r"1 file is no image:\n .*02\.png is a link to what is not there"):
        run(root, events=events)
    assert not any(event["event"] == "start" for event in events)


def test_a_sweep_looks_once_at_what_any_of_its_cells_plays(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which of the images of a2 a cell plays, its share says."""
    for number in range(20):
        (root / "a2/cat" / f"{number:02}.png").write_bytes(b"<html>")
    (root / "public/dog/04.png").write_bytes(b"")
    opened: list[str] = []
    monkeypatch.setattr(deal, "find_strangers", lambda files: find_strangers(note(opened, files)))
    varied = ["subset_size.a2=0.25,0.5,1.0"]
    swept = read_sweep(SCENARIOS / "tiny.yaml", varied, seeds=2, overrides=changes(root))
    with pytest.raises(DataError) as error:
        sweep(*swept, Where("inprocess", out=root / "runs"), lambda event: None)
    text = str(error.value)
    assert [text.count(f"a2/cat/{number:02}.png does not decode") for number in range(20)] == [1] * 20
    assert text.count("public/dog/04.png") == 1
    assert text.endswith(deal.MEND_STRANGERS)
    assert len(opened) == len(set(opened)) == 3 * 40


def test_lists_of_all_parties_are_looked_at_in_one_go(root: Path) -> None:
    data = []
    for name, kind in {"a1": "list", "a2": "parquet"}.items():  # the second reads files beside its table
        names = [str(file.relative_to(root / name)) for file in sorted((root / name).glob("*/*.png"))]
        table = pa.table({"image": names, "label": [image.partition("/")[0] for image in names]})
        parquet.write_table(table, root / name / "list.parquet")
        about = f"source: {kind}, root: {root / name}, train: list.parquet, test: null, hold_out: 0.2"
        data.append(f"entities.{name}.data={{{about}}}")
    assert run(root, *data, only="find copies").jobs
    for name in PARTIES:
        (root / name / "cat/03.png").unlink()
        (root / name / "dog/04.png").write_bytes(b"GIF")
    with pytest.raises(DataError) as error:
        run(root, *data, only="find copies")
    assert error.value.exit_code == 2
    for name in PARTIES:
        assert str(error.value).count(f"{name}/cat/03.png cannot be read: No such file") == 1
        assert str(error.value).count(f"{name}/dog/04.png") == 1


def test_all_sources_that_cannot_be_opened_are_named_at_once(root: Path) -> None:
    for name in ("a1", "public"):
        (root / name / "horse").symlink_to("nowhere")
    with pytest.raises(DataError, match=r"(?s)public images: 1 entry .*horse is a link.*a1: 1 entry .*horse is a link"):
        run(root)


def test_images_that_are_left_out_are_in_no_hand_and_counted(root: Path) -> None:
    """The oracle speaks of the others' rows, and finds the images that they have kept."""
    for name in (*PARTIES, "public"):
        for at in range(6):
            cut(root / name / "dog" / f"{3 * at:02}.png")
    events: list[Event] = []
    played = run(root, "data.broken=skip", events=events)
    counted = count_left_out(played.rows)
    assert counted["public_left_out", None] == 6
    assert [
        counted.get(("images_left_out", name), 0) + counted.get(("heldout_left_out", name), 0) for name in PARTIES
    ] == [6, 6]
    record = json.loads((played.run / "record.json").read_text())
    for name in PARTIES:
        images = np.load(played.run / "private" / name / "images.npy")
        labels = np.load(played.run / "private" / name / "labels.npy")
        assert len(images) == len(labels) == record["images"][name] == sum(record["labels"][name])
        assert images.reshape(len(images), -1).any(axis=1).all()  # none is black
    everybody = np.load(played.run / "private/oracle/images.npy")
    assert len(everybody) == sum(record["images"].values())
    told = [str(event["text"]) for event in events if event["event"] == "note"]
    assert sum("left out." in text for text in told) == len([count for count in counted.values() if count])
    page = (played.run / "report.html").read_text() if (played.run / "report.html").exists() else ""
    assert all(str(root) not in text for text in (*told, page))  # counts, no names


def test_what_is_left_is_what_a_folder_of_the_rest_would_be(root: Path) -> None:
    """Held-out images are drawn before: broken ones among those that one trains on change nothing else."""
    whole = run(root, "data.broken=skip", out="whole", only="find copies")
    kept = np.load(whole.run / "private/a1/images.npy")
    again = run(root, "data.broken=skip", out="whole", only="find copies")
    assert again.cached == again.jobs
    broken = sorted((root / "a1").glob("*/*.png"))[::3]
    pixels = {np.asarray(Image.open(cutting)).transpose(2, 0, 1).tobytes() for cutting in broken}
    for file in broken:
        cut(file)
    left = np.load(run(root, "data.broken=skip", out="left", only="find copies").run / "private/a1/images.npy")
    expected = [image for image in kept if image.tobytes() not in pixels]
    assert np.array_equal(left, np.array(expected))


def test_work_of_other_parties_stays_when_a_broken_image_is_removed(root: Path) -> None:
    """Pre-training too, where nobody's held-out images are among those of the party that mends its own."""
    paint(root / "heldout", 5, np.random.default_rng(3))
    heldout = f"data.heldout={{source: imagefolder, root: {root / 'heldout'}}}"
    settings = ["data.broken=skip", heldout, "entities.*.data.hold_out=null"]
    cut(root / "a2/dog/03.png")
    run(root, *settings)
    (root / "a2/dog/03.png").unlink()
    events: list[Event] = []
    run(root, *settings, events=events)
    cached = {str(event["job"]) for event in events if event["event"] == "cached"}
    assert {"decode a1", "decode heldout", "decode public", "pretrain a1", "reconstruct a1", "publish a1"} <= cached
    assert not {"decode a2", "publish a2"} & cached


def test_rows_that_were_left_out_are_found_again_when_those_of_another_party_become_fewer(root: Path) -> None:
    """Rows of all sources stand in one row of numbers; what is kept of one says nothing of others'."""
    for at in (3, 4, 9):
        cut(root / "a2/cat" / f"{at:02}.png")
    run(root, "data.broken=skip", only="find copies")
    (root / "a1/cat/02.png").unlink()  # all rows of a2 move
    (root / "public/dog/01.png").unlink()
    events: list[Event] = []
    shifted = run(root, "data.broken=skip", only="find copies", events=events)
    assert "decode a2" in {event["job"] for event in events if event["event"] == "cached"}
    fresh = run(root, "data.broken=skip", out="fresh", only="find copies")
    told = [json.loads((each.run / "record.json").read_text()) for each in (shifted, fresh)]
    assert told[0]["images"] == told[1]["images"]
    assert told[0]["labels"] == told[1]["labels"]
    for name in ("images", "labels"):
        kept, expected = (np.load(each.run / "private/a2" / f"{name}.npy") for each in (shifted, fresh))
        assert np.array_equal(kept, expected)
        assert len(kept) == told[0]["images"]["a2"]


def test_a_removed_image_plays_again_what_is_scored_on_other_images_and_no_more(root: Path) -> None:
    """Here a party's own held-out images are among those that everything is scored on; above they are not."""
    run(root, only="pretrain a1")
    (root / "a2/dog/03.png").unlink()
    events: list[Event] = []
    run(root, only="pretrain a1", events=events)
    cached = {str(event["job"]) for event in events if event["event"] == "cached"}
    assert {"decode a1", "decode heldout of a1"} <= cached
    assert not {"decode heldout of a2", "decode heldout", "pretrain a1"} & cached


def test_who_keeps_too_few_images_is_named(root: Path) -> None:
    for file in (root / "a2").glob("*/*.png"):
        cut(file)
    with pytest.raises(DataError, match="0 images left; at least 2 must be"):
        run(root, "data.broken=skip")
