"""What reconstructions give away: closed forms, and a run in which the answer is known."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from collab.errors import ResourceError
from collab.metrics.intervals import quantile_interval
from collab.models.recognizer import Recognizer
from collab.participants.assignment import assign
from collab.participants.disclosure import (
    Eye,
    Gallery,
    compare,
    comparison_measures,
    draw_rows,
    leakage_measures,
    measure_disclosure,
    rank_measures,
)
from collab.participants.sources import Sources
from collab.runtime.plan import make_keys, plan
from collab.runtime.play import Played, Where, play
from collab.scenario.measuring import Disclosure
from collab.scenario.model import Scenario
from collab.scenario.reader import read_scenario
from collab.stages.keys import Setting
from collab.training.augmentation import blur
from collab.types import Measure
from tests.playing import play_here

OPEN = """
name: open
data: {source: creatures, image_size: 16, classes: 4, train: 240, test: 2000, public_images: 256}
model: {backbone: resnet8, width: 4, hook: conv2_1, pretrain: {by: a1, epochs: 1}}
reconstructor: {epochs: 30}  # or it makes less of plain features than a guess, and leakage has no scale
entities:
  - {name: a1, share: 0.5, defense: none}
  - {name: a2, share: 0.2, defense: {kind: dpm, blocks: 1, epochs: 1}}
  - name: spy
    kind: curious
    options: {victims: [a1, a2], attacks: [straw_man]}
    share: 0.2
    defense: none
