"""Reassembly of blocks by their edges (ATTACKS V3): neighbors in an image are alike, whatever was shuffled."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from typing_extensions import override

from collab.attacks import options
from collab.attacks.base import Attack, Compute, Knowledge, Progress, Stream
from collab.attacks.thumbnail import check_fields
from collab.defenses.mixing import cuts, shuffle

LEAST_BLOCK = 2
"""Pixels of a block's side: one of a single pixel has no edge to go by."""

AT_A_TIME = 64
"""Images that are put together at a time."""


def reassemble(
    images: Float[Tensor, "batch channel side side"], regions: int
) -> Float[Tensor, "batch channel side side"]:
    """Blocks of each of regions x regions fields in the order whose edges fit best, channel by channel.

    Into how many blocks a field was cut nobody tells: all that are possible are tried, and none at all, and the result
    counts that is smoothest over all of its pixels. `regions` divides the side.
    """
    field = images.shape[-1] // regions
    best, least = images, roughness(images, regions)
    for cut in cuts(field):
        if field // cut >= LEAST_BLOCK:
            made = shuffle(images, fit_edges(images, regions, cut))
            found = roughness(made, regions)
            is_better = (found < least).repeat_interleave(field, 2).repeat_interleave(field, 3)
            best, least = torch.where(is_better, made, best), torch.minimum(found, least)
    return best


def roughness(
    images: Float[Tensor, "batch channel side side"], regions: int
) -> Float[Tensor, "batch channel regions regions"]:
    """Sum of squared differences of neighbors inside each field."""
    batch, channel, side, _ = images.shape
    fields = images.reshape(batch, channel, regions, side // regions, regions, side // regions)
    return fields.diff(dim=3).square().sum((3, 5)) + fields.diff(dim=5).square().sum((3, 5))


def fit_edges(
    images: Float[Tensor, "batch channel side side"], regions: int, cut: int
) -> Int[Tensor, "batch channel fields blocks"]:
    """The order of `cut` x `cut` blocks of each field, as `shuffle` takes it: greedy, row by row, from the best start.

    Each place gets the block left whose edges differ least from those of the blocks on its left and above it.
    """
    batch, channel, side, _ = images.shape
    pixels = side // (regions * cut)
    parts = images.reshape(batch, channel, regions, cut, pixels, regions, cut, pixels).permute(0, 1, 2, 5, 3, 6, 4, 7)
    blocks = parts.reshape(-1, cut * cut, pixels, pixels)
    # [fields, first, second]: what it costs to put the second block to the right of the first, or below it.
    beside = (blocks[:, :, None, :, -1] - blocks[:, None, :, :, 0]).square().sum(-1)
    below = (blocks[:, :, None, -1] - blocks[:, None, :, 0]).square().sum(-1)
    fields, count = blocks.shape[:2]
    which = torch.arange(fields, device=images.device)
    least = torch.full((fields,), torch.inf, device=images.device)
    best = torch.arange(count, device=images.device).expand(fields, -1).clone()
    for start in range(count):
        order = torch.full((fields, count), start, device=images.device)
        is_left = torch.ones(fields, count, dtype=torch.bool, device=images.device)
        is_left[:, start] = False
        total = torch.zeros(fields, device=images.device)
        for place in range(1, count):
            cost = torch.zeros(fields, count, device=images.device)
            if place % cut:
                cost = cost + beside[which, order[:, place - 1]]
            if place >= cut:
                cost = cost + below[which, order[:, place - cut]]
            added, order[:, place] = cost.masked_fill(~is_left, torch.inf).min(1)
            is_left[which, order[:, place]] = False
            total = total + added
        is_better = total < least
        best[is_better], least[is_better] = order[is_better], total[is_better]
    return best.view(batch, channel, regions**2, count)


@dataclass(frozen=True)
class Jigsaw(Attack):
    """Puts shuffled blocks together again; nothing is learned, and no key or network is needed."""

    Options = options.Jigsaw
    needs = frozenset({"images"})

    regions: int

    @override
    def rebuild(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> Tensor:
        check_fields(known.images, self.regions)
        return torch.cat([reassemble(part, self.regions) for part in torch.split(known.images, AT_A_TIME)])
