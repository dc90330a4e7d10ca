"""The suite (ATTACKS 2): what each attack breaks, what none may break, and what none is given."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from collab.attacks.adversarial_alignment import AdversarialAlignment
from collab.attacks.attribute_inference import AttributeInference, attributes_of
from collab.attacks.base import Attack, Knowledge, Pairs, classify_adversary
from collab.attacks.distribution_matching import DistributionMatching, Moments, eigen_map, transport_map, zca_map
from collab.attacks.leaked_module import LeakedModule
from collab.attacks.leaked_pairs import LeakedPairs, Repaired
from collab.attacks.linear import Grams, patches
from collab.attacks.matching import Matching, mutual
from collab.attacks.membership_inference import MembershipInference, class_means, explain_share, trace_means
from collab.attacks.optimization_inversion import OptimizationInversion
from collab.attacks.options import By, Reference
from collab.attacks.shadow_modules import ShadowModules
from collab.attacks.simulated_client import SimulatedClient
from collab.attacks.through_decider import ThroughDecider
from collab.defenses.orthogonal import Rotation
from collab.errors import EntityError
from collab.metrics.membership import auc
from collab.metrics.priors import class_mean_prior
from collab.metrics.visual import ssim
from collab.models.freeze import freeze
from collab.participants.guessing import match_measures, membership_measures
from collab.seeding import Stream
from collab.training.feeds import ImageSet
from collab.training.loop import Recipe
from collab.training.precision import resolve_compute
from collab.training.progress import Progress
from collab.training.tasks import Classification
from collab.types import Measure

COMPUTE = resolve_compute("fp32", "cpu")
SIDE, CHANNELS = 16, 12
STREAM = Stream(0, "eve", "attack")


class Fold(nn.Module):
    """F: an image as the values of its 2×2 blocks, doubled where they are large; [batch, 12, 8, 8], never negative."""

    def forward(self, images: Tensor) -> Tensor:
        return nn.functional.pixel_unshuffle(images, 2) ** 2 + 0.1


class Unfold(nn.Module):
    """R, the exact inverse of F."""

    def forward(self, features: Tensor) -> Tensor:
        return nn.functional.pixel_shuffle((features - 0.1).clamp(0, 1).sqrt(), 2)


def images_of(count: int, seed: int) -> Tensor:
    """Smooth random images [count, 3, 16, 16] in [0, 1], of a skewed brightness so that no axis has two directions."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 4, 4, generator=generator) ** 2
    return nn.functional.interpolate(coarse, SIDE, mode="bicubic").clamp(0, 1)


def the_decider() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        body = nn.Sequential(nn.Conv2d(CHANNELS, 16, 3, padding=1), nn.ReLU())
        head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 4))
    return freeze(nn.Sequential(body, head))


class Dimmed(nn.Module):
    """R that shows all a little too dark."""

    def forward(self, features: Tensor) -> Tensor:
        return 0.6 * Unfold()(features) ** 1.5


class Gray(nn.Module):
    """R that shows nothing."""

    def forward(self, features: Tensor) -> Tensor:
        return torch.ones(len(features), 3, SIDE, SIDE)


IMAGES, LABELS = images_of(200, 0), torch.arange(200) % 4
PUBLIC = images_of(300, 1)
FEATURES = Fold()(IMAGES)


def rotation_of(channels: int) -> Rotation:
    """D3: a random rotation of channels."""
    drawn = torch.linalg.qr(torch.randn(channels, channels, generator=torch.Generator().manual_seed(2)))[0]
    rotation = Rotation(channels)
    rotation.matrix.copy_(drawn)
    return rotation


def rotated(features: Tensor) -> Tensor:
    """Features [batch, 12, height, width] by it."""
    return rotation_of(CHANNELS)(features)


def permuted_within_classes(features: Tensor) -> Tensor:
    """D5: the rows of each class dealt to other images of it."""
    order = torch.arange(len(features))
    for each in range(4):
        own = torch.nonzero(LABELS[: len(features)] == each)[:, 0]
        order[own] = own.roll(1)
    return features[order]


def gained(features: Tensor) -> Tensor:
    """D1: each channel by a gain and an offset of its own."""
    return features * torch.linspace(0.3, 3, CHANNELS).view(-1, 1, 1) + torch.linspace(1, 0, CHANNELS).view(-1, 1, 1)


def noise_alone(features: Tensor) -> Tensor:
    """D6: noise of the same moments."""
    mean, spread = features.mean((0, 2, 3), keepdim=True), features.std((0, 2, 3), keepdim=True)
    return torch.randn(features.shape, generator=torch.Generator().manual_seed(3)) * spread + mean


