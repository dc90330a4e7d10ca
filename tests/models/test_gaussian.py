"""Draws against the moments that they are drawn from, classes against labels and against densities."""

import math

import pytest
import torch
from torch import Tensor, nn

from collab.defenses.gaussian import ClassGaussian
from collab.models.filters import keyed_numbers
from collab.models.freeze import freeze

CLASSES, SHAPE, KEY = 3, (2, 3, 4), 11
VALUES = math.prod(SHAPE)


def model() -> tuple[Tensor, Tensor, Tensor]:
    """Means [3, 24], two directions [2, 24], and the deviation of what is left [24], of a known population."""
    generator = torch.Generator().manual_seed(0)
    means = 5 + torch.randn(CLASSES, VALUES, generator=generator)
    directions = torch.linalg.qr(torch.randn(VALUES, 2, generator=generator))[0].T * torch.tensor([[3.0], [2.0]])
    return means, directions, 0.1 + 0.2 * torch.rand(VALUES, generator=generator)


def population(count: int, seed: int = 1) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    means, directions, rest = model()
    labels = torch.arange(count) % CLASSES
    drawn = means[labels] + torch.randn(count, 2, generator=generator) @ directions
    return (drawn + rest * torch.randn(count, VALUES, generator=generator)).reshape(-1, *SHAPE), labels


def fitted(
    features: Tensor, labels: Tensor, rank: int = 2, *, rectified: bool = False, key: int = KEY
) -> ClassGaussian:
    module = ClassGaussian(rank, rectified=rectified)

    def rows() -> list[tuple[Tensor, Tensor]]:
        return list(zip(features.split(50), labels.split(50), strict=True))

    module.fit(key, rows, rows, torch.Generator().manual_seed(5))
    return freeze(module)


FEATURES, LABELS = population(3000)


def test_what_is_measured_are_means_and_covariance_of_the_rows() -> None:
    module = fitted(FEATURES, LABELS)
    flat = FEATURES.flatten(1).double()
    means = torch.stack([flat[label == LABELS].mean(0) for label in range(CLASSES)])
    torch.testing.assert_close(module.means.flatten(1).double(), means, rtol=1e-5, atol=1e-5)
    within = flat - means[LABELS]
    _, singular, axes = torch.linalg.svd(within, full_matrices=False)
    best = (axes[:2].T * singular[:2].square()) @ axes[:2] / len(flat)
    found = module.directions.flatten(1).double()
    torch.testing.assert_close(found.T @ found, best, rtol=1e-3, atol=1e-4)
    left = (within - within @ axes[:2].T @ axes[:2]).square().mean(0).sqrt()
    torch.testing.assert_close(module.rest.flatten().double(), left, rtol=1e-3, atol=1e-4)


def test_draws_have_the_moments_of_their_class_and_nothing_of_their_row() -> None:
    drawn = fitted(FEATURES, LABELS)(FEATURES).flatten(1)
    means, directions, rest = model()
    covariance = directions.T @ directions + torch.diag(rest.square())
    for label in range(CLASSES):
        of_class = drawn[label == LABELS]
        assert (of_class.mean(0) - means[label]).abs().max() < 5 * covariance.diagonal().max().sqrt() / 1000**0.5
        assert (torch.cov(of_class.T) - covariance).norm() < 0.12 * covariance.norm()
    own = (FEATURES.flatten(1) - means[LABELS]) @ torch.linalg.pinv(directions)
    theirs = (drawn - means[LABELS]) @ torch.linalg.pinv(directions)
    assert torch.corrcoef(torch.cat([own, theirs], 1).T)[:2, 2:].abs().max() < 4 / 3000**0.5


def test_own_rows_have_the_class_of_their_label_and_others_the_likeliest() -> None:
    wrong = (LABELS + 1) % CLASSES  # labels that no density would give
    module = fitted(FEATURES, wrong)
    numbers = keyed_numbers(FEATURES, KEY)
    assert torch.equal(module.classes_of(numbers, FEATURES), wrong)
    module = fitted(FEATURES, LABELS)
    fresh, labels = population(300, seed=2)
    found = module.classes_of(keyed_numbers(fresh, KEY), fresh)
    means, directions, rest = model()
    density = torch.distributions.LowRankMultivariateNormal
    scores = [density(mean, directions.T, rest.square()).log_prob(fresh.flatten(1)) for mean in means]
    expected = torch.stack(scores).argmax(0)
    assert (found == expected).float().mean() > 0.98
    assert (found == labels).float().mean() > 0.9


def test_a_row_has_its_draw_in_any_batch_and_other_keys_draw_otherwise() -> None:
    module, order = fitted(FEATURES, LABELS), torch.randperm(3000, generator=torch.Generator().manual_seed(1))[:7]
    whole = module(FEATURES)
    torch.testing.assert_close(module(FEATURES[order]), whole[order])
    torch.testing.assert_close(module(FEATURES[order] + 1, FEATURES[order]), whole[order])  # goes by what came in
    assert not torch.isclose(fitted(FEATURES, LABELS, key=12)(FEATURES), whole).any(1).all()
    assert len(torch.unique(whole, dim=0)) == 3000


def test_bf16_around_it_changes_nothing() -> None:
    module, (fresh, _) = fitted(FEATURES, LABELS), population(20, seed=4)
    with torch.autocast("cpu", torch.bfloat16):
        inside = module(fresh)
    assert torch.equal(inside, module(fresh))
    assert module(fresh.bfloat16(), fresh).dtype == torch.float32


def test_it_is_read_back_in_the_shapes_that_were_fitted() -> None:
    module = fitted(FEATURES, LABELS)
    again = nn.Sequential(nn.Identity(), ClassGaussian(2, rectified=False))
    again.load_state_dict(nn.Sequential(nn.Identity(), module).state_dict())
    assert torch.equal(again(FEATURES[:5]), module(FEATURES[:5]))
    with pytest.raises(RuntimeError, match="Missing key"):
        again.load_state_dict({})


def test_no_value_below_0_behind_a_relu_and_classes_without_rows_are_like_all() -> None:
    module = fitted(FEATURES - 5, 2 * LABELS, rectified=True)
    assert (module(FEATURES - 5) >= 0).all()
    torch.testing.assert_close(module.means[1], (FEATURES - 5).mean(0), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("count", [4, 40])
def test_more_directions_than_rows_or_values_are_as_many_as_there_are(count: int) -> None:
    module = fitted(FEATURES[:count], LABELS[:count], rank=100)
    assert len(module.directions) == min(count - CLASSES, VALUES)
    assert module(FEATURES[:count]).isfinite().all()
    total = module.directions.square().sum(0) + module.rest.square()
    within = FEATURES[:count] - module.means[LABELS[:count]]
    torch.testing.assert_close(total, within.square().mean(0), rtol=1e-3, atol=1e-5)
