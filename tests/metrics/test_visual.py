import math
from collections.abc import Callable

import numpy as np
import pytest
import pytorch_msssim
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage.metrics import structural_similarity
from torch import Tensor

from collab.errors import ScenarioError
from collab.metrics.visual import (
    MS_SSIM_WEIGHTS,
    _band,
    _Terms,
    abs_ssim_map,
    l1,
    ms_ssim,
    ms_ssim_levels,
    psnr,
    ssim,
    ssim_map,
    ssim_max,
    ssim_window,
)

METRICS = (l1, psnr, ssim, ssim_max, abs_ssim_map, ms_ssim)
WINDOWS = {8: (5, 0.75), 15: (5, 0.75), 16: (7, 1.0), 31: (7, 1.0), 32: (11, 1.5), 40: (11, 1.5)}


def pair(side: int, noise: float = 0.2, batch: int = 3) -> tuple[Tensor, Tensor]:
    """Smooth images, and the same with noise."""
    generator = torch.Generator().manual_seed(side)
    coarse = torch.rand(batch, 3, 4, 4, generator=generator)
    images = torch.nn.functional.interpolate(coarse, (side, side), mode="bilinear")
    return (images + noise * torch.randn(images.shape, generator=generator)).clamp(0, 1), images


def direct_map(rebuilt: Tensor, images: Tensor, size: int, sigma: float) -> np.ndarray:
    """Local SSIM as it is defined, in float64: weighted mean, variance, covariance in every window."""
    offsets = np.arange(size) - size // 2
    bell = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * sigma**2))
    weights = bell / bell.sum()
    x, y = (
        np.lib.stride_tricks.sliding_window_view(z.double().numpy(), weights.shape, (-2, -1)) for z in (rebuilt, images)
    )
    mean_x, mean_y = ((z * weights).sum((-2, -1), keepdims=True) for z in (x, y))
    covariance = ((x - mean_x) * (y - mean_y) * weights).sum((-2, -1))
    variances = (((x - mean_x) ** 2 + (y - mean_y) ** 2) * weights).sum((-2, -1))
    mean_x, mean_y = mean_x[..., 0, 0], mean_y[..., 0, 0]
    luminance = (2 * mean_x * mean_y + 1e-4) / (mean_x**2 + mean_y**2 + 1e-4)
    return luminance * (2 * covariance + 9e-4) / (variances + 9e-4)


def scikit_map(rebuilt: Tensor, images: Tensor) -> np.ndarray:
    """scikit-image's local SSIM of one pair where its window, always 11 wide at sigma 1.5, lies inside the image."""
    _, found = structural_similarity(
        rebuilt.double().numpy(),
        images.double().numpy(),
        channel_axis=0,
        data_range=1.0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    return found[:, 5:-5, 5:-5]


@pytest.mark.parametrize(("side", "window"), WINDOWS.items())
def test_ssim_agrees_with_its_definition(side: int, window: tuple[int, float]) -> None:
    rebuilt, images = pair(side)
    rebuilt[1] = 1 - images[1]
    expected = direct_map(rebuilt, images, *window)
    assert expected.min() < -0.3
    np.testing.assert_allclose(ssim(rebuilt, images).numpy(), expected.mean((1, 2, 3)), atol=1e-5)
    np.testing.assert_allclose(abs_ssim_map(rebuilt, images).numpy(), np.abs(expected).mean((1, 2, 3)), atol=1e-5)
    np.testing.assert_allclose(ssim_map(rebuilt, images).numpy(), expected, atol=1e-3)


@pytest.mark.parametrize("side", [32, 40])
def test_ssim_agrees_with_scikit_image(side: int) -> None:
    rebuilt, images = pair(side)
    rebuilt[1] = 1 - images[1]
    maps = np.stack([scikit_map(a, b) for a, b in zip(rebuilt, images, strict=True)])
    np.testing.assert_allclose(ssim(rebuilt, images).numpy(), maps.mean((1, 2, 3)), atol=1e-4)
    np.testing.assert_allclose(abs_ssim_map(rebuilt, images).numpy(), np.abs(maps).mean((1, 2, 3)), atol=1e-4)


@pytest.mark.parametrize(("side", "window"), WINDOWS.items())
def test_ssim_and_its_gradient_are_those_of_pytorch_msssim(side: int, window: tuple[int, float]) -> None:
    size, sigma = window
    found = [part.requires_grad_() for part in pair(side)]
    expected = [part.detach().clone().requires_grad_() for part in found]
    ours = ssim(*found)
    theirs = pytorch_msssim.ssim(*expected, data_range=1.0, size_average=False, win_size=size, win_sigma=sigma)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)
    for weight, value in ((torch.tensor([1.0, -2.0, 0.5]), ours), (torch.tensor([1.0, -2.0, 0.5]), theirs)):
        (weight * value).sum().backward()
    for mine, other in zip(found, expected, strict=True):
        assert mine.grad is not None
        assert other.grad is not None
        assert (mine.grad - other.grad).norm() < 1e-5 * other.grad.norm()


