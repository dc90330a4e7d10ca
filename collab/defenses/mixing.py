"""Shuffling of pixels inside regions, until an image is as hard to discern as is wanted (VisualMixer, SCIENCE 1.7)."""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from typing_extensions import override

from collab.defenses.attention import PixelAttention
from collab.errors import EntityError
from collab.models.filters import keyed_numbers

Images = Float[Tensor, "batch channel side side"]

AT_A_TIME = 32
"""Images that are mixed at a time: each is held once for every way of shuffling it."""


class Mixed(NamedTuple):
    """Shuffled images, how discernible each is by the measure, and whether all shuffling was too little for it."""

    images: Images
    reached: Float[Tensor, " batch"]
    is_saturated: Bool[Tensor, " batch"]


def shuffle(images: Images, order: Int[Tensor, "batch channel regions blocks"]) -> Images:
    """Each region's blocks in a new order, in each channel another: place b of region r gets block `order[..., r, b]`.

    `regions` and `blocks` are squares: of a grid of regions over the image, and of blocks over a region, row by row.
    """
    batch, channel, side, _ = images.shape
    grid, cut = math.isqrt(order.shape[2]), math.isqrt(order.shape[3])
    pixels = side // (grid * cut)
    parts = images.reshape(batch, channel, grid, cut, pixels, grid, cut, pixels).permute(0, 1, 2, 5, 3, 6, 4, 7)
    blocks = parts.reshape(batch, channel, grid**2, cut**2, pixels**2)
    moved = blocks.gather(3, order.unsqueeze(-1).expand(-1, -1, -1, -1, pixels**2))
    parts = moved.view(batch, channel, grid, grid, cut, cut, pixels, pixels).permute(0, 1, 2, 4, 6, 3, 5, 7)
    return parts.reshape(batch, channel, side, side)


