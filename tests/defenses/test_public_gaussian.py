"""Draws in public directions: what one image can move, what is drawn, and a manifest that says what is guaranteed."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from collab.defenses.options import PublicGaussian as Options
from collab.defenses.public_gaussian import COUNT_WEIGHT, Draws, PublicGaussian, find_centers, find_nearest, noisy_sums
from collab.errors import ShardCorrupt
from collab.report.tables.tables import make_tables
from collab.results.opened import open_run
from collab.runtime.play import Played
from collab.scenario.base import Dp
from collab.scenario.reader import read_scenario
from collab.store.manifest import read_manifest
from collab.store.release import read_release
from collab.store.store import Store
from tests.playing import play_here

CLASSES, DIRECTIONS = 3, 5
SHAPE = (2, 3, 3)


def defense(**stated: object) -> PublicGaussian:
    return PublicGaussian.from_options(Options(kind="public_gaussian", directions=DIRECTIONS, **stated))  # type: ignore[arg-type]


def module(counts: list[int]) -> Draws:
    generator = torch.Generator().manual_seed(0)
    made, values = Draws(rectified=False), math.prod(SHAPE)
    made.center = torch.randn(SHAPE, generator=generator)
    made.axes = torch.linalg.qr(torch.randn(values, DIRECTIONS, generator=generator))[0].T
    made.deviations = torch.linspace(3, 1, DIRECTIONS)
    made.centers = torch.zeros(1, DIRECTIONS)
    made.within, made.rest = (
        0.5 * torch.randn(2, values, generator=generator),
        0.1 + torch.rand(values, generator=generator),
    )
    made.means, made.counts = torch.randn(CLASSES, DIRECTIONS, generator=generator), torch.tensor(counts)
    return made


@pytest.mark.parametrize("label", [0, 2])
def test_one_image_moves_what_noise_is_added_to_by_its_sensitivity_at_most(label: int) -> None:
    pytest.importorskip("dp_accounting")
    held = defense(clip=0.7, dp=Dp(epsilon=1.0)).guarantee(100)
    assert held is not None
    longest = 0.7 * math.sqrt(DIRECTIONS)
    rows = torch.randn(9, DIRECTIONS, generator=torch.Generator().manual_seed(1))
    rows = longest * rows / rows.norm(dim=1, keepdim=True)  # as far out as clipping leaves them
    labels, weight = torch.arange(9) % CLASSES, longest * COUNT_WEIGHT
    labels[-1] = label

    def told(count: int) -> Tensor:
        sums, counts = noisy_sums(rows[:count], labels[:count], CLASSES, weight, 0.0, torch.Generator())
        return torch.cat([sums, weight * counts[:, None]], 1)

    assert float((told(9) - told(8)).norm()) == pytest.approx(held.sensitivity, rel=1e-6)


def test_one_person_with_all_images_moves_it_no_more_and_who_has_one_counts_as_that_image() -> None:
    generator, longest = torch.Generator().manual_seed(1), 0.7
    rows = torch.randn(12, DIRECTIONS, generator=generator)
    rows, labels = longest * rows / rows.norm(dim=1, keepdim=True), torch.arange(12) % CLASSES
    people = torch.tensor([0, 0, 1, 1, 1, 2, 3, 3, 3, 3, 3, 3])
    weight = longest * COUNT_WEIGHT

    def told(kept: Tensor, whose: Tensor | None) -> Tensor:
        sums, counts = noisy_sums(rows[kept], labels[kept], CLASSES, weight, 0.0, torch.Generator(), people=whose)
        return torch.cat([sums, weight * counts[:, None]], 1)

    every = torch.ones(12, dtype=torch.bool)
    for person in range(4):
        kept = people != person
        whose = people[kept] - (people[kept] > person).long()
        moved = float((told(every, people) - told(kept, whose)).norm())
        assert 0 < moved <= longest * math.sqrt(1 + COUNT_WEIGHT**2) * (1 + 1e-6)
    torch.testing.assert_close(told(every, torch.arange(12)), told(every, None))
    assert float(told(every, people)[:, -1].sum()) == pytest.approx(4 * weight)  # people are counted, not images


def test_noise_has_the_deviation_that_was_asked_on_sums_and_on_weighted_counts() -> None:
    generator = torch.Generator().manual_seed(2)
    empty, labels = torch.zeros(0, 400), torch.zeros(0, dtype=torch.int64)
    sums, counts = noisy_sums(empty, labels, 400, 0.5, 3.0, generator)
    assert float(sums.std()) == pytest.approx(3.0, rel=0.02)
    assert float(counts.std()) == pytest.approx(3.0 / 0.5, rel=0.1)


def test_draws_have_the_means_and_the_covariance_that_are_known_and_as_many_rows_as_counted() -> None:
    made = module([4000, 10, 0])
    parts = list(made.draw(torch.Generator().manual_seed(3), 256))
    rows, labels = torch.cat([part for part, _ in parts]).flatten(1), torch.cat([label for _, label in parts])
    assert torch.bincount(labels, minlength=CLASSES).tolist() == [4000, 10, 0]
    expected = made.center.flatten() + (made.means[0] * made.deviations) @ made.axes
    torch.testing.assert_close(rows[labels == 0].mean(0), expected, atol=0.12, rtol=0)
    covariance = made.within.T @ made.within + torch.diag(made.rest.square())
    torch.testing.assert_close(torch.cov(rows[labels == 0].T), covariance, atol=0.15, rtol=0.1)
    torch.testing.assert_close(made.place(expected.view(1, *SHAPE))[0], made.means[0], atol=1e-4, rtol=1e-4)


def test_groups_are_found_and_each_row_is_in_the_nearest() -> None:
    """Three clouds that lie far apart are the groups, whatever rows k-means begins with."""
    generator = torch.Generator().manual_seed(5)
    clouds = torch.tensor([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]])
    placed = (clouds[:, None] + 0.1 * torch.randn(3, 40, 2, generator=generator)).flatten(0, 1)
    centers = find_centers(placed, 3, torch.Generator().manual_seed(3))
    assert torch.cdist(clouds, centers).min(1).values.max() < 0.1
    assert torch.equal(find_nearest(placed, centers).bincount(), torch.tensor([40, 40, 40]))
    torch.testing.assert_close(find_centers(placed, 1, generator), placed.mean(0, keepdim=True))


def test_rows_of_each_group_of_a_class_are_drawn_about_its_own_mean() -> None:
    made = module([400, 0, 10, 30, 0, 400])  # two groups in each of three classes
    made.centers, made.rest, made.within = torch.zeros(2, DIRECTIONS), 0 * made.rest, 0 * made.within
    made.means = torch.randn(6, DIRECTIONS, generator=torch.Generator().manual_seed(7))
    parts = list(made.draw(torch.Generator().manual_seed(3), 256))
    rows, labels = torch.cat([part for part, _ in parts]), torch.cat([label for _, label in parts])
    assert torch.bincount(labels).tolist() == [400, 40, 400]
    nearest = torch.cdist(made.place(rows), made.means).argmin(1)
    assert nearest.bincount(minlength=6).tolist() == [400, 0, 10, 30, 0, 400]
    assert torch.equal(nearest // 2, labels)


def test_without_dp_nothing_is_guaranteed() -> None:
    assert defense().guarantee(100) is None


DRAWN = """
name: drawn
data: {source: creatures, image_size: 16, classes: 6, train: 400, test: 80, public_images: 64}
model: {backbone: resnet8, width: 4, hook: conv3_1, pretrain: {by: a1, epochs: 1}}
reconstructor: {epochs: 1}
entities:
  - {name: a1, share: 0.1, defense: none}
  - {name: a2, share: 0.2, defense: {kind: public_gaussian, directions: 8, rows: 50, dp: {epsilon: 8}}}
  - {name: a3, share: 0.2, defense: {kind: public_answers, epochs: 2, batch_size: 16, dp: {epsilon: 8}}}
  - name: a4
    share: 0.2
    defense: {kind: public_answers, epochs: 1, batch_size: 8, dp: {epsilon: 8, unit: identity}}
  - {name: spy, share: 0.1, kind: curious, options: {victims: [a2], attacks: [MEANS, straw_man]}, defense: none}