@pytest.mark.parametrize("side", [(9, 9), (12, 17)])
def test_both_terms_have_the_gradient_of_finite_differences(side: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(1)
    x, y = (torch.rand(2, 3, *side, generator=generator, dtype=torch.float64).requires_grad_() for _ in range(2))
    down, along = (_band(length, 5, 0.75, torch.device("cpu")).double() for length in side)
    assert torch.autograd.gradcheck(lambda x, y: _Terms.apply(x, y, down, along), (x, y))


@pytest.mark.parametrize("side", WINDOWS)
def test_the_map_averages_to_ssim(side: int) -> None:
    rebuilt, images = pair(side)
    torch.testing.assert_close(ssim_map(rebuilt, images).mean((1, 2, 3)), ssim(rebuilt, images), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("side", "window"), WINDOWS.items())
def test_window_follows_the_shorter_side(side: int, window: tuple[int, float]) -> None:
    assert ssim_window(side) == window
    rebuilt, images = (torch.nn.functional.pad(part, (0, 30)) for part in pair(side))
    expected = direct_map(rebuilt, images, *window).mean((1, 2, 3))
    np.testing.assert_allclose(ssim(rebuilt, images).numpy(), expected, atol=1e-5)


def test_no_window_fits_four_pixels() -> None:
    assert ssim(torch.rand(1, 3, 5, 5), torch.rand(1, 3, 5, 5)).shape == (1,)
    with pytest.raises(ScenarioError, match="4 pixels"):
        ssim(torch.rand(1, 3, 4, 9), torch.rand(1, 3, 4, 9))


@given(side=st.integers(2, 9), shift=st.floats(0.01, 0.5))
def test_a_constant_shift_has_closed_forms(side: int, shift: float) -> None:
    images = torch.full((2, 3, side, side), 0.25)
    torch.testing.assert_close(
        psnr(images + shift, images), torch.full((2,), -20 * math.log10(shift)), rtol=1e-4, atol=1e-4
    )
    torch.testing.assert_close(l1(images + shift, images), torch.full((2,), shift))


@given(a=st.floats(0, 1), b=st.floats(0, 1))
def test_ssim_of_two_flat_images_has_a_closed_form(a: float, b: float) -> None:
    flat = torch.full((1, 3, 16, 16), a), torch.full((1, 3, 16, 16), b)
    expected = (2 * a * b + 1e-4) / (a * a + b * b + 1e-4)
    for metric in (ssim, abs_ssim_map):
        assert metric(*flat).item() == pytest.approx(
            expected, abs=2e-3
        )  # the variance of a flat image is 0 up to rounding


def test_equal_images_score_best() -> None:
    _, images = pair(32)
    assert torch.equal(l1(images, images), torch.zeros(3))
    assert torch.equal(psnr(images, images), torch.full((3,), 100.0))
    for metric in (ssim, ssim_max, abs_ssim_map, ms_ssim):
        torch.testing.assert_close(metric(images, images), torch.ones(3))


def test_psnr_is_capped_and_not_before() -> None:
    images = torch.zeros(1, 3, 4, 4)
    assert psnr(images + 10 ** (-99 / 20), images).item() == pytest.approx(99, abs=1e-3)
    assert psnr(images + 10 ** (-101 / 20), images).item() == 100


def test_a_negative_hides_from_ssim_but_not_from_ssim_max() -> None:
    _, images = pair(32)
    assert (ssim(1 - images, images) < 0).all()
    torch.testing.assert_close(ssim_max(1 - images, images), torch.ones(3))
    assert (abs_ssim_map(1 - images, images) > ssim(1 - images, images).abs()).all()


def test_patches_of_opposite_sign_cancel_in_ssim_only() -> None:
    _, images = pair(32)
    half = images.clone()
    half[..., 16:] = 1 - half[..., 16:]
    assert (abs_ssim_map(half, images) > ssim(half, images).abs() + 0.1).all()


@pytest.mark.parametrize("metric", METRICS)
def test_each_image_is_scored_by_itself(metric: Callable[[Tensor, Tensor], Tensor]) -> None:
    rebuilt, images = pair(32)
    values = metric(rebuilt, images)
    assert values.shape == (3,)
    assert values.dtype == torch.float32
    alone = torch.cat([metric(a[None], b[None]) for a, b in zip(rebuilt, images, strict=True)])
    torch.testing.assert_close(values, alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("metric", METRICS)
def test_mixed_precision_changes_nothing(metric: Callable[[Tensor, Tensor], Tensor]) -> None:
    rebuilt, images = pair(32, noise=0.02)
    plain = metric(rebuilt, images)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(metric(rebuilt, images), plain)
        rounded = metric(rebuilt.bfloat16(), images)  # as a network hands it out
    assert torch.equal(rounded, metric(rebuilt.bfloat16().float(), images))


@pytest.mark.parametrize("metric", [ssim, abs_ssim_map, ms_ssim, l1])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_gradients_point_uphill(metric: Callable[[Tensor, Tensor], Tensor], layout: torch.memory_format) -> None:
    rebuilt, images = (part[:1].contiguous(memory_format=layout) for part in pair(16))
    rebuilt.requires_grad_()
    metric(rebuilt, images).sum().backward()
    assert rebuilt.grad is not None
    slope = rebuilt.grad.square().sum().item()
    step = 1e-3 * rebuilt.grad / slope
    with torch.no_grad():
        gained = (metric(rebuilt + step, images) - metric(rebuilt - step, images)).item() / 2
    assert gained == pytest.approx(1e-3, rel=0.05)


def test_ssim_agrees_between_layouts() -> None:
    rebuilt, images = pair(32)
    last = (part.contiguous(memory_format=torch.channels_last) for part in (rebuilt, images))
    torch.testing.assert_close(ssim(*last), ssim(rebuilt, images))


def direct_ms_ssim(rebuilt: Tensor, images: Tensor, levels: int, size: int, sigma: float) -> np.ndarray:
    """MS-SSIM as it is defined, in float64, of sides that halve evenly."""
    x, y = rebuilt.double().numpy(), images.double().numpy()
    value = np.ones(x.shape[:2])
    for level in range(levels):
        product = direct_map(torch.from_numpy(x), torch.from_numpy(y), size, sigma)
        if level < levels - 1:
            flat = direct_luminance(x, y, size, sigma)
            product = product / flat
        weight = MS_SSIM_WEIGHTS[level] / sum(MS_SSIM_WEIGHTS[:levels])
        value = value * np.maximum(product.mean((2, 3)), 0) ** weight
        x, y = (
            (z[..., ::2, ::2] + z[..., 1::2, ::2] + z[..., ::2, 1::2] + z[..., 1::2, 1::2]) / 4
            if level < levels - 1
            else z
            for z in (x, y)
        )
    return value.mean(1)


def direct_luminance(x: np.ndarray, y: np.ndarray, size: int, sigma: float) -> np.ndarray:
    bell = np.exp(-((np.arange(size) - size // 2) ** 2) / (2 * sigma**2))
    weights = np.outer(bell, bell) / bell.sum() ** 2
    a, b = (
        (np.lib.stride_tricks.sliding_window_view(z, weights.shape, (-2, -1)) * weights).sum((-2, -1)) for z in (x, y)
    )
    return (2 * a * b + 1e-4) / (a * a + b * b + 1e-4)


@pytest.mark.parametrize("side", [161, 167, 176])
def test_ms_ssim_agrees_with_the_library_where_that_runs(side: int) -> None:
    rebuilt, images = pair(side, batch=2)
    rebuilt[1] = images[1].roll(3, -1)
    expected = pytorch_msssim.ms_ssim(rebuilt, images, data_range=1.0, size_average=False)
    assert ms_ssim_levels(side) == (5, 11, 1.5)
    assert 0.05 < expected.min() < expected.max() < 0.99
    torch.testing.assert_close(ms_ssim(rebuilt, images), expected, rtol=0, atol=1e-5)  # its window sums to 1 - 3e-8


@pytest.mark.parametrize(
    ("side", "levels"),
    [(16, (2, 7, 1.0)), (32, (3, 7, 1.0)), (48, (3, 11, 1.5)), (64, (3, 11, 1.5)), (88, (4, 11, 1.5))],
)
def test_ms_ssim_of_fewer_levels_agrees_with_its_definition(side: int, levels: tuple[int, int, float]) -> None:
    rebuilt, images = pair(side)
    assert ms_ssim_levels(side) == levels
    np.testing.assert_allclose(ms_ssim(rebuilt, images).numpy(), direct_ms_ssim(rebuilt, images, *levels), atol=3e-6)


@pytest.mark.parametrize("side", range(13, 200))
def test_ms_ssim_takes_the_most_levels_that_the_rule_allows(side: int) -> None:
    levels, size, _ = ms_ssim_levels(side)
    with_11 = max((n for n in range(1, 6) if side > 10 * 2 ** (n - 1)), default=0)
    assert (size == 11) == (with_11 >= 3)
    assert side > (size - 1) * 2 ** (levels - 1)
    assert levels == 5 or side <= (size - 1) * 2**levels


@pytest.mark.parametrize("side", [13, 25, 41, 81])
def test_the_window_fits_the_last_level_of_the_smallest_image(side: int) -> None:
    smaller, larger = ms_ssim_levels(side - 1) if side > 13 else None, ms_ssim_levels(side)
    assert smaller != larger
    value = ms_ssim(torch.rand(1, 1, side, side + 3), torch.rand(1, 1, side, side + 3))
    assert 0 <= value.item() < 1


def test_the_shorter_side_chooses_the_levels() -> None:
    rebuilt, images = (torch.nn.functional.pad(part, (0, 32)) for part in pair(32))
    expected = direct_ms_ssim(rebuilt, images, 3, 7, 1.0)
    np.testing.assert_allclose(ms_ssim(rebuilt, images).numpy(), expected, atol=2e-5)


def test_two_levels_do_not_fit_twelve_pixels() -> None:
    assert ms_ssim_levels(13) == (2, 7, 1.0)
    with pytest.raises(ScenarioError, match="12 pixels"):
        ms_ssim(torch.rand(1, 3, 12, 40), torch.rand(1, 3, 12, 40))


def test_ms_ssim_of_two_flat_images_has_a_closed_form() -> None:
    flat = torch.full((1, 3, 32, 32), 0.2), torch.full((1, 3, 32, 32), 0.7)
    luminance = (2 * 0.14 + 1e-4) / (0.04 + 0.49 + 1e-4)  # of the last level alone; contrast and structure are 1
    weight = MS_SSIM_WEIGHTS[2] / sum(MS_SSIM_WEIGHTS[:3])
    assert ms_ssim(*flat).item() == pytest.approx(luminance**weight, abs=2e-3)


def test_a_negative_has_no_ms_ssim_and_no_slope_that_is_not_a_number() -> None:
    _, images = pair(32)
    rebuilt = (1 - images).requires_grad_()
    value = ms_ssim(rebuilt, images)
    assert torch.equal(value, torch.zeros(3))
    value.sum().backward()
    assert rebuilt.grad is not None
    assert torch.equal(rebuilt.grad, torch.zeros_like(images))


def test_large_images_are_scored_by_the_library_to_the_bit() -> None:
    generator = torch.Generator().manual_seed(4)
    rebuilt, images = (torch.rand(2, 3, 64, 70, generator=generator) for _ in range(2))
    expected = pytorch_msssim.ssim(rebuilt, images, data_range=1.0, size_average=False, win_size=11, win_sigma=1.5)
    assert torch.equal(ssim(rebuilt, images), expected)  # it is given its own window, made once for each device
