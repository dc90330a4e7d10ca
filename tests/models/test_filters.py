"""Filters against their definition, noise against its moments and its promise about rows."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from collab.models.filters import Filter, Levels, Noise, Pool, gaussian_kernel, mean_kernel, spread_over
from collab.models.freeze import freeze

KERNELS = {
    "mean 1": mean_kernel(1),
    "mean 3": mean_kernel(3),
    "mean 7": mean_kernel(7),
    "gaussian 3": gaussian_kernel(3, 0.8),
    "gaussian 5": gaussian_kernel(5, 1.5),
}


def noise(sigma: float = 0.5, channels: int = 4, key: int = 7) -> Noise:
    module = Noise(channels, sigma)
    module.fit(torch.ones(channels, 1, 1), key)
    return freeze(module)


def rows(count: int = 6, channels: int = 4, side: int = 8) -> torch.Tensor:
    return torch.randn(count, channels, side, side, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
@pytest.mark.parametrize("value", [0.0, 2.5])
def test_a_constant_stays_what_it_is_up_to_the_border(kernel: torch.Tensor, value: float) -> None:
    features = torch.full((2, 3, 5, 6), value)
    torch.testing.assert_close(Filter(kernel)(features), features)


def test_the_answer_to_an_impulse_is_the_filter() -> None:
    impulse = torch.zeros(1, 2, 9, 9)
    impulse[0, 1, 4, 4] = 1
    answer = Filter(mean_kernel(3))(impulse)
    expected = torch.zeros(9, 9)
    expected[3:6, 3:6] = 1 / 9
    torch.testing.assert_close(answer[0, 1], expected)
    assert not answer[0, 0].any()  # no channel sees another
    answer = Filter(gaussian_kernel(5, 1.2))(impulse)[0, 1]
    table = torch.tensor([[math.exp(-(i**2 + j**2) / (2 * 1.2**2)) for j in range(-2, 3)] for i in range(-2, 3)])
    torch.testing.assert_close(answer[2:7, 2:7], table / table.sum())
    assert answer.sum() == pytest.approx(1)


def test_a_wide_gaussian_filter_is_the_mean_filter_and_a_narrow_one_changes_nothing() -> None:
    torch.testing.assert_close(gaussian_kernel(5, 1e4), mean_kernel(5))
    torch.testing.assert_close(Filter(gaussian_kernel(5, 0.05))(rows()), rows())


@given(kernel=st.sampled_from(list(KERNELS.values())), scale=st.floats(-3, 3))
def test_a_filter_is_linear_and_invents_no_extremes(kernel: torch.Tensor, scale: float) -> None:
    module, one, other = Filter(kernel), rows(2), rows(2).flip(0)
    torch.testing.assert_close(module(one + scale * other), module(one) + scale * module(other), atol=1e-5, rtol=1e-4)
    assert one.min() - 1e-6 <= module(one).min() <= module(one).max() <= one.max() + 1e-6


def test_a_filter_is_that_of_a_slow_loop() -> None:
    features, kernel = rows(1, 2, 5), gaussian_kernel(3, 1.0)
    expected = torch.zeros_like(features)
    for y in range(5):
        for x in range(5):
            for i in range(-1, 2):
                for j in range(-1, 2):
                    at = features[:, :, min(max(y + i, 0), 4), min(max(x + j, 0), 4)]
                    expected[:, :, y, x] += kernel[i + 1] * kernel[j + 1] * at
    torch.testing.assert_close(Filter(kernel)(features), expected)


def test_a_filter_may_be_wider_than_the_map_and_lets_gradients_through() -> None:
    features = rows(1, 2, 3).requires_grad_(True)
    Filter(mean_kernel(9))(features).sum().backward()
    assert features.grad is not None
    assert features.grad.sum() == pytest.approx(features.numel())  # weights add up to 1
    assert not dict(Filter(mean_kernel(9)).state_dict())


@pytest.mark.parametrize("is_training", [True, False])
def test_noise_has_mean_zero_and_the_spread_that_was_asked_for(is_training: bool) -> None:
    spread = torch.tensor([0.0, 1.0, 4.0]).view(3, 1, 1)
    module = Noise(3, 0.5)
    module.fit(spread, 7)
    torch.manual_seed(0)
    features = rows(400, 3)
    drawn = module.train(is_training)(features) - features
    torch.testing.assert_close(drawn.std(dim=(0, 2, 3)), 0.5 * spread.flatten(), rtol=0.02, atol=1e-6)
    torch.testing.assert_close(drawn.mean(dim=(0, 2, 3)), torch.zeros(3), rtol=0, atol=0.05)
    standard = drawn[:, 1:] / (0.5 * spread[1:])
    assert float((standard.abs() < 1).double().mean()) == pytest.approx(0.6827, abs=0.01)


def test_no_sigma_no_noise() -> None:
    assert torch.equal(noise(0.0)(rows()), rows())


def test_the_noise_of_a_row_is_its_own_in_any_batch_order_and_layout_and_however_often() -> None:
    module, features = noise(), rows()
    first = module(features)
    module(rows(3))
    assert torch.equal(module(features), first)
    assert torch.equal(module(features.flip(0)), first.flip(0))
    assert torch.equal(torch.cat([module(row[None]) for row in features]), first)
    assert torch.equal(module(features.contiguous(memory_format=torch.channels_last)), first)


def test_no_two_rows_share_noise_though_batches_begin_alike() -> None:
    drawn = (noise()(rows()) - rows()).flatten(1)
    alike = torch.corrcoef(drawn) - torch.eye(len(drawn))
    assert alike.abs().max() < 0.3  # 256 values: a standard error of .06
    changed = rows()[:1].clone()
    changed[0, 0, 0, 0] += 1e-3
    other = (noise()(changed) - changed).flatten()
    assert abs(float(torch.corrcoef(torch.stack([other, drawn[0]]))[0, 1])) < 0.3


def test_another_key_is_other_noise() -> None:
    assert not torch.allclose(noise(key=8)(rows()), noise()(rows()))


def test_what_the_noise_is_keyed_by_may_be_given() -> None:
    features = rows()
    drawn = noise()(features, rows() + 1) - features
    torch.testing.assert_close(drawn, noise()(features + 1) - (features + 1), atol=1e-5, rtol=1e-5)


def test_what_is_trained_through_noise_sees_it_drawn_anew_and_from_the_global_generator() -> None:
    module = noise().train()
    torch.manual_seed(4)
    first = module(rows())
    assert not torch.equal(module(rows()), first)
    torch.manual_seed(4)
    assert torch.equal(module(rows()), first)


def test_noise_that_is_not_fitted_yet_goes_by_the_batch_and_refuses_nothing() -> None:
    features = 3 * rows(64)
    torch.manual_seed(0)
    drawn = Noise(4, 2.0)(features) - features
    torch.testing.assert_close(drawn.std(), 2 * features.std(), rtol=0.03, atol=0)


def test_key_and_spread_are_kept_with_the_module() -> None:
    fresh = Noise(4, 0.5)
    fresh.load_state_dict(noise(key=2**62 + 1).state_dict())
    assert torch.equal(freeze(fresh)(rows()), noise(key=2**62 + 1)(rows()))
    assert isinstance(fresh, nn.Module)


def test_pooling_is_the_mean_of_each_square_in_all_of_its_places() -> None:
    features = rows(2, 3, 5)
    pooled = Pool(2)(features)
    assert pooled.shape == features.shape
    torch.testing.assert_close(pooled[1, 2, 2:4, 0:2], features[1, 2, 2:4, 0:2].mean().expand(2, 2))
    torch.testing.assert_close(pooled[0, 1, 4, 4], features[0, 1, 4, 4])  # the far corner is a square of its own
    torch.testing.assert_close(Pool(2)(pooled), pooled)
    torch.testing.assert_close(Pool(64)(features), features.mean((2, 3), keepdim=True).expand_as(features))


@pytest.mark.parametrize("bits", [1, 2, 3])
@pytest.mark.parametrize("rectified", [True, False])
def test_quantized_channels_have_so_many_levels_four_deviations_wide(bits: int, rectified: bool) -> None:
    features = rows(40, 2) * torch.tensor([1.0, 10.0]).view(-1, 1, 1)
    features = features.relu() if rectified else features
    module = Levels(2, bits, rectified=rectified)
    module.spread.copy_(spread_over([features[:7], features[7:]]))
    rounded = module(features)
    for channel in range(2):
        levels = rounded[:, channel].unique()
        assert len(levels) == 2**bits
        width = 4 * float(features[:, channel].std(correction=0))
        assert float(levels[-1] - levels[0]) == pytest.approx(width, rel=1e-5)
        assert float(levels[0]) == pytest.approx(0 if rectified else -width / 2, rel=1e-5)
    inside = (features - rounded).abs() <= 4 * module.spread / (2**bits - 1) / 2 * (1 + 1e-5)
    assert inside.double().mean() > 0.9  # all but those beyond the last levels go to the nearest


def test_gradients_pass_levels_as_if_nothing_were_rounded() -> None:
    features = rows().requires_grad_(True)
    (Levels(4, 1, rectified=False)(features) * 3).sum().backward()
    torch.testing.assert_close(features.grad, torch.full_like(features, 3))
