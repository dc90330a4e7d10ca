"""What each built-in entity does, seen in the store, the results and the order of tasks."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from collab.errors import EntityError, ScenarioError, ShardMissing
from collab.participants.attacking import guess_name
from collab.participants.pool import hurts
from collab.plugins.discovery import INSTALLED
from collab.results.table import Result
from collab.runtime.play import Played
from collab.scenario.model import Scenario
from collab.scenario.offers import find_our_options
from collab.store.release import read_release
from collab.store.shards import ShardSpec
from collab.store.store import Store
from collab.training.feeds import ImageSet
from collab.training.precision import resolve_compute
from collab.types import Measure

Once = tuple[Played, list[str]]
Play = Callable[..., Once]
CLASSES = 2
LEARNS = (
    "seed=2",
    "data.train=4000",
    "data.test=400",
    "model.width=8",
    "model.pretrain={by: a1, epochs: 20, batch_size: 16, optimizer: adamw, learning_rate: 3e-3, schedule: one_cycle}",
    "refine.learning_rate=0.2",
    "refine.epochs=12",
    *(f"refinements.{other}.epochs=1" for other in (7, 8, 9, 11)),
)
"""Enough for a decider that can be hurt."""


def value(rows: tuple[Result, ...], row: str, metric: str, entity: str | None = None) -> float | None:
    """The one value of a metric; None where it was not measured."""
    found = [each.value for each in rows if (each.row, each.metric) == (row, metric) and entity in (None, each.entity)]
    assert len(found) <= 1, found
    return found[0] if found else None


def published(played: Played, entity: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Features and labels of an entity's only shard, withdrawn or not."""
    store = Store(played.run / "store")
    (finding,) = [each for each in store.verify() if each.record and each.record.entity == entity]
    record = finding.record
    assert record is not None
    return store.open(record, ShardSpec(record.shape, "float16", CLASSES, record.featurizer)).load()


def own(played: Played, entity: str) -> np.ndarray:
    """True labels in the order in which an entity published."""
    private = played.run / "private" / entity
    return np.load(private / "labels.npy")[np.load(private / "published.npy")]


def test_every_kind_has_a_file_of_its_own_that_says_what_it_is() -> None:
    kinds = find_our_options()["entities"]
    assert "selective" in kinds
    for kind, options in kinds.items():
        plugin = INSTALLED.load("entities", kind)
        assert plugin.__module__ == f"collab_entities.{kind}"
        assert plugin.Options is options
        assert plugin.__doc__
        assert all(field.description for field in options.model_fields.values())


def test_a_free_rider_gains_and_gives_nothing(once: Once) -> None:
    played, order = once
    assert value(played.rows, "9", "rows_from[a1]") == 20
    assert not Store(played.run / "store").records("rider")
    assert not [task for task in order if task in ("poison rider", "publish rider")]
    assert value(played.rows, "tables_1_2", "top1_poisoned", "rider") is None


def test_a_late_joiner_begins_when_all_others_have_published_and_is_the_same_but_for_that(
    once: Once, play_kinds: Play
) -> None:
    played, order = once
    others = [order.index(task) for task in order if task.startswith("publish") and task != "publish late"]
    assert len(others) == 6
    assert order.index("featurize late") > max(others)
    early, order_of_early = play_kinds("entities.late.kind=contributor")
    assert order_of_early.index("featurize late") < order_of_early.index("publish spy")
    assert torch.equal(published(played, "late")[0], published(early, "late")[0])