def region_variance(images: Images, grid: int) -> Float[Tensor, "batch channel regions"]:
    """Variance of the pixels of each region of each channel, row by row: where there is most to see."""
    batch, channel, side, _ = images.shape
    parts = images.reshape(batch, channel, grid, side // grid, grid, side // grid).transpose(3, 4)
    return parts.reshape(batch, channel, grid**2, -1).var(-1, correction=0)


def cuts(side: int) -> tuple[int, ...]:
    """Into how many blocks along a side a region of `side` pixels is cut: 2, 4, 8, ... as long as they fit, pixels."""
    halves = [2**power for power in range(1, side.bit_length()) if side % 2**power == 0]
    return (*(cut for cut in halves if cut < side), side)


def merges(grid: int, side: int) -> Iterator[int]:
    """Coarser grids that regions are merged to, down to 1: 14, 7, 4, 2, 1 at 224 px."""
    while grid > 1:
        grid = next(fewer for fewer in range((grid + 1) // 2, 0, -1) if side % fewer == 0)
        yield grid


class Mixer(nn.Module):
    """Shuffles each image [batch, channel, side, side] until `measure` of it reaches `wanted`.

    Starts with 2 x 2 blocks in each of grid x grid regions. Then regions are cut finer, those of highest attention
    first, or of highest variance without one, region by region and channel by channel, to 4, to 8, ... to pixels; then
    regions are merged, and shuffled pixel by pixel. The first of these steps at which the measure is reached is found
    by bisection: where it does not rise with every step, a later one may be taken, never one that falls short.

    The shuffling of an image is drawn from `key`, which is private, and from the image, so that it is the same in any
    batch and no two images share it. Drawn on the CPU, so that every device draws the same. Images of 8 bits keep
    every value.
    """

    def __init__(
        self,
        grid: int | None,
        measure: Callable[[Images], Float[Tensor, " batch"]],
        attention: PixelAttention | None = None,
    ) -> None:
        super().__init__()
        self.grid, self._measure, self.attention = grid, measure, attention
        self.register_buffer("wanted", torch.full((), torch.nan, dtype=torch.float64))
        self.register_buffer("key", torch.zeros((), dtype=torch.int64))
        self.wanted: Tensor
        self.key: Tensor

    def fit(self, wanted: float, key: int) -> None:
        """Sets what is to be reached, and the key."""
        self.wanted.fill_(wanted)
        self.key.fill_(key)

    def grid_of(self, side: int) -> int:
        """Regions along a side: as stated, else 14 where that divides a side of 112 and more, as in the paper, or 4.

        Raises EntityError for a side that has no such regions of two pixels and more.
        """
        grid = self.grid or (14 if side >= 112 and side % 14 == 0 else 4)
        if side % grid or side // grid < 2:
            raise EntityError(
                f"images of {side} pixels have no {grid} x {grid} regions of equal sides and two pixels or more. "
                f"State `regions` as a divisor of {side} below {side // 2 + 1}."
            )
        return grid

    @override
    def forward(self, images: Images) -> Images:
        return self.mix(images).images

    def mix(self, images: Images) -> Mixed:
        """The shuffled images, with what is told of each."""
        parts = [self._mix(part) for part in torch.split(images, AT_A_TIME)]
        return Mixed(*(torch.cat(values) for values in zip(*parts, strict=True)))

    def _mix(self, images: Images) -> Mixed:
        side = images.shape[-1]
        grid = self.grid_of(side)
        levels = [(grid, cut) for cut in cuts(side // grid)]
        coarser = [(fewer, side // fewer) for fewer in merges(grid, side)]
        orders = self._orders(images, [*levels, *coarser])
        ways = torch.stack([shuffle(images, order) for order in orders], dim=1)  # batch ways channel side side
        items = images.shape[1] * grid**2
        score = (self.attention.score if self.attention else region_variance)(images, grid).flatten(1)
        rank = score.argsort(dim=1, descending=True, stable=True).argsort(dim=1).view(len(images), -1, grid, grid)
        last = items * (len(levels) - 1) + len(coarser)

        def after(steps: Int[Tensor, " batch"]) -> Images:
            """The images after so many steps."""
            level = (steps.view(-1, 1, 1, 1) - rank - 1).div(items, rounding_mode="floor") + 1
            level = level.clamp(0, len(levels) - 1)
            merged = (steps - items * (len(levels) - 1)).clamp(min=0).view(-1, 1, 1, 1)
            way = torch.where(merged > 0, len(levels) - 1 + merged, level)
            way_of_pixel = way.repeat_interleave(side // grid, 2).repeat_interleave(side // grid, 3)
            return ways.gather(1, way_of_pixel.unsqueeze(1)).squeeze(1)

        low, high = (
            torch.zeros(len(images), dtype=torch.int64, device=images.device),
            torch.full((len(images),), last, dtype=torch.int64, device=images.device),
        )
        for _ in range(last.bit_length()):
            middle = (low + high) // 2
            is_enough = self._measure(after(middle)) >= self.wanted
            low, high = (
                torch.where(is_enough, low, torch.minimum(middle + 1, high)),
                torch.where(is_enough, middle, high),
            )
        mixed = after(high)
        reached = self._measure(mixed)
        return Mixed(mixed, reached, reached < self.wanted)

    def _orders(self, images: Images, ways: list[tuple[int, int]]) -> list[Int[Tensor, "batch channel regions blocks"]]:
        """An order of blocks for each way (grid, cut), uniform over all, of each image, channel and region."""
        drawn: list[list[Tensor]] = [[] for _ in ways]
        for number in keyed_numbers(images, int(self.key)):
            generator = torch.Generator().manual_seed(number)
            for place, (grid, cut) in enumerate(ways):
                keys = torch.rand(images.shape[1], grid**2, cut**2, generator=generator, dtype=torch.float64)
                drawn[place].append(keys.argsort(-1))
        return [torch.stack(orders).to(images.device) for orders in drawn]
