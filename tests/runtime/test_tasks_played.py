"""Attributes, pose and people from images to the report, alike on both backends."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from collab.errors import ScenarioError
from collab.participants.assignment import assign
from collab.participants.sources import Sources, open_scenario_source
from collab.report.pages.page import write_page
from collab.report.pages.summary import summarize
from collab.report.tables.tables import make_tables
from collab.results.opened import open_run
from collab.results.table import Result
from collab.runtime.play import Played, Where, play
from collab.scenario.model import Scenario
from collab.scenario.reader import read_scenario
from collab.store.store import Store
from tests.places import TINY

SMALL = [
    "data.classes=4", "data.train=320", "data.test=60", "data.public_images=32", "model.width=4",
    "model.pretrain.epochs=1", "reconstructor.epochs=1", "entities.*.defense.epochs=1", "entities.*.defense.blocks=1",
    "refine.epochs=1", "entities.a1.share=0.4", "entities.a2.share=0.3", "expect=null",
    "inference={of: [attributes, identities], epochs: 1}", "entities.a1.defense.confuse=identification",
]  # fmt: skip
TASKS = {
    "attributes": ["data.task=attributes"],
    "pose": ["data.task=pose", "data.private_attributes=[hat, beard, smile]", "entities.a1.defense.target=per_image",
             "entities.a2.kind=mislabeler", "entities.a2.options.fraction=0.5",
             "entities.a2.defense.equivalence=logits"],
}  # fmt: skip


def scenario(*overrides: str) -> Scenario:
    return read_scenario(TINY, [*SMALL, *overrides]).scenario


def run(stated: Scenario, out: Path, backend: str = "inprocess") -> Played:
    return play(stated, Where(backend, device="cpu", out=out), lambda event: None)  # type: ignore[arg-type]


def same(rows: tuple[Result, ...]) -> list[tuple[object, ...]]:
    return [(row.row, row.entity, row.metric, row.value, row.low, row.high, row.n) for row in rows]


def published(folder: Path) -> list[str]:
    found = sorted(str(path.relative_to(folder)) for path in (folder / "store").glob("entity=*/*.arrow"))
    assert len(found) == 4
    return found


@pytest.fixture(scope="module", params=list(TASKS))
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Played:
    return run(scenario(*TASKS[request.param]), tmp_path_factory.mktemp(request.param))


@pytest.mark.ray
def test_ray_gives_the_same_bits(played: Played, tmp_path: Path) -> None:
    there = run(scenario(*TASKS[task_of(played)], "resources.workers=2"), tmp_path, "ray")
    assert same(played.rows) == same(there.rows)
    assert published(played.run) == published(there.run)


def test_every_row_has_the_main_metric_and_no_other_task_is_mentioned(played: Played) -> None:
    main = scenario(*TASKS[task_of(played)]).data.main_metric
    scored = {row.row for row in played.rows if row.metric == main.name}
    assert {str(number) for number in range(1, 13)} | {"c_public", "c_own_a1"} <= scored
    assert not any(row.metric.startswith("top") for row in played.rows)
    page = write_page(played.run).read_text()
    assert main.title in page
    assert "top-1, %" not in page
    assert "points of top-1" not in page


def test_tables_and_summary_are_about_the_main_metric(played: Played) -> None:
    opened = open_run(played.run)
    main = opened.scenario.data.main_metric
    made = {table.title.partition(":")[0]: table for table in make_tables(opened.scenario, opened.rows)}
    assert main.head in made["Table 5"].columns
    assert len(made["Table 1"].lines) == 4
    assert "Private facts that are read from published features" in made
    gains = summarize(opened.scenario, opened.rows, [], opened.pictures, ()).gains
    assert {gain.entity for gain in gains} == {"a1", "a2", "a3", "a4"}
    for gain in gains:
        values = (gain.with_pool.value or 0, gain.without.value or 0)
        assert main.scale * gain.change.value == pytest.approx(main.gain(*values))


def test_shards_carry_targets_of_the_own_images(played: Played) -> None:
    (record,) = Store(played.run / "store").records("a3")
    assert record.target == ("binary:20" if task_of(played) == "attributes" else "degrees:3")
    private = played.run / "private" / "a3"
    order, targets = np.load(private / "published.npy"), np.load(private / "labels.npy")
    stated = open_run(played.run).scenario
    source, holding = open_scenario_source(stated), assign(stated, Sources.open(stated)).entities["a3"]
    truth = (
        source.attributes(holding.split, holding.rows)[:, :20]
        if task_of(played) == "attributes"
        else source.pose(holding.split, holding.rows)
    )
    assert np.allclose(targets, truth, atol=1e-4)
    assert sorted(order.tolist()) == list(range(len(targets)))


def test_classifiers_of_private_facts_are_scored(played: Played) -> None:
    told = {(row.entity, row.metric): row for row in played.rows if row.row == "inference"}
    for suffix in ("plain", "fixed", "fresh", "chance"):
        assert 0 < (told["a1", f"privacy_map_{suffix}"].value or 0) <= 1
        assert 0 <= (told["a1", f"identity_top1_{suffix}"].value or 0) <= 1
    assert (played.run / "private" / "a1" / "identifier.safetensors").exists()
    assert not (played.run / "private" / "a2" / "identifier.safetensors").exists()


def test_public_and_private_images_share_no_class_and_dealing_is_exact(small: Callable[..., Scenario]) -> None:
    stated = scenario("data.task=attributes")
    given = assign(stated, Sources.open(stated))
    assert not given.is_dealt_by_class
    counts = [len(given.entities[name]) for name in ("a1", "a2", "a3", "a4")]
    assert counts == [round(share * len(given.everything)) for share in (0.4, 0.3, 0.1, 0.02)]
    assert not set(given.public.rows) & set(given.everything.rows)
    plain = small()
    assert assign(plain, Sources.open(plain)).is_dealt_by_class


@pytest.mark.parametrize(("overrides", "told"), [
    (["data.utility_attributes=[hat]"], "has no effect without `task: attributes`"),
    (["data.task=attributes", "data.utility_attributes=[hat]", "data.private_attributes=[hat]"], "cannot be both"),
    (["inference={of: [attributes]}"], "need `data.private_attributes`"),
    (["entities.a1.defense.confuse=identification"], "needs `inference`"),
    (["entities.a1.defense.target=per_image"], "has no effect without"),
    (["entities.a1.defense={kind: dpm, confuse: identification, against: [rx2s2]}"], "against: has no effect with"),
    (["entities.a1.defense={kind: dpm, confuse: identification, adapt: true}"], "adapt: has no effect with"),
    (["data.task=pose", "entities.a1.defense=class_gaussian"], "class_gaussian needs classes"),
    (["data={source: imagefolder, root: x, task: pose}"], "come without pose"),
    (["data={source: celeba, root: x, task: pose}"], "come without pose"),
    (["data={source: cifar10, root: x}", "inference={of: [identities]}"], "people are known"),
])  # fmt: skip
def test_what_does_not_go_together_is_told(overrides: list[str], told: str) -> None:
    with pytest.raises(ScenarioError, match=told):
        read_scenario(TINY, overrides)


def task_of(played: Played) -> str:
    return str(open_run(played.run).scenario.data.task)