DEFENSES = {
    "D0": lambda features: features,
    "D1": gained,
    "D3": rotated,
    "D5": permuted_within_classes,
    "D6": noise_alone,
}
ROWS = 120
"""Attacked rows; the pairs are of the rest."""


def to_set(images: Tensor) -> ImageSet:
    return ImageSet((images * 255).round().to(torch.uint8).numpy(), np.zeros(len(images), np.int64))


def known_to(attack: Attack, published: Tensor, **more: Any) -> Knowledge:
    had: Mapping[str, Any] = {
        "featurizer": Fold(),
        "decider": the_decider(),
        "reconstructor": Unfold(),
        "public_data": to_set(PUBLIC),
        "pairs": Pairs(published[ROWS:], IMAGES[ROWS:], LABELS[ROWS:]),
        "candidates": torch.cat([IMAGES[:ROWS], PUBLIC[:80]]),
    }
    return Knowledge("this test", published[:ROWS], LABELS[:ROWS], attack.asks_for, **{**had, **more})


def answer(attack: Attack, defense: str, **more: Any) -> Tensor:
    known = known_to(attack, DEFENSES[defense](FEATURES), **more)
    return attack.rebuild(known, STREAM, COMPUTE, Progress())


def breaks(attack: Attack, defense: str) -> bool:
    """Whether what it rebuilds is more like the truth than the class mean is."""
    prior = ssim(class_mean_prior(IMAGES[:ROWS], LABELS[:ROWS]), IMAGES[:ROWS])
    gain = ssim(answer(attack, defense), IMAGES[:ROWS]) - prior
    return float(gain.mean()) > 2 * float(gain.std()) / math.sqrt(ROWS)


CLOSED = AttributeInference(None, None, 4, 100, None, Recipe(1, 16, "adamw", 1e-3), 0, 100)
PAIRS = LeakedPairs(80, (1, 3), 0)
ALIGNED = AdversarialAlignment(2, 300, 1.0)
BY_CLASS = DistributionMatching("zca", 300, per_class=True)
ZCA, EIGEN = DistributionMatching("zca", 300), DistributionMatching("eigen", 300)


@pytest.mark.parametrize(
    ("attack", "broken", "not_broken"),
    [
        (PAIRS, ("D0", "D1", "D3"), ("D5", "D6")),
        (ZCA, ("D0", "D1"), ("D5", "D6")),
        (BY_CLASS, ("D0", "D1"), ("D5", "D6")),
        (EIGEN, ("D0",), ("D5", "D6")),
        (ALIGNED, ("D0", "D1"), ("D5", "D6")),
    ],
    ids=["leaked_pairs", "zca", "zca,classes", "eigen", "aligned"],
)
def test_controls(attack: Attack, broken: tuple[str, ...], not_broken: tuple[str, ...]) -> None:
    assert {name: breaks(attack, name) for name in (*broken, *not_broken)} == dict.fromkeys(
        broken, True
    ) | dict.fromkeys(not_broken, False)


def test_more_pairs_show_more_and_none_is_the_straw_man() -> None:
    rebuilt = [ssim(answer(LeakedPairs(k, (1,), 0), "D3", **some_pairs(k)), IMAGES[:ROWS]).mean() for k in (1, 4, 80)]
    assert rebuilt == sorted(rebuilt)
    none = LeakedPairs(0, (1,), 0)
    assert none.asks_for == {"reconstructor"}
    assert torch.equal(answer(none, "D3"), Unfold()(rotated(FEATURES)[:ROWS]))


def some_pairs(count: int) -> dict[str, Any]:
    published = rotated(FEATURES)
    rows = slice(ROWS, ROWS + count)
    return {"pairs": Pairs(published[rows], IMAGES[rows], LABELS[rows])}


def test_a_rotation_is_solved_for_exactly() -> None:
    published = rotated(FEATURES)
    ridge = Grams.of(published[:8], FEATURES[:8], 1).solve(1e-9, 1)
    torch.testing.assert_close(ridge(published), FEATURES, rtol=0, atol=2e-3)


def test_patches_agree_with_a_convolution() -> None:
    features = torch.randn(2, 3, 5, 5)
    weights = torch.randn(3 * 9 + 1, 4)
    kernel = weights[:-1].T.reshape(4, 3, 3, 3)
    expected = nn.functional.conv2d(features, kernel, weights[-1], padding=1)
    torch.testing.assert_close((patches(features, 3) @ weights).view(2, 5, 5, 4).permute(0, 3, 1, 2), expected)