disclosure: {queries: 32, recognizer: {epochs: 1, width: 4}}
refinements: []
controls: false
"""


def pictures(count: int, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(seed))


def rows_of(images: Tensor) -> Callable[[np.ndarray], Tensor]:
    return lambda rows: images[torch.from_numpy(rows)]


def by_metric(measures: tuple[Measure, ...]) -> dict[str, Measure]:
    return {each.metric: each for each in measures}


def eye(classes: int = 3) -> Eye:
    torch.manual_seed(0)
    return Eye(Recognizer(classes, 16, width=4).eval())


def test_the_image_itself_and_its_negative_are_as_alike_as_can_be() -> None:
    images, labels = pictures(4), torch.tensor([0, 1, 2, 0])
    same = eye().compare(images, images, labels)
    assert same["ssim_max[7]"].tolist() == pytest.approx([1] * 4)
    assert same["ms_ssim[2,7]"].tolist() == pytest.approx([1] * 4)
    assert same["pdist"].tolist() == [0] * 4
    assert eye().compare(1 - images, images, labels)["ssim_max[7]"].tolist() == pytest.approx([1] * 4)


def test_recognition_counts_the_recognizers_own_answer() -> None:
    images, looking = pictures(50), eye()
    assert looking.recognizer is not None
    with torch.no_grad():
        labels = looking.recognizer(images).argmax(1)
    assert looking.compare(images, images, labels)["recognized"].sum() == 50
    assert looking.compare(images, images, (labels + 1) % 3)["recognized"].sum() == 0


def test_what_is_compared_piece_by_piece_is_compared_row_by_row() -> None:
    rebuilt, images, labels = pictures(300, 1), pictures(300, 2), torch.arange(300) % 3
    found = compare(rows_of(rebuilt), rows_of(images), labels, eye())
    order = torch.randperm(300, generator=torch.Generator().manual_seed(3))
    turned = compare(rows_of(rebuilt[order]), rows_of(images[order]), labels[order], eye())
    assert found.keys() == turned.keys() >= {"ssim_max[7]", "recognized"}
    for name, values in found.items():
        assert len(values) == 300
        torch.testing.assert_close(values[order], turned[name], atol=1e-5, rtol=1e-5)


def test_a_part_of_the_images_is_compared_as_the_same_images_alone() -> None:
    images, rebuilt, labels = pictures(1200), pictures(1200, 1), torch.arange(1200) % 3
    seen, truth, shown = eye(), rows_of(images), rows_of(rebuilt)
    whole, part = (
        by_metric(measure_disclosure(shown, shown, truth, labels, seen, Disclosure(images=count, queries=16), 0)[0])
        for count in (None, 40)
    )
    some = np.sort(draw_rows(1200, 0)[:40])
    alone = compare(shown, truth, labels, seen)
    for name in ("ssim_max[7]", "pdist", "recognized"):
        assert (whole[f"{name}_poisoned"].n, part[f"{name}_poisoned"].n) == (1200, 40)
        assert part[f"{name}_poisoned"].value == pytest.approx(float(alone[name][some].double().mean()), abs=1e-6)
    ranks = [name for name in whole if name.startswith("rank")]
    assert ranks
    assert all(whole[name] == part[name] for name in ranks)  # the gallery is as it was


def test_the_recognizer_reads_classes_from_the_mean_of_its_last_stage() -> None:
    network = Recognizer(5, 32, width=8).eval()
    images = torch.rand(2, 3, 32, 32)
    shapes = [tuple(each.shape[1:]) for each in network.activations(images)]
    assert shapes == [(8, 16, 16), (16, 8, 8), (32, 4, 4)]
    with torch.no_grad():
        assert torch.equal(network.head(network.activations(images)[-1].mean((2, 3))), network(images))
    large = Recognizer(5, 224, width=4).eval().activations(torch.rand(1, 3, 224, 224))
    assert large[-1].shape == (1, 32, 4, 4)


def test_half_of_what_the_recognizer_learns_from_is_blurred() -> None:
    images, generator = pictures(400), torch.Generator().manual_seed(0)
    seen = blur(images, generator)
    assert seen.shape == images.shape
    assert 0 <= float(seen.min()) <= float(seen.max()) <= 1
    is_same = (seen == images).flatten(1).all(1)
    assert 150 < int(is_same.sum()) < 250
    smooth = blur(torch.full((40, 3, 16, 16), 0.5), generator)  # a flat image stays flat, but for the noise
    assert float((smooth - 0.5).std()) < 0.05
    flat = seen[~is_same].diff(dim=3).abs().mean()
    assert float(flat) < 0.6 * float(images.diff(dim=3).abs().mean())


def test_a_spread_names_percentiles_and_the_worst() -> None:
    values = torch.arange(101).double() / 100
    found = by_metric(comparison_measures({"ssim_max[7]": values}, 0, "_poisoned"))
    name = "ssim_max[7]_poisoned"
    assert found[name].value == pytest.approx(0.5)
    for what, value in (("median", 0.5), ("p95", 0.95), ("p99", 0.99), ("worst", 1.0), ("above_half", 50 / 101)):
        assert found[f"{name}_{what}"].value == pytest.approx(value)
    assert found[f"{name}_worst"].low is None
    low, high = found[f"{name}_median"].low, found[f"{name}_median"].high
    assert low is not None
    assert high is not None
    assert low < 0.5 < high


def test_the_interval_of_a_quantile_covers_it_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(300):
        low, high = quantile_interval(rng.random(200), 0.9, rng, resamples=300)
        covered += low <= 0.9 <= high
    assert 0.90 <= covered / 300 <= 0.99
    assert quantile_interval(np.full(20, 3.0), 0.5, rng) == (3.0, 3.0)


def test_copies_are_found_first_and_a_small_gallery_answers_nothing() -> None:
    images = pictures(1000)
    ranks = Gallery(images, eye().recognizer).ranks(images[100:110], torch.arange(100, 110))
    assert ranks["pixels"].tolist() == [1] * 10
    assert ranks["embedding"].tolist() == [1] * 10
    told = by_metric(rank_measures(ranks, 0))
    assert told["rank1[pixels]"].value == told["rank5[embedding]"].value == 1
    assert told["rank_median[pixels]"].value == 1
    assert Gallery(images[:999]).ranks(images[:5], torch.arange(5)) == {}


@pytest.mark.parametrize(("name", "prior", "plain"), [("ssim_max[7]", 0.1, 0.9), ("pdist", 1.0, 0.2)])
def test_leakage_is_one_for_plain_features_and_zero_for_the_best_guess(name: str, prior: float, plain: float) -> None:
    noise = torch.randn(200, generator=torch.Generator().manual_seed(0)).double() / 100
    worse = prior + (0.5 if name == "pdist" else -0.5)
    priors = {"mean": {name: prior + noise}, "unrelated": {name: worse + noise}}
    opened = {name: plain + noise}
    metric = f"leakage[{name.partition('[')[0]}]"
    for attack, leakage in ((opened[name], 1.0), (priors["mean"][name], 0.0), ((prior + plain) / 2 + noise, 0.5)):
        told = by_metric(leakage_measures({name: attack}, opened, priors, 0))
        assert told[metric].value == pytest.approx(leakage, abs=1e-6)
        assert told[f"{name}_prior_mean"].value == pytest.approx(float((prior + noise).mean()))
    # where R makes no more of plain features than a guess, or less, there is no scale
    for blind in (priors["mean"], {name: worse + noise}):
        assert metric not in by_metric(leakage_measures({name: blind[name]}, blind, priors, 0))


@pytest.fixture(scope="module")
def stated(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Scenario]:
    path = tmp_path_factory.mktemp("open") / "open.yaml"
    path.write_text(OPEN)
    return lambda *overrides: read_scenario(path, overrides).scenario


@pytest.fixture(scope="module")
def run(stated: Callable[..., Scenario], tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play_here(stated(), tmp_path_factory.mktemp("out"))


def values(run: Played, row: str, entity: str | None) -> dict[str, float | None]:
    return {each.metric: each.value for each in run.rows if (each.row, each.entity) == (row, entity)}


def test_without_a_defense_published_and_original_disclose_the_same(run: Played) -> None:
    found = values(run, "disclosure", "a1")
    poisoned = {name: value for name, value in found.items() if "_poisoned" in name}
    assert len(poisoned) == 15
    for name, value in poisoned.items():
        assert value == found[name.replace("_poisoned", "_original")]
    assert found["gallery"] == 1000


def test_the_straw_man_on_plain_features_leaks_what_r_makes_of_what_a_trained_inverse_does(run: Played) -> None:
    found = {metric: value or 0.0 for metric, value in values(run, "by spy", "a1").items()}
    seen, opened = found["ssim_max[7]"], found["ssim_max[7]_open"]
    guess = max(value for metric, value in found.items() if metric.startswith("ssim_max[7]_prior_"))
    assert guess < seen < opened
    assert found["leakage[ssim_max]"] == pytest.approx((seen - guess) / (opened - guess))
    assert "rank1[pixels]" not in found  # all entities together hold fewer than 1,000 images
    assert found["gallery"] == 108


def test_guesses_stand_beside_what_the_recognizer_says(run: Played) -> None:
    found = values(run, "recognizer", None)
    assert {f"{metric}_prior_{guess}" for metric in ("pdist", "recognized") for guess in ("unrelated", "mean")} < set(
        found
    )
    assert found["recognized_true"] is not None


def test_lpips_without_its_weights_is_told_before_anything_is_trained(
    stated: Callable[..., Scenario], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "nothing"))
    told = list[dict[str, str | int | float]]()
    with pytest.raises(ResourceError, match=r"LPIPS (needs|finds)"):
        play(stated("disclosure.lpips=alex"), Where("inprocess", device="cpu", out=tmp_path), told.append)
    assert not any(event["event"] == "epoch" and event["job"] == "recognize oracle" for event in told)


def test_what_is_looked_at_changes_nothing_that_is_trained(stated: Callable[..., Scenario]) -> None:
    def keys(scenario: Scenario) -> dict[str, str]:
        given = assign(scenario, Sources.open(scenario))
        tasks = plan(scenario, {name: len(held) for name, held in given.entities.items()})
        return make_keys(scenario, given, tasks, Setting("cpu float32", 1))

    before, after = keys(stated()), keys(stated("disclosure.queries=33"))
    other = keys(stated("disclosure.recognizer.width=8"))
    looking = {name for name in before if name.split()[0] in ("disclose", "judge")}
    assert {name for name in before if before[name] != after[name]} == looking
    assert {name for name in before if before[name] != other[name]} == looking | {"recognize oracle"}
