"""Distances between rebuilt and true images in [0, 1] (SCIENCE 5.1): one value per image, fp32 under any autocast."""

import torch
from jaxtyping import Float
from pytorch_msssim import ssim as windowed_ssim
from torch import Tensor
from torch.nn import functional

from collab.errors import ScenarioError

PSNR_CAP = 100.0
"""dB of images that agree to 1e-5; equal ones would have infinitely many (SCIENCE 5.1)."""


def l1(
    rebuilt: Float[Tensor, "batch channel height width"], images: Float[Tensor, "batch channel height width"]
) -> Float[Tensor, " batch"]:
    """Mean absolute difference, in [0, 1]."""
    return (rebuilt.float() - images.float()).abs().mean((1, 2, 3))


def psnr(
    rebuilt: Float[Tensor, "batch channel height width"], images: Float[Tensor, "batch channel height width"]
) -> Float[Tensor, " batch"]:
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


def ssim(
    rebuilt: Float[Tensor, "batch channel height width"], images: Float[Tensor, "batch channel height width"]
) -> Float[Tensor, " batch"]:
    """SSIM with K1 .01, K2 .03, range 1, no padding, per channel then mean; in [-1, 1], differentiable."""
    size, sigma = ssim_window(min(images.shape[2:]))
    with torch.autocast(images.device.type, enabled=False):
        value: Tensor = windowed_ssim(
            rebuilt.float(), images.float(), data_range=1.0, size_average=False, win_size=size, win_sigma=sigma
        )
    return value


def ssim_max(
    rebuilt: Float[Tensor, "batch channel height width"], images: Float[Tensor, "batch channel height width"]
) -> Float[Tensor, " batch"]:
    """max(SSIM(x̂, x), SSIM(1 - x̂, x)): a photographic negative shows as much as its positive."""
    return torch.maximum(ssim(rebuilt, images), ssim(1 - rebuilt.float(), images))


def abs_ssim_map(
    rebuilt: Float[Tensor, "batch channel height width"], images: Float[Tensor, "batch channel height width"]
) -> Float[Tensor, " batch"]:
    """Mean of the absolute local SSIM: patches of opposite sign do not cancel; in [0, 1], differentiable."""
    return ssim_map(rebuilt, images).abs().mean((1, 2, 3))


def ssim_map(
    rebuilt: Float[Tensor, "batch channel height width"], images: Float[Tensor, "batch channel height width"]
) -> Float[Tensor, "batch channel high wide"]:
    """Local SSIM at each position of the window, whose mean is `ssim`; pytorch-msssim keeps this map to itself."""
    x, y = rebuilt.float(), images.float()
    stabilize_mean, stabilize_variance = 0.01**2, 0.03**2
    with torch.autocast(images.device.type, enabled=False):
        mean_x, mean_y, xx, yy, xy = (_blurred(part) for part in (x, y, x * x, y * y, x * y))
    luminance = (2 * mean_x * mean_y + stabilize_mean) / (mean_x**2 + mean_y**2 + stabilize_mean)
    covariance = xy - mean_x * mean_y
    variances = (xx - mean_x**2) + (yy - mean_y**2)
    return luminance * (2 * covariance + stabilize_variance) / (variances + stabilize_variance)


def _blurred(x: Tensor) -> Tensor:
    """Local means under the Gaussian window, down the columns and then along the rows, without padding."""
    size, sigma = ssim_window(min(x.shape[2:]))
    offsets = torch.arange(size, device=x.device, dtype=x.dtype) - size // 2
    weights = torch.softmax(-(offsets**2) / (2 * sigma**2), 0)
    channels = x.shape[1]
    down = functional.conv2d(x, weights.view(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels)
    return functional.conv2d(down, weights.view(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels)


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


def ms_ssim(
    rebuilt: Float[Tensor, "batch channel height width"], images: Float[Tensor, "batch channel height width"]
) -> Float[Tensor, " batch"]:
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
        luminance, structure = _ssim_terms(x, y, size, sigma)
        term = luminance * structure if level == levels else structure
        value = value * term.mean((2, 3)).relu() ** weight
        odd = [length % 2 for length in x.shape[2:]]
        x, y = (functional.avg_pool2d(z, 2, padding=odd) for z in (x, y))
    return value.mean(1)


def _ssim_terms(x: Tensor, y: Tensor, size: int, sigma: float) -> tuple[Tensor, Tensor]:
    """Luminance, and contrast times structure, at each position of the window, [batch, channel, high, wide] each."""
    offsets = torch.arange(size, dtype=torch.float64) - size // 2
    # Normalized in fp64: at a sum of 1 + 4e-8 the small variances, differences of large means, shift a value by 1e-5.
    bell = torch.softmax(-(offsets**2) / (2 * sigma**2), 0).to(x)
    parts = torch.cat((x, y, x * x, y * y, x * y), 1)
    with torch.autocast(x.device.type, enabled=False):
        down = functional.conv2d(parts, bell.view(1, 1, -1, 1).expand(parts.shape[1], 1, -1, 1), groups=parts.shape[1])
        means = functional.conv2d(down, bell.view(1, 1, 1, -1).expand(parts.shape[1], 1, 1, -1), groups=parts.shape[1])
    mean_x, mean_y, xx, yy, xy = means.chunk(5, 1)
    luminance = (2 * mean_x * mean_y + 0.01**2) / (mean_x**2 + mean_y**2 + 0.01**2)
    variances = (xx - mean_x**2) + (yy - mean_y**2)
    return luminance, (2 * (xy - mean_x * mean_y) + 0.03**2) / (variances + 0.03**2)
