"""Whom an audit hits is told to that entity alone, and rows are played again without the most exposed images."""

import csv
import json
import shutil
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from collab.errors import BoundaryError
from collab.report.attack_page.exposed import LIST, PAGE, write_exposed
from collab.results.exposed import find_exposed
from collab.results.opened import open_run
from collab.runtime.leak_check import LeakCheck, refuse
from collab.runtime.pages import draw_pages
from collab.runtime.play import Played
from collab.scenario.model import Scenario
from collab.scenario.reader import read_scenario
from collab.stages.work import refine_rest
from collab.store.judged import read_judged
from tests.playing import bits, play_here

AUDITED = """
name: audited
data: {source: creatures, image_size: 16, classes: 4, train: 400, test: 40, public_images: 64}
model: {backbone: resnet8, width: 4, hook: conv3_1, pretrain: {by: a1, epochs: 1}}
reconstructor: {epochs: 1}
entities:
  - {name: a1, share: 0.2, defense: {kind: dpm, epochs: 1, blocks: 1}}
  - {name: a2, share: 0.2, defense: none}
  - {name: a3, share: 0.1, defense: none}
  - name: spy
    kind: auditor
    options:
      victims: [a2, a1]
      attacks:
        - {kind: straw_man, rows: 20}
        - {kind: matching, rows: 20, candidates: 60}
        - {kind: membership_inference, rows: 20, candidates: 60}
        - {kind: leaked_module, is_stolen: true, epochs: 1, rows: 20}
    defense: none
refine: {epochs: 1, leave_out: [0.05]}
refinements:
  - {row: 7, entity: a3, own: features, pool: [a2]}
  - {row: 8, entity: a2, own: features, pool: [a1]}
  - {row: 9, entity: a1, own: features, pool: [a3]}
controls: false
"""


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    path = tmp_path_factory.mktemp("scenario") / "audited.yaml"
    path.write_text(AUDITED)
    return read_scenario(path).scenario


@pytest.fixture(scope="module")
def hit(audited: Scenario, tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play_here(audited, tmp_path_factory.mktemp("runs"))


def value(played: Played, row: str, metric: str) -> float | None:
    return next((each.value for each in played.rows if (each.row, each.metric) == (row, metric)), None)


def test_rows_are_played_again_without_the_most_exposed(hit: Played) -> None:
    rows = {each.row for each in hit.rows}
    assert {"c_without_5_7", "c_without_5_8"} <= rows
    assert "c_without_5_9" not in rows  # nobody attacks a3
    published = value(hit, "publish", "rows_published")
    assert published == 40
    exposed = find_exposed(read_judged(hit.run / "private" / "oracle", "a2"))
    left_out = len(exposed.most(0.05))
    assert left_out == round(0.05 * len(exposed.rows)) > 0
    assert value(hit, "c_without_5_7", "rows_from[a2]") == 40 - left_out
    assert value(hit, "c_without_5_7", "rows") == 20 + 40 - left_out


def test_where_nobody_is_left_out_it_is_the_row_itself(
    audited: Scenario, hit: Played, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(*given: object, **asked: object) -> object:
        return replace(find_exposed([]), rows=np.empty(0, np.int64))

    monkeypatch.setattr(refine_rest, "find_exposed", nobody)
    other = audited.model_copy(update={"refine": audited.refine.model_copy(update={"leave_out": (0.2,)})})
    shutil.copytree(hit.run.parents[1] / "cache", tmp_path / "cache")
    again = play_here(other, tmp_path)
    assert value(again, "c_without_20_7", "top1") == value(again, "7", "top1")
    of_row, of_rest = (
        [line[2:] for line in bits(again.rows) if line[0] == row and line[2] != "harm" and "gain" not in str(line[2])]
        for row in ("7", "c_without_20_7")
    )
    assert of_row == of_rest


def test_page_and_list_are_for_the_entity_alone(hit: Played) -> None:
    made = draw_pages(hit.run, hit.audit)
    for name in ("a1", "a2"):
        for file in (LIST, PAGE):
            path = hit.run / "private" / name / file
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert sorted(hit.run.rglob(PAGE)) == sorted(hit.run / "private" / name / PAGE for name in ("a1", "a2"))
    told = list(csv.DictReader((hit.run / "private" / "a2" / LIST).read_text().splitlines()))
    assert len(told) == 20
    assert {int(line["image"]) for line in told} <= set(range(40))
    values = [float(line["exposure"]) for line in told]
    assert values == sorted(values, reverse=True)
    assert LeakCheck(hit.run, open_run(hit.run).scenario).search_run() == []
    page = (hit.run / "private" / "a2" / PAGE).read_text()
    assert "Of 40 images 20 were attacked" in page
    assert "(row 7)" in page
    sentence = page[page.index('class="about"') :][:400].partition("</p>")[0]
    others = [path for path in hit.run.rglob("*") if path.is_file() and "private" not in path.parts]
    assert made.report in others
    assert not any(sentence.encode() in path.read_bytes() for path in others)


def test_a_page_that_is_put_where_others_read_is_found(hit: Played, tmp_path: Path) -> None:
    run = Path(shutil.copytree(hit.run, tmp_path / "run"))
    write_exposed(open_run(run))
    shutil.copy(run / "private" / "a2" / PAGE, run / "whom.html")
    found = LeakCheck(run, open_run(run).scenario).search_run()
    assert [leak.place for leak in found] == ["whom.html"]
    with pytest.raises(BoundaryError, match="images of a2"):
        refuse(found, run)


def test_what_leaves_the_oracle_are_means(hit: Played) -> None:
    """The gate of reports lets numbers pass; none of them is of one image, and the record names no image."""
    record = json.loads((hit.run / "record.json").read_text())
    judged = [job for job in record["jobs"].values() if job["stage"] in ("judge", "refine_rest")]
    assert judged
    assert not any(job["facts"] for job in judged)


def test_a_share_of_all_is_refused(small: Callable[..., Scenario]) -> None:
    from collab.errors import ScenarioError

    with pytest.raises(ScenarioError, match="leave_out"):
        small("refine.leave_out=[1.0]")
