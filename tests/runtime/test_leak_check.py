"""The audit of a run: a leak of each kind, planted in each place, is found and ends the run with code 6."""

import base64
import io
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file

from collab.cli import main
from collab.errors import BoundaryError
from collab.participants.entity import Entity
from collab.report.pages.page import write_page
from collab.results.opened import Opened
from collab.results.table import Result, append_metrics, read_results, write_results
from collab.runtime import pages, sweep
from collab.runtime.demand import Demand
from collab.runtime.leak_check import Leak, LeakCheck, find_unlisted, refuse
from collab.runtime.pieces import cut_private_pieces
from collab.runtime.play import Played, Where, play
from collab.runtime.ray_backend import RayBackend
from collab.scenario.model import Scenario
from collab.scenario.sweep import read_sweep
from collab.store.canaries import is_one_number
from collab.store.ledger import read_ledger, write_ledger
from collab.store.residue import read_rows
from collab.training.progress import Progress
from collab.types import Report
from tests.places import SCENARIOS
from tests.playing import SMALL

WEIGHTS, IMAGES, FEATURES = "weights of the defense of a2", "images of a2", "unpoisoned features of a2"


@pytest.fixture
def run(played: Played, tmp_path: Path) -> Path:
    """A copy of a run that may be spoiled."""
    return Path(shutil.copytree(played.run, tmp_path / "run"))


def weights(run: Path) -> np.ndarray:
    state = load_file(run / "private/a2/defense.safetensors")
    return max(state.values(), key=lambda tensor: tensor.size).reshape(-1)


def image(run: Path) -> np.ndarray:
    found: np.ndarray = np.load(run / "private/a2/images.npy")[3]
    return found


def features(run: Path) -> np.ndarray:
    return read_rows(next((run / "private/a2/features").glob("*.arrow")), 2)[1]


SECRETS: dict[str, Callable[[Path], np.ndarray]] = {WEIGHTS: weights, IMAGES: image, FEATURES: features}


def test_an_honest_run_has_no_leak_and_there_is_enough_to_look_for(
    played: Played, small: Callable[..., Scenario]
) -> None:
    audit = LeakCheck(played.run, small())
    names = [sign.what for sign in audit._canaries.names.values()]
    for entity in ("a1", "a2", "a3", "a4"):
        for kind in ("weights of the defense of", "images of", "unpoisoned features of"):
            assert names.count(f"{kind} {entity}") >= 8
    assert audit.search_run() == []
    assert find_unlisted(played.run) == []
    refuse([], played.run)


@pytest.mark.parametrize(
    "place",
    [
        "store/entity=a2/more.arrow",
        "store/manifest/000009-a2-note.json",
        "release/more.safetensors",
        "modules/a2/defense.safetensors",
        "heldout/more.npy",
        "pictures/a2/more.bin",
        "events.log",
        "checkpoint.pt",
    ],
)
def test_a_leak_of_each_kind_is_found_in_each_place(place: str, run: Path, small: Callable[..., Scenario]) -> None:
    (run / place).parent.mkdir(parents=True, exist_ok=True)
    (run / place).write_bytes(b"before" + b"between".join(secret(run).tobytes() for secret in SECRETS.values()))
    leaks = LeakCheck(run, small()).search_run()
    assert {leak.place for leak in leaks} == {place}
    assert sorted(leak.what for leak in leaks) == sorted(SECRETS)


def told(run: Path) -> None:
    for number in weights(run)[:40].tolist():
        append_metrics(run / "metrics.jsonl", {"event": "epoch", "loss": number})


@pytest.mark.parametrize("count", [2, 3])
def test_it_takes_three_numbers_alone_to_be_a_sign(count: int, run: Path, small: Callable[..., Scenario]) -> None:
    cut = cut_private_pieces(run, small()).names
    for number in [piece for piece, sign in cut.items() if sign.what == WEIGHTS and is_one_number(piece)][:count]:
        append_metrics(run / "metrics.jsonl", {"event": "epoch", "loss": float(number)})
    leaks = LeakCheck(run, small()).search_run()
    assert [(leak.place, leak.what) for leak in leaks] == [("metrics.jsonl", WEIGHTS)] * (count == 3)


def as_results(run: Path) -> None:
    rows = [
        Result("tiny", "7", "a2", "dpm", None, f"m[{at}]", number) for at, number in enumerate(weights(run).tolist())
    ]
    write_results(run / "results.parquet", [*read_results(run / "results.parquet"), *rows])


def in_the_record(run: Path) -> None:
    path = run / "record.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"losses": weights(run).tolist()}, indent=1))


def in_the_page(run: Path) -> None:
    shown_on(write_page(run), run)


def shown_on(page: Path, run: Path) -> None:
    file = io.BytesIO()
    Image.fromarray(image(run).transpose(1, 2, 0)).save(file, "PNG")
    source = f'<img src="data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}">'
    page.write_text(page.read_text().replace("</body>", f"{source}</body>"))


def in_the_pictures(run: Path) -> None:
    np.savez_compressed(run / "pictures/a2/heldout.npz", original=image(run)[None])


def as_a_checkpoint(run: Path) -> None:
    torch.save({"module": torch.from_numpy(weights(run)).bfloat16()}, run / "store" / "last.pt")


OTHERWISE: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "weights as losses": (told, "metrics.jsonl", WEIGHTS),
    "weights as results": (as_results, "results.parquet", WEIGHTS),
    "weights in the record": (in_the_record, "record.json", WEIGHTS),
    "a picture in the report": (in_the_page, "report.html", IMAGES),
    "a picture in the archive of pictures": (in_the_pictures, "pictures/a2/heldout.npz", IMAGES),
    "rounded weights in a checkpoint": (as_a_checkpoint, "store/last.pt", WEIGHTS),
}