def test_a_leaver_is_marked_and_later_rows_do_without_it(once: Once, play_kinds: Play) -> None:
    played, _ = once
    store = Store(played.run / "store")
    assert not store.records("gone")
    assert {each.stage for path in store._manifests.glob("*-gone-*") for each in [_record(path)]} == {
        "publish",
        "withdraw",
    }
    with_controls, order = play_kinds("controls=true")
    readers = ("refine a1 row 7", "refine a1 row c_all_poisoned_7", "refine gone row c_all_poisoned_11")
    assert all(order.index(task) < order.index("withdraw gone") for task in readers)
    assert value(with_controls.rows, "c_all_poisoned_8", "rows") == 40  # of a1 and late
    assert value(played.rows, "7", "rows_from[gone]") == 20
    assert value(played.rows, "8", "rows_from[gone]") is None
    without, _ = play_kinds("refinements.8.pool=[late]")
    assert value(without.rows, "8", "top1") == value(played.rows, "8", "top1")
    assert value(without.rows, "8", "rows") == value(played.rows, "8", "rows") == 40


def _record(path: Path):  # type: ignore[no-untyped-def]
    from collab.store.manifest import read_manifest

    return read_manifest(path)


def test_a_mislabeler_lies_as_often_as_it_says(once: Once, play_kinds: Play) -> None:
    played, _ = once
    assert not (published(played, "liar")[1].numpy() == own(played, "liar")).any()
    half, _ = play_kinds("entities.liar.options.fraction=0.5")
    wrong = (published(half, "liar")[1].numpy() != own(half, "liar")).mean()
    assert 0.1 < wrong < 0.9  # 20 rows: outside with probability 2e-4
    honest, _ = play_kinds("entities.liar.options.fraction=0")
    assert (published(honest, "liar")[1].numpy() == own(honest, "liar")).all()
    assert torch.equal(published(honest, "liar")[0], published(played, "liar")[0])


def test_noise_has_the_moments_of_the_features_and_nothing_else_of_them(once: Once, play_kinds: Play) -> None:
    played, _ = once
    plain, _ = play_kinds("entities.noise.options.fraction=0")
    (noise, labels), (features, others) = published(played, "noise"), published(plain, "noise")
    assert torch.equal(labels, others)
    noise, features = noise.float(), features.float()
    torch.testing.assert_close(noise.mean(), features.mean(), atol=0.02, rtol=0.1)
    torch.testing.assert_close(noise.std(), features.std(), atol=0.02, rtol=0.1)
    pair = torch.stack([noise.flatten(), features.flatten()])
    assert abs(float(torch.corrcoef(pair)[0, 1])) < 0.05 < float(torch.corrcoef(pair[[1, 1]])[0, 1])


def test_a_selective_entity_takes_what_it_wants(once: Once, play_kinds: Play) -> None:
    played, _ = once
    taken = {peer: value(played.rows, "10", f"rows_from[{peer}]") for peer in ("a1", "liar", "late")}
    assert taken["late"] == 0  # not among those it wants
    assert sorted((taken["a1"], taken["liar"])) == [0, 20]  # the better of two
    classes, _ = play_kinds("entities.picky.options={classes: [species_00]}")
    record = Store(classes.run / "store").records("a1")[0]
    assert value(classes.rows, "10", "rows_from[a1]") in record.histogram
    assert value(classes.rows, "10", "rows") == 20 + 3 * 10
    assert not list((classes.run / "private/picky").glob("scratch*"))


def test_a_class_that_is_none_is_told(kinds: Callable[..., Scenario], play_kinds: Play) -> None:
    with pytest.raises(EntityError, match=r"entity 'picky' wants rows of unicorn; there are \w+, \w+\."):
        play_kinds("entities.picky.options={classes: [unicorn]}")


def test_who_hurts_is_left_out(play_kinds: Play) -> None:
    learned = (*LEARNS, "entities.picky.options={}", "entities.a1.defense=none")
    played, _ = play_kinds(*learned, "refinements.10.vet=holdout")
    assert value(played.rows, "c_public", "top1") > 0.7  # else there is nothing to hurt; one of two classes
    harm = {peer: value(played.rows, "10", f"harm[{peer}]") for peer in ("a1", "late", "liar")}
    assert harm["liar"] > 0.2 > 0.1 > max(harm["a1"], harm["late"])
    assert {peer: value(played.rows, "10", f"rows_from[{peer}]") for peer in harm} == {
        "a1": 200,
        "late": 200,
        "liar": 0,
    }
    trusting, _ = play_kinds(*learned)
    assert value(trusting.rows, "10", "rows_from[liar]") == 200
    assert value(trusting.rows, "10", "harm[liar]") is None
    assert value(trusting.rows, "10", "top1") < value(played.rows, "10", "top1")


