"""The thumbnail that shuffling leaves (ATTACKS V1): no pixel leaves its region, so each region keeps its mean color."""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional
from typing_extensions import override

from collab.attacks import options
from collab.attacks.base import Attack, Compute, Knowledge, Progress, Stream
from collab.errors import EntityError


def thumbnail(images: Tensor, regions: int) -> Tensor:
    """The mean of each of regions x regions fields of images [batch, 3, side, side]: [batch, 3, regions, regions].

    Equal before and after shuffling inside these fields. `regions` divides the side.
    """
    return functional.avg_pool2d(images, images.shape[-1] // regions)


def check_fields(images: Tensor, regions: int) -> int:
    """The side of images [batch, 3, side, side]; EntityError where it is no `regions` equal fields."""
    side = images.shape[-1]
    if side % regions:
        raise EntityError(f"{side} pixels are no {regions} equal fields. State `regions` as a divisor.")
    return side


@dataclass(frozen=True)
class Thumbnail(Attack):
    """Enlarges the thumbnail of published images; nothing is learned, and no key or network is needed."""

    Options = options.Thumbnail
    needs = frozenset({"images"})

    regions: int

    @override
    def rebuild(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> Tensor:
        side = check_fields(known.images, self.regions)
        small = thumbnail(known.images, self.regions)
        return functional.interpolate(small, size=(side, side), mode="bilinear", antialias=False).clamp(0, 1)
