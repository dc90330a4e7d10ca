"""Linear maps between feature maps, fitted in closed form: what a few pairs tell of a module (ATTACKS A3)."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Alphas of the ridge that are tried, in shares of the mean of the Gram matrix's diagonal."""


@dataclass(frozen=True)
class Ridge:
    r"""$\min_W \lVert [p(f^*), 1] W - f \rVert^2 + \alpha \lVert W \rVert^2$, $p$ a patch of `side`×`side` places.

    `weights` [side² channels + 1, outputs]; outside the map there is 0.
    """

    weights: Tensor
    side: int

    def __call__(self, features: Tensor) -> Tensor:
        """The mapped features [rows, outputs, height, width], a few rows at a time, in fp32."""
        rows, _, height, width = features.shape
        maps = []
        for part in torch.split(features, 64):
            mapped = patches(part, self.side) @ self.weights.to(part.device)
            maps.append(mapped.view(len(part), height, width, -1).permute(0, 3, 1, 2))
        return torch.cat(maps) if rows else features.new_zeros(0, self.weights.shape[1], height, width)


def patches(features: Tensor, side: int) -> Tensor:
    """[rows · height · width, side² · channels + 1] in fp32: the patch around each place, and a 1."""
    return with_one(functional.unfold(features.float(), side, padding=side // 2).permute(0, 2, 1).flatten(0, 1))


def with_one(values: Tensor) -> Tensor:
    """[rows, values + 1]: a 1 behind each row, whose weight is the constant of a linear map."""
    return torch.cat([values, values.new_ones(len(values), 1)], 1)


def main_directions(rows: Tensor, count: int) -> Tensor:
    """The `count` directions [count, width] in which centered rows [rows, width] vary most, of unit length.

    They are eigenvectors of the smaller of the two Gram matrices: many rows or wide ones, not both, may cost.
    """
    if len(rows) >= rows.shape[1]:
        return torch.linalg.eigh(rows.T @ rows)[1][:, -count:].T
    weights = torch.linalg.eigh(rows @ rows.T)[1][:, -count:]
    return functional.normalize(weights.T @ rows, dim=1)


@dataclass(frozen=True)
class Grams:
    """What a ridge needs of some pairs: patches with patches, and with targets, in fp64; they add up."""

    inner: Tensor
    cross: Tensor

    @classmethod
    def of(cls, features: Tensor, targets: Tensor, side: int) -> "Grams":
        """The sums over rows of features and of what they are to be mapped to, [rows, channels, height, width] each."""
        wide = patches(features, side)
        flat = targets.float().permute(0, 2, 3, 1).flatten(0, 2)
        return cls((wide.T @ wide).double(), (wide.T @ flat).double())

    def __add__(self, other: "Grams") -> "Grams":
        return Grams(self.inner + other.inner, self.cross + other.cross)

    def weights(self, penalty: float) -> Tensor:
        """The ridge's W in fp64; `penalty` is a share of the mean diagonal."""
        alpha = penalty * self.inner.diagonal().mean().clamp(min=1e-12)
        return torch.linalg.solve(self.inner + alpha * torch.eye(len(self.inner), dtype=torch.float64), self.cross)

    def solve(self, penalty: float, side: int) -> Ridge:
        """The ridge map; `penalty` is a share of the mean diagonal."""
        return Ridge(self.weights(penalty).float(), side)


def deal_folds(rows: int, most: int = 8) -> list[Tensor]:
    """Row numbers in `min(rows, most)` parts: with few rows each is left out once, with more a part of them."""
    return [torch.arange(start, rows, min(rows, most)) for start in range(min(rows, most))]