refine: {epochs: 1}
refinements: [{row: 7, entity: a1, own: features, pool: [a2]}]
controls: false
""".replace("MEANS", "{kind: membership_inference, by: means, rows: 8, candidates: 16}")


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    pytest.importorskip("dp_accounting")
    folder = tmp_path_factory.mktemp("drawn")
    (folder / "drawn.yaml").write_text(DRAWN)
    return play_here(read_scenario(folder / "drawn.yaml", ()).scenario, folder)


def test_manifest_results_and_report_say_what_is_guaranteed(played: Played) -> None:
    (record,) = Store(played.run / "store").records("a2")
    assert record.guarantee is not None
    stated = {name: record.guarantee[name] for name in ("epsilon", "delta", "unit", "steps")}
    assert stated == {"epsilon": 8.0, "delta": 1e-5, "unit": "image", "steps": 1}
    assert record.guarantee["noise_multiplier"] == pytest.approx(0.6002, abs=1e-4)
    assert any("whoever pre-trains" in each for each in record.guarantee["outside"])
    assert abs(record.rows - 50) <= 1
    opened = open_run(played.run)
    assert {(row.entity, row.value) for row in opened.rows if row.metric == "dp_epsilon"} == {
        (name, 8.0) for name in ("a2", "a3", "a4")
    }
    assert "pre-trains" in json.dumps(opened.record["facts"])
    (table,) = (table for table in make_tables(opened.scenario, opened.rows) if table.title == "Guarantees")
    assert [line[0] for line in table.lines] == ["a2", "a3", "a4"]
    (found,) = (row for row in opened.rows if row.metric == "dp_epsilon_found")
    assert table.lines[0][-1] == f"{found.value:.2f}"
    assert not any("does not hold" in note for note in table.notes)
    rows = [replace(row, value=8.1) if row is found else row for row in opened.rows]
    (table,) = (table for table in make_tables(opened.scenario, rows) if table.title == "Guarantees")
    assert table.notes[0] == "The guarantee of a2 does not hold: an attack proves more than ε."
    assert Store(played.run / "store").records("a1")[0].guarantee is None


def test_answers_by_dp_sgd_state_their_steps_and_keep_the_statistics_of_the_release(played: Played) -> None:
    (record,) = Store(played.run / "store").records("a3")
    assert record.guarantee is not None
    images = len(np.load(played.run / "private" / "a3" / "labels.npy"))
    assert record.guarantee["steps"] == 2 * math.ceil(images / 16)
    assert record.guarantee["sampling_rate"] == pytest.approx(16 / images)
    assert any("number of own images" in each for each in record.guarantee["outside"])
    own, released = (
        read_release(played.run / folder, name)[0]
        for folder, name in (("private/a3", "defense"), ("release", "decider"))
    )
    for name, value in released.items():
        is_kept = torch.equal(own[f"decider.{name}"], value)
        assert is_kept == ("running" in name or "num_batches" in name), name


def test_of_people_the_steps_are_counted_and_the_unit_is_said(played: Played) -> None:
    (record,) = Store(played.run / "store").records("a4")
    people = len(np.unique(np.load(played.run / "private" / "a4" / "identities.npy")))
    images = len(np.load(played.run / "private" / "a4" / "labels.npy"))
    assert people < images
    assert record.guarantee is not None
    assert record.guarantee["unit"] == "identity"
    assert record.guarantee["sampling_rate"] == pytest.approx(8 / people)
    assert record.guarantee["steps"] == math.ceil(people / 8)
    outside = " ".join(record.guarantee["outside"])
    assert "further images of the same person" not in outside
    assert "the number of own people" in outside


def test_only_members_are_asked_of_draws(played: Played) -> None:
    assert {row.attack for row in open_run(played.run).rows if row.attack} == {"membership_inference[means]"}


def test_counts_and_means_are_not_those_of_the_own_rows(played: Played) -> None:
    (record,) = Store(played.run / "store").records("a2")
    own = np.bincount(np.load(played.run / "private" / "a2" / "labels.npy"), minlength=CLASSES)
    assert record.histogram != tuple(own.tolist())


@pytest.mark.parametrize("wrong", [
    {"epsilon": -1.0}, {"epsilon": float("inf")}, {"delta": 1.0}, {"mechanism": 7}, {"outside": "nothing"},
    {"proof": "see below"},
])  # fmt: skip
def test_a_manifest_whose_guarantee_is_none_is_refused(
    wrong: dict[str, object], played: Played, tmp_path: Path
) -> None:
    (record,) = Store(played.run / "store").records("a2")
    (path,) = (played.run / "store" / "manifest").glob("*-a2-*.json")
    content = json.loads(path.read_text())
    forged = tmp_path / path.name
    forged.write_text(json.dumps(content))
    assert read_manifest(forged) == replace(record)
    forged.write_text(json.dumps(content | {"guarantee": content["guarantee"] | wrong}))
    with pytest.raises(ShardCorrupt, match="guarantee"):
        read_manifest(forged)