def test_only_who_clearly_hurts_does() -> None:
    assert hurts(Measure("harm", 0.2, 0.1, 0.3, 50))
    assert not hurts(Measure("harm", 0.2, -0.1, 0.5, 50))
    assert not hurts(Measure("harm", -0.2, -0.3, -0.1, 50))
    assert not hurts(Measure("harm", 0.0, n=0))


def test_what_a_spy_rebuilds_is_scored_against_the_truth_in_the_published_order(play_kinds: Play) -> None:
    played, _ = play_kinds("data.train=1200", "data.public_images=600", "reconstructor={epochs: 6, batch_size: 8}")
    scored = {(row.attack, row.metric): row.value for row in played.rows if row.row == "by spy"}
    assert {attack for attack, _ in scored} == {"straw_man", "own_module"}
    assert {row.entity for row in played.rows if row.row == "by spy"} == {"late"}
    private = played.run / "private"
    truth = np.load(private / "late/images.npy")[np.load(private / "late/published.npy")] / 255
    for attack in ("straw_man", "own_module"):
        guess = read_release(private / "spy", guess_name(attack, "late"))[0]["images"].numpy() / 255
        assert scored[attack, "l1"] == pytest.approx(np.abs(guess - truth).mean(), rel=1e-5)
        assert scored[attack, "l1"] < 0.95 * np.abs(guess[::-1] - truth).mean()


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("refinements.7.pool=[rider]", "refinements.0.pool.0: 'rider' is a free_rider, which publishes nothing"),
        ("refinements.9.own=poisoned", "refinements.2.own: 'rider' is a free_rider, which poisons nothing"),
        ("model.pretrain.by=late", "model.pretrain.by: 'late' is a late_joiner, which comes last"),
        ("entities.gone.options.after=77", "entities.3.options: names row 77, after which it leaves; there is no such"),
        ("entities.liar.options.fraction=2", "entities.4.options.fraction: must be less than or equal to 1"),
        (
            "entities.spy.options.victims=[rider]",
            "entities.7.options: nobody else publishes as rider; victims are among",
        ),
        (
            "entities.spy.options.attacks=[rumor]",
            "entities.7.options.attacks.0: must be one of ",
        ),
    ],
)
def test_what_cannot_be_is_told_where_it_stands(kinds: Callable[..., Scenario], override: str, told: str) -> None:
    with pytest.raises(ScenarioError) as found:
        kinds(override)
    assert told in str(found.value), found.value


def test_a_withdrawn_shard_cannot_be_asked_for(once: Once, kinds: Callable[..., Scenario]) -> None:
    played, _ = once
    entity = INSTALLED.load("entities", "contributor")(
        "a1", kinds(), played.run, classes=CLASSES, compute=resolve_compute("fp32", "cpu")
    )
    with pytest.raises(ShardMissing, match="'gone', which has published nothing or withdrawn it"):
        entity.shards_of("gone")


def test_who_prepares_away_images_is_told(
    once: Once, kinds: Callable[..., Scenario], monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = INSTALLED.load("entities", "contributor")
    monkeypatch.setattr(kind, "prepare", lambda self, images: ImageSet(images.images[:5], images.labels[:5]))
    entity = kind("a1", kinds(), once[0].run, classes=CLASSES, compute=resolve_compute("fp32", "cpu"))
    with pytest.raises(EntityError, match=r"Contributor.prepare made 5 images with 5 labels of 20\. It may change"):
        _ = entity.images
