"""The conditional flow: a density that integrates to one, its inverse, and what it learns of which condition."""

import math

import torch

from collab.models.flow import ConditionalFlow


def shaken(size: int, condition: int, layers: int = 4) -> ConditionalFlow:
    """A flow with weights that do something, which those at first do not."""
    torch.manual_seed(0)
    flow = ConditionalFlow(size, condition, layers=layers, width=16).requires_grad_(False)
    with torch.no_grad():
        for value in flow.parameters():
            value.add_(0.2 * torch.randn_like(value))
    return flow


def test_untrained_it_is_the_standard_normal_density() -> None:
    values = torch.randn(5, 3)
    expected = torch.distributions.Normal(0, 1).log_prob(values).sum(1)
    torch.testing.assert_close(ConditionalFlow(3, 2)(values, torch.randn(5, 2)), expected)


def test_it_integrates_to_one_over_a_grid() -> None:
    axis = torch.linspace(-12, 12, 241)
    grid = torch.cartesian_prod(axis, axis)
    density = shaken(2, 1)(grid, torch.full((len(grid), 1), 0.5)).exp()
    assert math.isclose(float(density.sum()) * float(axis[1] - axis[0]) ** 2, 1, abs_tol=0.01)
    assert not torch.allclose(density, ConditionalFlow(2, 1)(grid, torch.zeros(len(grid), 1)).exp(), atol=0.01)


def test_the_log_determinant_is_that_of_the_jacobian() -> None:
    flow = shaken(4, 2)
    values, condition = torch.randn(1, 4), torch.randn(1, 2)
    jacobian = torch.autograd.functional.jacobian(lambda x: flow.encode(x, condition)[0], values)[0, :, 0]
    torch.testing.assert_close(flow.encode(values, condition)[1][0], torch.linalg.slogdet(jacobian)[1])


def test_decode_undoes_encode() -> None:
    flow = shaken(5, 2)
    values, condition = torch.randn(7, 5), torch.randn(7, 2)
    u, _ = flow.encode(values, condition)
    assert (u - values).abs().max() > 0.1  # or nothing is undone
    torch.testing.assert_close(flow.decode(u, condition), values, rtol=1e-4, atol=1e-4)


def test_without_layers_it_learns_mean_and_deviation_of_each_condition() -> None:
    torch.manual_seed(0)
    flow, generator = ConditionalFlow(2, 2, layers=0), torch.Generator().manual_seed(1)
    means, spread = torch.tensor([[2.0, 0.0], [-1.0, 3.0]]), torch.tensor([[1.0, 0.5], [0.3, 2.0]])
    told = torch.arange(2000) % 2
    values = means[told] + spread[told] * torch.randn(2000, 2, generator=generator)
    optimizer = torch.optim.Adam(flow.parameters(), 0.05)
    for _ in range(300):
        optimizer.zero_grad()
        (-flow(values, torch.eye(2)[told]).mean()).backward()
        optimizer.step()
    learned = flow.requires_grad_(False).decode(torch.zeros(2, 2), torch.eye(2))
    torch.testing.assert_close(learned, means, rtol=0, atol=0.1)
    deviation = flow.decode(torch.ones(2, 2), torch.eye(2)) - learned
    torch.testing.assert_close(deviation, spread, rtol=0.1, atol=0)


def test_couplings_learn_what_no_normal_density_holds() -> None:
    """A ring: its density has a hole in the middle."""
    torch.manual_seed(0)
    angle, generator = torch.linspace(0, 2 * math.pi, 1000), torch.Generator().manual_seed(1)
    ring = 2 * torch.stack([angle.cos(), angle.sin()], 1)
    flow, nothing = ConditionalFlow(2, 1, layers=6, width=32), torch.zeros(1000, 1)
    optimizer = torch.optim.Adam(flow.parameters(), 5e-3)
    for _ in range(300):
        optimizer.zero_grad()
        (-flow(ring + 0.1 * torch.randn(ring.shape, generator=generator), nothing).mean()).backward()
        optimizer.step()
    assert flow(ring, nothing).mean() > flow(torch.zeros(1, 2), nothing[:1]) + 2