@pytest.mark.parametrize("name", OTHERWISE)
def test_leaks_in_other_forms_are_found(name: str, run: Path, small: Callable[..., Scenario]) -> None:
    plant, place, what = OTHERWISE[name]
    plant(run)
    assert {(leak.place, leak.what) for leak in LeakCheck(run, small()).search_run()} == {(place, what)}


def test_what_is_published_on_purpose_is_no_leak(small: Callable[..., Scenario], tmp_path: Path) -> None:
    scenario = small("entities.a2.defense=none", "entities.a3.release_module=true", "controls=false")
    found = play(scenario, Where("inprocess", out=tmp_path), lambda event: None)
    assert LeakCheck(found.run, scenario).search_run() == []
    told = LeakCheck(found.run, small()).search_run()  # who does not know that it was on purpose
    assert {leak.what for leak in told} == {FEATURES, "weights of the defense of a3"}
    (found.run / "release" / "a2.bin").write_bytes(features(found.run).tobytes())
    assert {leak.place for leak in LeakCheck(found.run, scenario).search_run()} == {"release/a2.bin"}


def test_what_the_ledger_does_not_name_is_a_leak(run: Path) -> None:
    crossings = read_ledger(run / "ledger.parquet")
    write_ledger(run / "ledger.parquet", [each for each in crossings if each.sender != "a2" and each.kind != "decider"])
    assert {leak.place.split("/")[1] for leak in find_unlisted(run)} == {"entity=a2", "decider.safetensors"}
    (run / "modules/a1").mkdir(parents=True)
    shutil.copy(run / "private/a1/defense.safetensors", run / "modules/a1/more.safetensors")
    assert "modules/a1/more.safetensors" in {leak.place for leak in find_unlisted(run)}


class Leaking(Entity):
    """Writes its second image beside what it publishes."""

    honest = Entity.publish

    def publish(self, progress: Progress) -> Report:  # type: ignore[override]
        report = Leaking.honest(self, progress)
        if self.name == "a2":
            (self.layout.store.root / "entity=a2" / "note.bin").write_bytes(self.images.images[1].tobytes())
        return report


def run_and_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`collab run` of the tiny scenario in this process, which must end with code 6."""
    sets = [part for override in SMALL for part in ("--set", override)]
    out = ["--backend", "inprocess", "--out", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["collab", "run", str(SCENARIOS / "tiny.yaml"), *sets, *out])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 6


def test_a_run_that_leaks_ends_with_code_6_and_names_place_and_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:

    monkeypatch.setattr(Entity, "publish", Leaking.publish)
    run_and_fail(tmp_path, monkeypatch)
    assert "store/entity=a2/note.bin holds images of a2 (of its image 1)" in capsys.readouterr().err
    run = next(tmp_path.glob("tiny/*"))
    assert (run / "results.parquet").is_file()
    monkeypatch.setattr("sys.argv", ["collab", "store", "audit", str(run)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 6
    next(run.glob("store/*/note.bin")).unlink()
    main()
    assert "nothing private was found" in capsys.readouterr().out


def test_a_picture_of_the_report_is_looked_at_when_it_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:

    honest = pages.write_page

    def leaking(run: Opened) -> Path:
        page = honest(run)
        in_the_page(run.folder)
        return page

    monkeypatch.setattr(pages, "write_page", leaking)
    run_and_fail(tmp_path, monkeypatch)
    assert "report.html holds images of a2" in capsys.readouterr().err


def test_pictures_of_private_images_on_the_page_of_a_sweep_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = sweep.write_sweep_page

    def leaking(folder: Path, *given: Any, **parts: Any) -> Path:
        page = honest(folder, *given, **parts)
        shown_on(page, next((tmp_path / "tiny").iterdir()))
        return page

    spec, cells = read_sweep(SCENARIOS / "tiny.yaml", ["refine.epochs=1"], overrides=SMALL)
    where = Where("inprocess", out=tmp_path)
    sweep.sweep(spec, cells, where, lambda event: None)  # an honest page passes
    monkeypatch.setattr(sweep, "write_sweep_page", leaking)
    with pytest.raises(BoundaryError, match=r"report.html holds images of a2"):
        sweep.sweep(spec, cells, replace(where, is_fresh=True), lambda event: None)


@pytest.mark.ray
def test_what_ray_held_is_looked_at_also_when_it_was_freed(run: Path, small: Callable[..., Scenario]) -> None:
    leaks: list[Leak] = []
    audit = LeakCheck(run, small())
    demand = Demand((("a1",),), 1, 0.0, None, 0)
    with RayBackend(
        demand, lambda event: None, address="local", last_look=lambda contents: leaks.extend(audit.found(contents))
    ) as backend:
        for secret in SECRETS.values():
            held = backend._ray.put(np.tile(secret(run).reshape(-1), 200))
        del held
        (next(backend._session.temporary.rglob("logs")) / "worker.out").write_text(str(weights(run).tolist()))
    found = {(leak.place, leak.what) for leak in leaks}
    assert found == {("Ray's worker.out", WEIGHTS)} | {("Ray's object store", what) for what in SECRETS}


def test_the_audit_takes_a_small_part_of_a_run(played: Played, small: Callable[..., Scenario]) -> None:
    began = time.process_time()
    LeakCheck(played.run, small()).search_run()
    assert time.process_time() - began < 2


def test_a_message_names_ten_leaks_and_counts_the_rest() -> None:
    leak = Leak("store/x", WEIGHTS, 3)
    with pytest.raises(BoundaryError, match="and 2 more") as caught:
        refuse([replace(leak, pieces=n) for n in range(1, 13)], Path("runs/x"))
    assert caught.value.exit_code == 6
    assert str(caught.value).count("store/x") == 10