@pytest.mark.parametrize("function", [zca_map, transport_map, eigen_map])
def test_each_map_gives_the_wanted_covariance(function: Any) -> None:
    published, plain = Moments.of(gained(FEATURES)), Moments.of(Fold()(PUBLIC))
    matrix = function(published, plain)
    covariance = matrix @ published.axes @ torch.diag(published.values) @ published.axes.T @ matrix.T
    torch.testing.assert_close(covariance, plain.axes @ torch.diag(plain.values) @ plain.axes.T, rtol=1e-4, atol=1e-6)


def skewed(count: int) -> Tensor:
    """Independent skewed channels of different variance: what makes axes tell themselves apart."""
    drawn = torch.rand(count, CHANNELS, 4, 4, generator=torch.Generator().manual_seed(5)) ** 3
    return drawn * torch.linspace(0.5, 3, CHANNELS).view(-1, 1, 1)


def test_eigenvectors_undo_a_rotation_that_whitening_does_not() -> None:
    features = skewed(2000)
    published, plain = Moments.of(rotated(features)), Moments.of(skewed(2000))
    flat = rotated(features).double().permute(0, 2, 3, 1).flatten(0, 2) - published.mean
    truth = features.double().permute(0, 2, 3, 1).flatten(0, 2)

    def r2(matrix: Tensor) -> float:
        found = flat @ matrix.T + plain.mean
        return 1 - float((found - truth).square().sum() / (truth - truth.mean(0)).square().sum())

    assert r2(eigen_map(published, plain)) > 0.7
    assert r2(zca_map(published, plain)) < 0.3


VIEWS = ("logits", "penultimate", "blocks", "frame_free")


def found_at_once(attack: Attack, defense: str) -> float:
    scores = answer(attack, defense)
    return float((scores.argmax(1) == torch.arange(ROWS)).double().mean())


def test_matching_finds_plain_rows_and_rotated_ones_by_what_no_rotation_changes() -> None:
    assert found_at_once(Matching(VIEWS, 5), "D0") > 0.9
    assert found_at_once(Matching(("frame_free",), 5), "D3") > 0.9


@pytest.mark.parametrize("defense", ["D5", "D6"])
def test_matching_finds_nothing_where_there_is_nothing(defense: str) -> None:
    assert found_at_once(Matching(VIEWS, 5), defense) < 5 / 200


def test_mutual_matches_are_sorted_by_their_lead() -> None:
    scores = torch.tensor([[3.0, 1.0, 0.0], [0.0, 9.0, 1.0], [0.0, 8.0, 2.0]])
    assert mutual(scores).tolist() == [1, 0]


def test_sure_matches_are_false_alarms_only_as_often_as_chance_allows() -> None:
    scores = torch.randn(300, 600, generator=torch.Generator().manual_seed(6))
    told = {each.metric: each.value for each in match_measures(scores, torch.full((300,), -1), 0)}
    assert set(told) <= {"match_sure", "match_sure_right"}
    assert told["match_sure"] < 0.05
    scores[:, :300] += 20 * torch.eye(300)
    told = {each.metric: each.value for each in match_measures(scores, torch.arange(300), 0)}
    assert (told["match_top1"], told["match_guesswork"], told["match_sure_right"]) == (1, 1, 1)
    assert told["match_chance"] == pytest.approx(1 / 600)


@pytest.mark.parametrize(("by", "least"), [("likeness", 0.9), ("span", 0.8), ("means", 0.55)])
def test_members_have_higher_scores_where_rows_are_plain_and_not_where_they_are_noise(by: By, least: float) -> None:
    is_member = np.arange(200) < ROWS
    attack = MembershipInference(VIEWS, by, 256, "public")
    reference = to_set(images_of(300, 5))  # none of the candidates

    def measure(defense: str) -> Measure:
        return membership_measures(answer(attack, defense, public_data=reference).numpy(), is_member, 0)[0]

    plain, noise = measure("D0"), measure("D6")
    assert plain.low is not None
    assert plain.low > least
    assert noise.low is not None
    assert noise.high is not None
    assert noise.low < 0.5 + 0.1
    assert noise.value < 0.65


