"""Distances between rebuilt and true images in [0, 1] (SCIENCE 5.1): one value per image, fp32 under any autocast."""

from collections.abc import Callable
from functools import cache
from typing import Any

import pytorch_msssim
import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from collab.errors import ScenarioError

Images = Float[Tensor, "batch channel height width"]
PerImage = Float[Tensor, " batch"]

LIBRARY_FROM = 64
"""Side from which pytorch-msssim's convolutions are faster than products with matrices of the image's side."""

PSNR_CAP = 100.0
"""dB of images that agree to 1e-5; equal ones would have infinitely many (SCIENCE 5.1)."""


def l1(rebuilt: Images, images: Images) -> PerImage:
    """Mean absolute difference, in [0, 1]."""
    return (rebuilt.float() - images.float()).abs().mean((1, 2, 3))


def psnr(rebuilt: Images, images: Images) -> PerImage:
    """10 log10(1 / MSE) in dB, at most 100."""
    error = (rebuilt.float() - images.float()).square().mean((1, 2, 3))
    return (-10 * error.clamp(min=1e-12).log10()).clamp(max=PSNR_CAP)


def ssim_window(side: int) -> tuple[int, float]:
    """Size and sigma of the Gaussian window for images with a shorter side of `side`; the size is named in columns.

    Raises ScenarioError below 5 pixels, where no window fits.
    """
    if side < 5:
        raise ScenarioError(f"SSIM was asked of images of {side} pixels; its smallest window has 5. Use larger images.")
    return (11, 1.5) if side >= 32 else (7, 1.0) if side >= 16 else (5, 0.75)


def ssim(rebuilt: Images, images: Images) -> PerImage:
    """SSIM with K1 .01, K2 .03, range 1, no padding, per channel then mean; in [-1, 1], differentiable."""
    if (side := min(images.shape[2:])) < LIBRARY_FROM:
        return ssim_map(rebuilt, images).mean((1, 2, 3))
    size, sigma = ssim_window(side)
    with torch.autocast(images.device.type, enabled=False):
        value: Tensor = pytorch_msssim.ssim(
            rebuilt.float(), images.float(), data_range=1.0, size_average=False,
            win=_window(images.shape[1], size, sigma, images.device),
        )  # fmt: skip
    return value


def ssim_max(rebuilt: Images, images: Images) -> PerImage:
    """max(SSIM(x̂, x), SSIM(1 - x̂, x)): a photographic negative shows as much as its positive."""
    return torch.maximum(ssim(rebuilt, images), ssim(1 - rebuilt.float(), images))


def abs_ssim_map(rebuilt: Images, images: Images) -> PerImage:
    """Mean of the absolute local SSIM: patches of opposite sign do not cancel; in [0, 1], differentiable."""
    return ssim_map(rebuilt, images).abs().mean((1, 2, 3))


def ssim_map(rebuilt: Images, images: Images) -> Float[Tensor, "batch channel high wide"]:
    """Local SSIM at each position of the window, whose mean is `ssim`."""
    luminance, structure = _terms(rebuilt, images, *ssim_window(min(images.shape[2:])))
    return luminance * structure


MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Weights of the levels, finest first, as published (Wang, Simoncelli and Bovik 2003); their sum is 1.0001."""


def ms_ssim_levels(side: int) -> tuple[int, int, float]:
    """Levels, size and sigma of the window for images with a shorter side of `side`; columns name the first two.

    The most levels that window 11 allows, five at most; window 7 where these are fewer than three (SCIENCE 5.1).
    A level halves the image, rounding up, and the window must fit the last one.

    Raises ScenarioError below 13 pixels, where one level is left and MS-SSIM would be SSIM.
    """
    for size, sigma, fewest in ((11, 1.5, 3), (7, 1.0, 2)):
        levels = sum(side > (size - 1) * 2**level for level in range(len(MS_SSIM_WEIGHTS)))
        if levels >= fewest:
            return levels, size, sigma
    raise ScenarioError(
        f"MS-SSIM was asked of images of {side} pixels; two levels need 13. Use larger images, or SSIM alone."
    )


def ms_ssim(rebuilt: Images, images: Images) -> PerImage:
    r"""MS-SSIM per channel, then mean; in [0, 1], differentiable, with slope 0 where a level shows nothing alike.

    $$ \mathrm{relu}(l_M s_M)^{w_M} \prod_{j<M} \mathrm{relu}(s_j)^{w_j} $$

    $s_j$ is the mean contrast and structure of level $j$, $l_M s_M$ the SSIM of the last one. At $M < 5$ levels the
    first $M$ weights are scaled to a sum of 1: such a value is compared with no paper. An odd side is padded with zeros
    before it is halved, as in pytorch-msssim, with which this agrees where that one runs: above 160 pixels.

    Raises ScenarioError as `ms_ssim_levels`.
    """
    levels, size, sigma = ms_ssim_levels(min(images.shape[2:]))
    total = sum(MS_SSIM_WEIGHTS[:levels]) if levels < len(MS_SSIM_WEIGHTS) else 1
    weights = [weight / total for weight in MS_SSIM_WEIGHTS[:levels]]
    x, y = rebuilt.float(), images.float()
    value = torch.ones(x.shape[:2], device=x.device)
    for level, weight in enumerate(weights, 1):
        luminance, structure = _terms(x, y, size, sigma)
        term = luminance * structure if level == levels else structure
        value = value * term.mean((2, 3)).relu() ** weight
        odd = [length % 2 for length in x.shape[2:]]
        x, y = (functional.avg_pool2d(z, 2, padding=odd) for z in (x, y))
    return value.mean(1)


def _terms(rebuilt: Tensor, images: Tensor, size: int, sigma: float) -> tuple[Tensor, Tensor]:
    """Luminance, and contrast times structure, at each position of the window, [batch, channel, high, wide] each."""
    with torch.autocast(images.device.type, enabled=False):
        x, y = (z.float().contiguous() for z in (rebuilt, images))
        bands = [_band(length, size, sigma, x.device) for length in x.shape[2:]]
        return _Terms.apply(x, y, *bands)


class _Terms(torch.autograd.Function):
    r"""Both terms of SSIM as one node of the graph, with its gradient written out.

    With local means $\mu$, variances $\sigma^2$ and the covariance $\sigma_{xy}$,

    $$ l = \frac{2\mu_x\mu_y + K_1^2}{\mu_x^2 + \mu_y^2 + K_1^2}, \quad
       s = \frac{2\sigma_{xy} + K_2^2}{\sigma_x^2 + \sigma_y^2 + K_2^2} $$

    With convolutions and autograd the same takes twice as long at 32 pixels (value and gradient, one thread).
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, down: Tensor, along: Tensor) -> tuple[Tensor, Tensor]:
        # Only the sum of both squares is needed: four maps to blur and not five.
        moments = down @ torch.cat((x, y, x * x + y * y, x * y), 1) @ along.mT
        mean_x, mean_y, squares, product = moments.chunk(4, 1)
        of_means, mean_product = mean_x * mean_x + mean_y * mean_y, mean_x * mean_y
        bright, spread = of_means + 0.01**2, squares - of_means + 0.03**2
        luminance = (2 * mean_product + 0.01**2) / bright
        structure = (2 * (product - mean_product) + 0.03**2) / spread
        ctx.save_for_backward(x, y, down, along, mean_x, mean_y, luminance, structure, bright, spread)
        return luminance, structure

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, to_luminance: Tensor, to_structure: Tensor) -> tuple[Tensor | None, ...]:
        x, y, down, along, mean_x, mean_y, luminance, structure, bright, spread = ctx.saved_tensors
        # Half of each gradient: the factor 2 that all have is applied once, at the end.
        to_product = to_structure / spread
        to_square = -structure * to_product

        def gradient(z: Tensor, mean_z: Tensor, other: Tensor, mean_other: Tensor) -> Tensor:
            to_mean = to_luminance * (mean_other - luminance * mean_z) / bright
            to_mean = to_mean - mean_other * to_product - mean_z * to_square
            parts = down.mT @ torch.cat((to_mean, to_square, to_product), 1) @ along
            mean, square, product = parts.chunk(3, 1)
            return 2 * (mean + z * square + other * product)

        of_x = gradient(x, mean_x, y, mean_y) if ctx.needs_input_grad[0] else None
        of_y = gradient(y, mean_y, x, mean_x) if ctx.needs_input_grad[1] else None
        return of_x, of_y, None, None


@cache
def _band(length: int, size: int, sigma: float, device: torch.device) -> Tensor:
    """[positions, length]: row i holds the window at position i, so that a product with it takes local means."""
    offsets = torch.arange(size, dtype=torch.float64) - size // 2
    # Normalized in fp64: at a sum of 1 + 4e-8 the small variances, differences of large means, shift a value by 1e-5.
    bell = torch.softmax(-(offsets**2) / (2 * sigma**2), 0)
    band = torch.zeros(length - size + 1, length, dtype=torch.float64)
    for position in range(len(band)):
        band[position, position : position + size] = bell
    return band.float().to(device)


@cache
def _window(channels: int, size: int, sigma: float, device: torch.device) -> Tensor:
    """The window of pytorch-msssim [channels, 1, 1, size], which would make and send it anew in each step."""
    places = torch.arange(size, dtype=torch.float32) - size // 2
    bell = torch.exp(-(places**2) / (2 * sigma**2))
    return (bell / bell.sum()).expand(channels, 1, 1, size).clone().to(device)


def distances_of_images(side: int) -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    """What scores all that is rebuilt, by its name in the results: of rebuilt and true images, a value for each."""
    window = ssim_window(side)[0]
    return {
        "l1": l1,
        "psnr": psnr,
        f"ssim[{window}]": ssim,
        f"ssim_max[{window}]": ssim_max,
        f"abs_ssim_map[{window}]": abs_ssim_map,
    }
