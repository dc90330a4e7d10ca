"""What a batch of images looks like to a network that learns: shifted, cropped, mirrored, blurred."""

import math
from typing import Final

import torch
from torch import Tensor, nn

CROP: Final = "resized_crop"
MIRROR: Final = "mirror"

LEAST_AREA, MOST_RATIO, TRIES = 0.08, 4 / 3, 10
"""Of a crop: its share of the image, its width by its height (or the other way), and how often one is drawn until it
fits; as in torchvision's RandomResizedCrop, by whose defaults ImageNet is usually trained."""


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


def draw_mirrors(count: int, height: int, generator: torch.Generator) -> Tensor:
    """The same for images that stay where they are, half of them mirrored: a grid of fields stays a grid."""
    return draw_shifts(count, height, generator) * torch.tensor([0, 0, 1]) + torch.tensor([1, 1, 0]) * (height // 8)


def draw_crops(count: int, side: int, generator: torch.Generator) -> Tensor:
    """For each of `count` square images the top, left, height and width of a crop, and whether it is mirrored.

    int64 [count, 5]. The area is uniform, the ratio of width and height log-uniform; where none of the tries fits into
    the image, it is the whole image.
    """
    areas = side * side * torch.empty(count, TRIES).uniform_(LEAST_AREA, 1, generator=generator)
    reach = math.log(MOST_RATIO)
    ratios = torch.empty(count, TRIES).uniform_(-reach, reach, generator=generator).exp()
    sizes = torch.stack(((areas / ratios).sqrt(), (areas * ratios).sqrt()), 2).round().long()  # height and width
    fits = (sizes <= side).all(2)
    first = fits.int().argmax(1)
    chosen = sizes[torch.arange(count), first]
    chosen[~fits.any(1)] = side
    places = (torch.rand(count, 2, generator=generator) * (side - chosen + 1)).long()
    is_mirrored = torch.rand(count, 1, generator=generator) < 0.5
    return torch.cat((places, chosen, is_mirrored.long()), 1)


def cropped(images: Tensor, crops: Tensor) -> Tensor:
    """Crops of square images [batch, 3, side, side] in floating point, as `crops` [batch, 5] says, at full size.

    Bilinear, channels last; a crop is never larger than the image, so there is nothing to smooth.
    """
    count, side = len(images), images.shape[2]
    places = torch.arange(side, device=images.device) + 0.5
    which = torch.arange(count, device=images.device).view(-1, 1, 1)

    def taps(begin: Tensor, length: Tensor, along: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Both neighbors of each place of the enlarged crop and the weight of the second, all [batch, side]."""
        at = (along * length[:, None] / side - 0.5).clamp_min(0)
        low = at.long()
        high = torch.minimum(low + 1, length[:, None] - 1)
        return begin[:, None] + low, begin[:, None] + high, (at - low).to(images.dtype)

    top, left, height, width, mirrored = crops.unbind(1)
    rows = taps(top, height, places.expand(count, -1))
    columns = taps(left, width, torch.where(mirrored[:, None] > 0, places.flip(0), places))
    pixels = images.permute(0, 2, 3, 1)
    upper, lower = (
        torch.lerp(
            pixels[which, row[:, :, None], columns[0][:, None]],
            pixels[which, row[:, :, None], columns[1][:, None]],
            columns[2][:, None, :, None],
        )
        for row in rows[:2]
    )
    return torch.lerp(upper, lower, rows[2][:, :, None, None]).permute(0, 3, 1, 2)


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