@pytest.mark.parametrize("attack", [*(Matching((view,), 0) for view in VIEWS), CLOSED])
def test_a_decider_without_blocks_is_looked_through_all_the_same(attack: Attack) -> None:
    torch.manual_seed(0)  # else the head depends on which tests ran before, and a rare one reads too few rows
    head = freeze(nn.Sequential(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(CHANNELS, 4))))
    found = answer(attack, "D0", decider=head)
    assert found.isfinite().all()
    if isinstance(attack, Matching):
        assert (found.argmax(1) == torch.arange(ROWS)).float().mean() > 0.1  # chance is .005


def test_who_has_the_module_undoes_it_and_sees_nothing_where_it_hides_all() -> None:
    recipe = Recipe(1, 16, "adamw", 1e-3, weight_decay=0.0, schedule="one_cycle")
    attack = LeakedModule("px2s2", recipe, "released")
    assert attack.asks_for == {"public_data", "victim_encoder", "featurizer", "reconstructor"}

    def shown(defense: str) -> Tensor:
        return answer(attack, defense, victim_encoder=lambda images: DEFENSES[defense](Fold()(images)))

    prior = ssim(class_mean_prior(IMAGES[:ROWS], LABELS[:ROWS]), IMAGES[:ROWS]).mean()
    assert ssim(shown("D3"), IMAGES[:ROWS]).mean() > 0.9
    assert ssim(shown("D6"), IMAGES[:ROWS]).mean() < prior


def test_a_trained_inverse_is_made_again_of_its_weights() -> None:
    ridge = Grams.of(FEATURES[:20], FEATURES[:20], 3).solve(0.1, 3)
    one = Repaired(ridge, Unfold(), CHANNELS)
    again = Repaired.of_state(one.state_dict(), Unfold())
    assert torch.equal(again(FEATURES[:4]), one(FEATURES[:4]))


def test_members_vary_as_mixtures_of_them_do() -> None:
    members, others = torch.randn(2, 20, 300, generator=torch.Generator().manual_seed(3))
    weights = torch.randn(100, 20, generator=torch.Generator().manual_seed(4))
    mixed = weights @ (members - members.mean(0)) + members.mean(0)
    mixed, members, others = (rows - members.mean(0) for rows in (mixed, members, others))
    share = explain_share(mixed, torch.cat([members, others]), 25)
    assert share[:20].min() > 0.99  # 19 directions hold them all
    assert share[20:].max() < 0.5
    assert explain_share(mixed, members, 5).mean() < 0.6


def test_what_varies_as_public_images_do_is_no_sign_of_a_member() -> None:
    generator = torch.Generator().manual_seed(9)
    common, private = torch.linalg.qr(torch.randn(768, 24, generator=generator))[0].T.split([4, 20])

    def draw(count: int, own: float, noise: float) -> Tensor:
        """Images that all vary in the common directions, and some in private ones and on their own."""
        sizes = (torch.randn(count, width, generator=generator) for width in (4, 20, 768))
        shared, of_members, rest = sizes
        varied = shared @ common + own * of_members @ private + noise * rest / math.sqrt(768)
        return 0.5 + varied.view(count, 3, SIDE, SIDE)

    members, ordinary, public = draw(ROWS, 0.7, 1.0), draw(80, 0.0, 0.05), draw(300, 0.0, 0.05)
    one_class = nn.Sequential(nn.Flatten(), nn.Linear(768, 1))

    def told(reference: Reference) -> Tensor:
        attack = MembershipInference(VIEWS, "span", 32, reference)
        known = {"public_data": to_set(public), "candidates": torch.cat([members, ordinary])}
        networks = {"featurizer": freeze(nn.Identity()), "decider": freeze(one_class)}
        knowledge = Knowledge("this test", members, torch.zeros(ROWS).long(), attack.asks_for, **known, **networks)
        return attack.rebuild(knowledge, STREAM, COMPUTE, Progress())

    alone, calibrated = told("none"), told("public")
    assert auc(calibrated[:ROWS].numpy(), calibrated[ROWS:].numpy()) > 0.99
    assert (
        auc(alone[:ROWS].numpy(), alone[ROWS:].numpy()) < 0.5
    )  # an ordinary image lies in the main directions of any set


def test_tracing_means_is_the_whitened_product() -> None:
    generator = torch.Generator().manual_seed(8)
    candidates, published = torch.randn(40, 60, generator=generator), torch.randn(3, 60, generator=generator)
    classes = torch.arange(40) % 2  # of the third class there is no candidate
    means = class_means(candidates, classes, 3)
    assert torch.equal(means[2], candidates.mean(0))
    away = (candidates - means[classes]).double().numpy()
    covariance = away.T @ away / 40 + 0.1 * (away**2).mean() * np.eye(60)
    toward = (published - means)[classes].double().numpy()
    expected = (away * np.linalg.solve(covariance, toward.T).T).sum(1)
    np.testing.assert_allclose(trace_means(published, candidates, classes), expected, rtol=1e-4, atol=1e-4)


