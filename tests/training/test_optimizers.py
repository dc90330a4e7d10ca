"""Muon: against torch's own, against singular values, and what it leaves to AdamW."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from collab.training.optimizers import REST_RATE, Muon, optimizers_of, orthogonalize

SHAPES = [(6, 6), (4, 9), (9, 4), (1, 5), (5, 1)]


def gradients(shape: tuple[int, ...], count: int = 4) -> list[Tensor]:
    generator = torch.Generator().manual_seed(3)
    return [torch.randn(shape, generator=generator) for _ in range(count)]


def walk(optimizer: torch.optim.Optimizer, weight: nn.Parameter, along: list[Tensor]) -> list[Tensor]:
    """The weight before the first step and after each."""
    path = [weight.detach().clone()]
    for gradient in along:
        weight.grad = gradient.clone()
        optimizer.step()
        path.append(weight.detach().clone())
    return path


@pytest.mark.parametrize("shape", SHAPES)
def test_a_matrix_moves_as_by_torchs_muon(shape: tuple[int, int]) -> None:
    """Theirs runs Newton-Schulz in bf16, so that values of a step of about .3 agree to a percent or so."""
    start, along = torch.randn(shape, generator=torch.Generator().manual_seed(1)), gradients(shape)
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    found = walk(Muon([ours], 0.3, 0.1), ours, along)
    expected = walk(torch.optim.Muon([theirs], lr=0.3, weight_decay=0.1, momentum=0.95, nesterov=True), theirs, along)
    assert (found[-1] - found[0]).abs().max() > 0.3
    for mine, other in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=0.02)


@pytest.mark.parametrize("shape", SHAPES)
def test_newton_schulz_is_a_polynomial_of_singular_values(shape: tuple[int, int]) -> None:
    """Written again in float64 by the singular value decomposition, in which each step is a·s + b·s³ + c·s⁵."""
    matrix = gradients(shape, 1)[0].double()
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    values = values / values.norm()
    for _ in range(5):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    torch.testing.assert_close(orthogonalize(matrix[None])[0], left @ values.diag() @ right)
    assert values.min() > 0.3


def test_matrices_of_one_shape_do_not_meet() -> None:
    several = torch.stack(gradients((4, 9), 3))
    for together, matrix in zip(orthogonalize(several), several, strict=True):
        torch.testing.assert_close(together, orthogonalize(matrix[None])[0])


def test_zero_stays_zero() -> None:
    assert not orthogonalize(torch.zeros(1, 4, 9)).any()


def test_a_filter_moves_as_the_matrix_of_its_outputs() -> None:
    along = gradients((4, 3, 3, 3))
    filters, matrix = nn.Parameter(torch.zeros(4, 3, 3, 3)), nn.Parameter(torch.zeros(4, 27))
    walk(Muon([filters], 0.1, 0.0), filters, along)
    walk(Muon([matrix], 0.1, 0.0), matrix, [gradient.flatten(1) for gradient in along])
    torch.testing.assert_close(filters.flatten(1), matrix)
    assert filters.abs().max() > 0.01


def test_the_size_of_a_gradient_does_not_count_and_its_sign_does() -> None:
    along = gradients((4, 9))
    paths = []
    for factor in (1.0, 1000.0, -1.0):
        weight = nn.Parameter(torch.zeros(4, 9))
        paths.append(walk(Muon([weight], 0.1, 0.0), weight, [factor * gradient for gradient in along])[-1])
    torch.testing.assert_close(paths[0], paths[1])
    torch.testing.assert_close(paths[0], -paths[2])


def test_weight_decay_shrinks_by_the_rate() -> None:
    weight = nn.Parameter(torch.ones(4, 9))
    path = walk(Muon([weight], 0.1, 0.5), weight, [torch.zeros(4, 9)] * 3)
    for before, after in pairwise(path):
        torch.testing.assert_close(after, before * (1 - 0.1 * 0.5))


def test_filters_and_matrices_are_muons_and_the_rest_is_adamws() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))
    muon, adamw = optimizers_of("muon", list(network.parameters()), rate=0.1, weight_decay=0.05)
    assert isinstance(muon, Muon)
    assert isinstance(adamw, torch.optim.AdamW)
    assert {id(weight) for weight in muon.param_groups[0]["params"]} == {id(network[0].weight), id(network[3].weight)}
    assert len(adamw.param_groups[0]["params"]) == 4
    assert (muon.defaults["lr"], adamw.defaults["lr"]) == (0.1, REST_RATE * 0.1)


def test_a_network_of_one_sort_has_one_optimizer() -> None:
    (only,) = optimizers_of("muon", list(nn.Linear(3, 2, bias=False).parameters()), rate=0.1, weight_decay=0.0)
    assert isinstance(only, Muon)
    (only,) = optimizers_of("muon", list(nn.BatchNorm2d(3).parameters()), rate=0.1, weight_decay=0.0)
    assert isinstance(only, torch.optim.AdamW)
