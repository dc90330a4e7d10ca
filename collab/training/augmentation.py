"""What a batch of images looks like to a network that learns: shifted, mirrored, blurred."""

import torch
from torch import Tensor, nn


def blur(images: Tensor, generator: torch.Generator) -> Tensor:
    """Half of the images as a reconstruction may show them: means of squares of 2 or 4 pixels, enlarged, with noise.

    Images [batch, 3, height, width] in [0, 1]; the noise has a standard deviation of .05.
    """
    side = 2 if torch.rand((), generator=generator) < 0.5 else 4
    coarse = nn.functional.avg_pool2d(images, side, ceil_mode=True)
    shown = nn.functional.interpolate(coarse, size=images.shape[2:], mode="bilinear", align_corners=False)
    noise = torch.randn(images.shape, generator=generator).to(images) * 0.05
    is_blurred = torch.rand(len(images), generator=generator).to(images.device) < 0.5
    return torch.where(is_blurred[:, None, None, None], (shown + noise).clamp(0, 1), images)


def shift_and_flip(images: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Each image shifted by up to an eighth of its side, edges filled with 0, half of them mirrored; which [batch]."""
    shifts = draw_shifts(len(images), images.shape[2], generator).to(images.device)
    return shifted(images, shifts), shifts[:, 2] > 0


def draw_shifts(count: int, height: int, generator: torch.Generator) -> Tensor:
    """For each of `count` images where it begins in itself enlarged, down and along, and whether it is mirrored.

    int64 [count, 3]; an eighth of its height is added at each edge.
    """
    top, left = (torch.randint(0, 2 * (height // 8) + 1, (count, 1), generator=generator) for _ in range(2))
    is_mirrored = torch.rand(count, 1, generator=generator) < 0.5
    return torch.cat((top, left, is_mirrored.long()), 1)


def shifted(images: Tensor, shifts: Tensor) -> Tensor:
    """Images [batch, 3, height, width] of any type moved and mirrored as `shifts` [batch, 3] says, channels last."""
    count, _, height, width = images.shape
    reach, device = height // 8, images.device
    padded = nn.functional.pad(images, (reach, reach, reach, reach))
    rows = shifts[:, :1] + torch.arange(height, device=device)
    along = torch.arange(width, device=device).expand(count, -1)
    columns = shifts[:, 1:2] + torch.where(shifts[:, 2:] > 0, along.flip(1), along)
    which = torch.arange(count, device=device).view(-1, 1, 1)
    picked = padded.permute(0, 2, 3, 1)[which, rows.unsqueeze(2), columns.unsqueeze(1)]
    return picked.permute(0, 3, 1, 2)
