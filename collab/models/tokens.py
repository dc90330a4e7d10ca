"""Tokens of transformers, and the maps that their features travel as: nothing is lost, to the last bit.

Patches of an image lie on a grid, so tokens [batch, count, width] are a map [batch, width, height, width of the grid].
Tokens that have no place, such as the class token, lie in a row of their own above it, zeros behind them:

    class  0  0
    p11  p12  p13
    p21  p22  p23        3×3 patches and a class token: a map of 4×3
    p31  p32  p33
"""

import math
from collections.abc import Mapping
from typing import no_type_check

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from collab.errors import ScenarioError


class Tokens(nn.Module):
    """Images to tokens: patches are projected, tokens without a place put before them, and positions added.

    `positions` [1, count, width] are learned for a square grid; another grid takes them enlarged or shrunk (bicubic),
    as DINOv2 and DeiT do. `placeless` are the parameters [1, count, width] of the tokens without a place, by name.
    """

    def __init__(
        self,
        project: nn.Module,
        positions: nn.Parameter,
        placeless: Mapping[str, nn.Parameter],
        *,
        places_all: bool = True,
        norm: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.project, self.norm = project, norm or nn.Identity()
        self.positions = positions
        self._names, self._places_all = tuple(placeless), places_all
        for name, token in placeless.items():
            self.register_parameter(name, token)

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch count channel"]:
        """Tokens without a place first; `places_all` says that those have positions too."""
        grid = self.project(images)
        patches = grid.flatten(2).transpose(1, 2)
        first = [getattr(self, name).expand(len(images), -1, -1) for name in self._names]
        before = sum(token.shape[1] for token in first) if self._places_all else 0
        positions = resized(self.positions, before, grid.shape[2])
        if not self._places_all:
            patches = patches + positions
        tokens = torch.cat([*first, patches], 1) if first else patches
        placed = tokens + positions if self._places_all else tokens
        answer: Tensor = self.norm(placed.contiguous())  # as behind a cut: the layout in memory decides on last bits
        return answer


def resized(
    positions: Float[Tensor, "1 count channel"], placeless: int, side: int
) -> Float[Tensor, "1 others channel"]:
    """Positions for a grid of `side`, of which the first `placeless` stay; the same ones where that is their grid."""
    own = math.isqrt(positions.shape[1] - placeless)
    if own == side:
        return positions
    # As products with matrices, since the gradient of torch's bicubic resizing is not the same twice on a GPU; in fp64,
    # which autocast leaves alone.
    each = torch.eye(own, device=positions.device).view(1, own, 1, own)
    along = functional.interpolate(each, (1, side), mode="bicubic", antialias=True)[0, :, 0].double()
    grid = positions[0, placeless:].reshape(own, own, -1).double()
    grid = torch.einsum("iy,jx,ijc->yxc", along, along, grid).flatten(0, 1).to(positions.dtype)
    return torch.cat([positions[:, :placeless], grid[None]], 1)


class TokensToMap(nn.Module):
    """Tokens to a map, as the head of this file draws it; `placeless` of them have no place."""

    def __init__(self, placeless: int) -> None:
        super().__init__()
        self.placeless = placeless

    @no_type_check
    def forward(self, tokens: Float[Tensor, "batch count channel"]) -> Float[Tensor, "batch channel height width"]:
        """Raises ScenarioError where the grid has fewer columns than there are tokens without a place."""
        columns = tokens.transpose(1, 2)
        side = math.isqrt(tokens.shape[1] - self.placeless)
        grid = columns[:, :, self.placeless :].unflatten(2, (side, side))
        if not self.placeless:
            return grid.contiguous()
        if self.placeless > side:
            raise ScenarioError(
                f"model: {self.placeless} tokens without a place do not fit above a grid of {side}×{side} patches. "
                "Take larger images (data.image_size)."
            )
        above = functional.pad(columns[:, :, : self.placeless], (0, side - self.placeless))
        return torch.cat([above.unsqueeze(2), grid], 2).contiguous()


class MapToTokens(nn.Module):
    """The tokens that `TokensToMap` made a map of, bit for bit; what stands behind those without a place is dropped."""

    def __init__(self, placeless: int) -> None:
        super().__init__()
        self.placeless = placeless

    @no_type_check
    def forward(self, features: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch count channel"]:
        """In the order and the layout in memory that blocks were given them."""
        if not self.placeless:
            return features.flatten(2).transpose(1, 2).contiguous()
        above, grid = features[:, :, 0, : self.placeless], features[:, :, 1:].flatten(2)
        return torch.cat([above, grid], 2).transpose(1, 2).contiguous()


class Turned(nn.Module):
    """Maps with channels last to maps with channels first, or back (`is_last`)."""

    def __init__(self, *, is_last: bool) -> None:
        super().__init__()
        self.axes = (0, 2, 3, 1) if is_last else (0, 3, 1, 2)

    @no_type_check
    def forward(self, x: Float[Tensor, "batch a b c"]) -> Float[Tensor, "batch d e f"]:
        """The same values in another order."""
        return x.permute(*self.axes).contiguous()


def blocks_of(decider: nn.Module) -> list[nn.Module]:
    """The blocks of C, each from maps to maps, and behind them its head; those of tokens are turned, and back."""
    turn, *blocks = decider.children()
    if not isinstance(turn, MapToTokens | Turned):
        return [turn, *blocks]
    back = TokensToMap(turn.placeless) if isinstance(turn, MapToTokens) else Turned(is_last=False)
    return [*(nn.Sequential(turn, block, back) for block in blocks[:-1]), nn.Sequential(turn, blocks[-1])]


class FirstToken(nn.Module):
    """The class token, [batch, width]."""

    @no_type_check
    def forward(self, tokens: Float[Tensor, "batch count channel"]) -> Float[Tensor, "batch channel"]:
        """What blocks made of it."""
        return tokens[:, 0]


class MeanToken(nn.Module):
    """The mean of all tokens that have a place, [batch, width]."""

    def __init__(self, placeless: int) -> None:
        super().__init__()
        self.placeless = placeless

    @no_type_check
    def forward(self, tokens: Float[Tensor, "batch count channel"]) -> Float[Tensor, "batch channel"]:
        """Over the places."""
        return tokens[:, self.placeless :].mean(1)


class Spread(nn.Module):
    """A map with a row above its grid to the grid alone, [batch, 2 channels, side, side].

    What rebuilds an image goes from place to place: it is given the sum of the row at every place, behind the grid.
    """

    @no_type_check
    def forward(self, features: Float[Tensor, "batch channel high wide"]) -> Float[Tensor, "batch more wide wide"]:
        """Zeros of the row change no sum."""
        grid = features[:, :, 1:]
        return torch.cat([grid, features[:, :, :1].sum(3, keepdim=True).expand_as(grid)], 1)


def spread(feature: tuple[int, int, int]) -> tuple[list[nn.Module], tuple[int, int, int]]:
    """What makes a square grid of features (channel, height, width), and its shape; nothing for those that are one."""
    channels, height, width = feature
    return ([Spread()], (2 * channels, width, width)) if height == width + 1 else ([], feature)