def test_loss_is_that_of_the_released_decider_and_asks_for_no_row() -> None:
    attack = MembershipInference(VIEWS, "loss", 32, "public")
    assert attack.asks_for == {"featurizer", "decider", "candidates", "candidate_labels"}
    labels = torch.arange(200) % 4
    with torch.no_grad():
        chances = the_decider()(Fold()(torch.cat([IMAGES[:ROWS], PUBLIC[:80]]))).softmax(1)
    scores = answer(attack, "D6", candidate_labels=labels, task=Classification(("a", "b", "c", "d")))
    torch.testing.assert_close(scores.exp(), chances[torch.arange(200), labels])


@pytest.mark.parametrize("pairs", [0, 80])
def test_attributes_are_read_from_plain_rows_and_not_from_noise(pairs: int) -> None:
    attack, truth = replace(CLOSED, pairs=pairs, images=300), attributes_of(IMAGES[:ROWS])

    def error(defense: str) -> float:
        return float((answer(attack, defense) - truth).square().mean() / (truth - truth.mean(0)).square().mean())

    assert error("D0") < 0.3
    assert error("D6") > 0.8


def test_optimization_finds_the_image_through_a_module_whose_weights_are_known() -> None:
    attack = OptimizationInversion("module", 60, 1, 0.02, (0.1, 100.0))
    assert attack.asks_for == {"featurizer", "reconstructor", "public_data", "victim_weights"}
    found = {
        name: ssim(answer(attack, name, victim_weights=freeze(module), reconstructor=Dimmed()), IMAGES[:ROWS]).mean()
        for name, module in (("D3", rotation_of(CHANNELS)), ("D6", rotation_of(CHANNELS)))
    }
    assert found["D3"] > 0.9  # by the weight that suits public images
    assert found["D3"] > ssim(Dimmed()(FEATURES[:ROWS]), IMAGES[:ROWS]).mean() + 0.3  # further than where it starts
    assert found["D6"] < ssim(class_mean_prior(IMAGES[:ROWS], LABELS[:ROWS]), IMAGES[:ROWS]).mean()


def test_of_several_starts_the_end_with_the_smallest_loss_counts() -> None:
    one, three = (OptimizationInversion("decider", 5, restarts, 0.02, (0.01,)) for restarts in (1, 3))
    body = nn.Sequential(nn.Identity())
    decider = freeze(nn.Sequential(body, nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())))

    def error(attack: OptimizationInversion) -> Tensor:
        found = answer(attack, "D0", decider=decider, reconstructor=Gray())
        return (Fold()(found) - FEATURES[:ROWS]).abs().flatten(1).sum(1)

    alone, best = error(one), error(three)
    assert (best <= alone * 1.02).all()
    assert best.mean() < 0.95 * alone.mean()  # R of nothing is a worse start than the mean image


ALL: tuple[type[Attack], ...] = (
    AdversarialAlignment, AttributeInference, DistributionMatching, LeakedPairs, Matching, MembershipInference,
    OptimizationInversion, ShadowModules, SimulatedClient, ThroughDecider,
)  # fmt: skip


@pytest.mark.parametrize("attack", ALL, ids=lambda attack: attack.kind)
def test_what_an_attack_does_not_ask_for_it_cannot_reach(attack: type[Attack]) -> None:
    options = attack.Options(kind=attack.kind)
    made = attack.from_options(options)
    known = known_to(made, FEATURES, **{name: object() for name in made.asks_for})
    for name in ("victim_module", "victim_weights", "own_data", "own_module", "candidates", "pairs", "victim_defense"):
        if name in made.asks_for:
            assert getattr(known, name) is not None
        else:
            with pytest.raises(EntityError, match=f"uses {name}, which it does not ask for"):
                getattr(known, name)
    assert not any("images" in name or "truth" in name for name in vars(known))
    assert (options.hand_out is not None) == bool({"pairs", "candidates"} & made.asks_for)


def test_adversaries_are_told_apart_by_what_they_have() -> None:
    assert classify_adversary(frozenset({"featurizer", "candidates"})) == "outsider"
    assert classify_adversary(frozenset({"own_data"})) == "collaborator"
    assert classify_adversary(frozenset({"own_data", "pairs"})) == "insider"
    assert classify_adversary(frozenset({"victim_weights", "pairs"})) == "module leaked"
