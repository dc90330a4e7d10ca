"""Who holds what when a scenario says so, and that the record of a run tells it."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from collab.errors import DataError
from collab.participants.assignment import Assignment, assign, count_labels
from collab.participants.sources import Sources, open_scenario_source
from collab.report.pages.page import write_page
from collab.report.tables.tables import make_tables
from collab.results.words import FOR_CHOOSING
from collab.runtime.play import Where, play
from collab.runtime.prepared import Prepared
from collab.runtime.run import Run
from collab.scenario import stage_rows
from collab.scenario.model import Scenario
from collab.seeding import Stream
from collab.store.ledger import read_ledger
from tests.playing import play_here

Small = Callable[..., Scenario]


def assigned(scenario: Scenario) -> Assignment:
    return assign(scenario, Sources.open(scenario))


def rows(assignment: Assignment, name: str) -> set[int]:
    return set(assignment.entities[name].rows.tolist())


def test_holdings_are_rows_of_the_source_with_their_labels(small: Small) -> None:
    scenario = small("data.train=2000", "partition={kind: dirichlet, alpha: 1}")
    source, found = open_scenario_source(scenario), assigned(scenario)
    labels = source.labels("train")
    for holding in found.entities.values():
        assert [source.classes[label] for label in labels[holding.rows]] == [found.classes[at] for at in holding.labels]
    everyone = np.concatenate([holding.rows for holding in found.entities.values()])
    assert len(np.unique(everyone)) == len(everyone)


def test_a_dirichlet_partition_keeps_sizes_and_skews_labels(small: Small) -> None:
    iid, skewed = (
        count_labels(assigned(small("data.train=2000", f"partition={partition}")))
        for partition in ("iid", "{kind: dirichlet, alpha: 0.01}")
    )
    assert {name: sum(held) for name, held in iid.items()} == {name: sum(held) for name, held in skewed.items()}
    assert all(max(held) - min(held) <= 1 for held in iid.values())
    assert all(max(held) > 0.9 * sum(held) for held in skewed.values())


def test_a_quantity_partition_keeps_labels_and_skews_sizes(small: Small) -> None:
    found = count_labels(assigned(small("data.train=2000", "partition={kind: quantity, alpha: 2}")))
    sizes = [sum(held) for held in found.values()]
    assert max(sizes) > 1.5 * min(sizes)
    assert sum(sizes) == pytest.approx(350, abs=8)
    assert all(max(held) - min(held) <= 1 for held in found.values())


def test_an_overlap_chosen_classes_and_a_list_are_what_they_say(small: Small, tmp_path: Path) -> None:
    plain = assigned(small())
    listed = plain.everything.rows[-5:]
    (tmp_path / "rows.txt").write_text("\n".join(map(str, listed.tolist())))
    found = assigned(
        small("entities.a2.overlap={with: a1, fraction: 0.25}", f"entities.a3.classes=[{plain.classes[1]}]",
              "entities.a4.share=null", f"entities.a4.rows={tmp_path / 'rows.txt'}")
    )  # fmt: skip
    assert len(rows(found, "a1") & rows(found, "a2")) == round(0.25 * len(rows(found, "a2")))
    assert count_labels(found)["a3"][0] == 0
    assert rows(found, "a4") == set(listed.tolist())
    assert not rows(found, "a4") & (rows(found, "a1") | rows(found, "a2") | rows(found, "a3"))
    oracle = found.oracle(small("refinements=[{row: 1, entity: a1, own: images}]", "expect=null"))
    assert oracle.rows.tolist() == sorted(set().union(*(rows(found, name) for name in found.entities)))


def test_shares_that_quantity_skew_made_too_small_are_shown(small: Small) -> None:
    with pytest.raises(DataError, match=r"entity 'a\d'.*`partition\.alpha` 1e-05 drew the shares a1 0\.\d{4}, a2 "):
        assigned(small("partition={kind: quantity, alpha: 1e-5}"))


def test_least_draws_shares_again_until_they_are_enough_and_never_without_need(small: Small) -> None:
    def sizes(least: int | None, alpha: float, seed: int) -> list[int]:
        partition = f"partition={{kind: quantity, alpha: {alpha}, least: {'null' if least is None else least}}}"
        return [sum(held) for held in count_labels(assigned(small("data.train=2000", partition, seed=seed))).values()]

    assert [sizes(2, 2, seed) for seed in range(5)] == [sizes(None, 2, seed) for seed in range(5)]  # all are enough
    impossible = list[int]()
    for seed in range(12):
        try:
            sizes(None, 0.3, seed)
        except DataError:
            impossible.append(seed)
    assert 2 < len(impossible) < 12  # or nothing is shown
    for seed in impossible:
        assert min(again := sizes(20, 0.3, seed)) >= 20
        assert sum(again) == pytest.approx(350, abs=8)
    with pytest.raises(DataError, match=r"each of 4 entities have 90 images .*none of 10,000 draws"):
        sizes(90, 0.3, impossible[0])


def test_the_record_tells_the_labels_that_entities_hold(small: Small, tmp_path: Path) -> None:
    scenario = small("partition={kind: dirichlet, alpha: 0.5}")
    where = Where("inprocess", out=tmp_path)
    run = Run(Prepared.of(scenario, where), where)
    run.write()
    record = json.loads((run.folder / "record.json").read_text())
    found = assigned(scenario)
    assert record["classes"] == list(found.classes)
    for name, holding in found.entities.items():
        assert record["labels"][name] == [int((holding.labels == label).sum()) for label in range(len(found.classes))]
        assert record["images"][name] == sum(record["labels"][name])


@pytest.mark.long
def test_entities_of_one_class_each_play_to_the_end(small: Small, tmp_path: Path) -> None:
    played = play(
        small("partition={kind: dirichlet, alpha: 1e-6}"), Where("inprocess", out=tmp_path), lambda event: None
    )
    held = json.loads((played.run / "record.json").read_text())["labels"]
    assert all(0 in labels for labels in held.values())
    figures = [row for row in played.rows if row.row != stage_rows.VERDICT and not row.metric.startswith("rho")]
    assert all(math.isfinite(row.value) for row in figures)
    assert {each.sender for each in read_ledger(played.run / "ledger.parquet") if each.kind == "shard"} == {*held}


def test_validation_images_are_nobodys_and_move_nobody(small: Small) -> None:
    """Of the test split, by a stream of their own; without them held-out images are drawn as ever."""
    plain, apart = assigned(small("data.test_images=9")), assigned(small("data.test_images=9", "data.validation=7"))
    scenario = small()
    source, stream = open_scenario_source(scenario), Stream(scenario.seed, "data", "decode")
    private = [source.classes.index(name) for name in plain.classes]
    shown = np.flatnonzero(np.isin(source.labels("test"), private))
    as_ever = np.sort(stream.numpy("heldout").choice(len(shown), 9, replace=False))
    assert plain.heldout.rows.tolist() == shown[as_ever].tolist()
    assert len(plain.unscored) == 0
    for name in plain.entities:
        assert rows(apart, name) == rows(plain, name)
    assert apart.public.rows.tolist() == plain.public.rows.tolist()
    assert (len(apart.heldout), len(apart.unscored), apart.unscored.split) == (9, 7, "test")
    assert set(apart.unscored.rows.tolist()) < set(shown.tolist())
    assert not set(apart.unscored.rows.tolist()) & set(apart.heldout.rows.tolist())
    assert apart.heldout.labels.tolist() == [private.index(source.labels("test")[row]) for row in apart.heldout.rows]


def test_on_validation_the_two_change_places(small: Small) -> None:
    heldout = assigned(small("data.validation=7"))
    chosen = assigned(small("data.validation=7", "data.score_on=validation"))
    assert chosen.heldout.rows.tolist() == heldout.unscored.rows.tolist()
    assert chosen.unscored.rows.tolist() == heldout.heldout.rows.tolist()


def test_more_validation_images_than_there_are_is_refused(small: Small) -> None:
    with pytest.raises(DataError, match=r"data\.validation asks for 20 images, and the test split has 20 of private"):
        assigned(small("data.validation=20"))


def test_a_run_on_validation_says_so_and_judges_nothing(small: Small, tmp_path: Path) -> None:
    chosen = small(
        "data.validation=9", "data.score_on=validation", "expect=[{row: c_public, metric: top1, at_least: 2}]"
    )
    assert small().expectations
    assert not chosen.expectations
    run = play_here(chosen, tmp_path, only="featurize heldout")
    (top1,) = [row for row in run.rows if row.metric == "top1" and row.row == "c_public"]
    assert (top1.n, top1.verdict) == (9, None)
    assert not [row for row in run.rows if row.row == stage_rows.VERDICT]
    page = write_page(run.run).read_text()
    assert page.index(FOR_CHOOSING) < page.index("The answer")
    assert all(table.notes[0] == FOR_CHOOSING for table in make_tables(chosen, run.rows))
