"""What perturbs features without learning: filters over their map, and noise that belongs to a row."""

import hashlib
from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

Features = Float[Tensor, "batch channel height width"]


def mean_kernel(side: int) -> Float[Tensor, " side"]:
    r"""$w_i = 1/k$ for $k$ = `side`: one axis of the mean filter, which is separable."""
    return torch.full((side,), 1 / side)


def gaussian_kernel(side: int, sigma: float) -> Float[Tensor, " side"]:
    r"""$w_i \propto \exp(-i^2 / 2\sigma^2)$ for $|i| \le (k-1)/2$, $k$ = `side` odd, summing to 1: one axis of it."""
    places = torch.arange(side, dtype=torch.float64) - side // 2
    weights = torch.exp(-places.square() / (2 * sigma**2))
    return (weights / weights.sum()).float()


class Filter(nn.Module):
    """The same weights slid over the map of each channel, along both axes; the edge goes on outside the map.

    So a constant stays what it is, up to its border. `weights` has an odd length; nothing is learned or stored.
    """

    def __init__(self, weights: Float[Tensor, " side"]) -> None:
        super().__init__()
        self.register_buffer("weights", weights, persistent=False)
        self.weights: Tensor

    @override
    def forward(self, features: Features) -> Features:
        channels, reach = features.shape[1], len(self.weights) // 2
        weights = self.weights.to(features.dtype).expand(channels, 1, -1)
        padded = functional.pad(features, (reach, reach, reach, reach), mode="replicate")
        along = functional.conv2d(padded, weights.unsqueeze(2), groups=channels)
        return functional.conv2d(along, weights.unsqueeze(3), groups=channels)


def spread_or_batch(spread: Float[Tensor, "channel 1 1"], features: Features) -> Float[Tensor, "channel 1 1"]:
    """`spread`, or that of the batch `features` before it is fitted (NaN), while what comes before is being trained."""
    measured = features.detach().std(dim=(0, 2, 3), correction=0).view(-1, 1, 1)
    return torch.where(spread.isnan().any(), measured, spread)  # chosen on the device: the host need not know


def spread_over(batches: Iterable[Features]) -> Float[Tensor, "channel 1 1"]:
    """The standard deviation of each channel over places and all rows of `batches`, in fp64."""
    count, total, squares = 0, torch.zeros(()), torch.zeros(())
    for features in batches:
        values = features.double()
        count += values.numel() // values.shape[1]
        total = total.to(values.device) + values.sum(dim=(0, 2, 3))
        squares = squares.to(values.device) + values.square().sum(dim=(0, 2, 3))
    mean = total / count
    return (squares / count - mean.square()).clamp(min=0).sqrt().view(-1, 1, 1)


def keyed_numbers(rows: Features, key: int) -> list[int]:
    """A number below 2^63 for each row, by its bytes in fp32 and a private key: the same in any batch and any order."""
    secret = key.to_bytes(8, "big")
    digests = (
        hashlib.blake2b(row.tobytes(), key=secret, digest_size=8).digest()
        for row in rows.detach().float().cpu().contiguous().numpy()
    )
    return [int.from_bytes(digest, "big") >> 1 for digest in digests]


class Keyed(nn.Module):
    """What treats each row by a private `key` and the row that came in: the same in any batch, and nobody can tell how.

    `forward(features, source)` is given that row as `source` where others have changed it on the way.
    """

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("key", torch.zeros((), dtype=torch.int64))
        self.key: Tensor

    def numbers(self, source: Features) -> list[int]:
        """A number below 2^63 for each row of `source`."""
        return keyed_numbers(source, int(self.key))


class Noise(Keyed):
    r"""$f + \sigma s_c\, n$, with $n$ standard normal and $s_c$ the standard deviation of channel $c$.

    While others train through it, it draws anew each time, from torch's global generator. In eval mode the noise of a
    row follows from `key`, which is private, and from the row of `source` that it was made of (itself unless given):
    the same row has the same noise in any batch, in any order and however often it is asked for, so that nobody can
    average it away, and no two rows share it. Drawn on the CPU, so that every device draws the same.
    """

    def __init__(self, channels: int, sigma: float) -> None:
        super().__init__()
        self.sigma = sigma
        self.register_buffer("spread", torch.full((channels, 1, 1), torch.nan))
        self.spread: Tensor

    def fit(self, spread: Float[Tensor, "channel 1 1"], key: int) -> None:
        """Sets $s_c$, and the key."""
        self.spread.copy_(spread)
        self.key.fill_(key)

    @override
    def forward(self, features: Features, source: Features | None = None) -> Features:
        if not self.training:
            noise = torch.empty(features.shape)
            for row, number in zip(noise, self.numbers(features if source is None else source), strict=True):
                torch.randn(row.shape, generator=torch.Generator().manual_seed(number), out=row)
            return features + (self.sigma * self.spread * noise.to(features.device)).to(features.dtype)
        return features + self.sigma * spread_or_batch(self.spread, features) * torch.randn_like(features)


class Pool(nn.Module):
    """The mean of each square of `side` places, in all of its places; squares at the far edges are cut off."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    @override
    def forward(self, features: Features) -> Features:
        means = functional.avg_pool2d(features, self.side, ceil_mode=True)
        wide = means.repeat_interleave(self.side, 2).repeat_interleave(self.side, 3)
        return wide[:, :, : features.shape[2], : features.shape[3]]


class Levels(nn.Module):
    r"""Rounds to $2^b$ levels of each channel, four of its standard deviations $s_c$ from the first to the last.

    The first is 0 where features are never negative, else $-2 s_c$; values beyond the last become it. Gradients pass as
    if nothing were rounded.
    """

    def __init__(self, channels: int, bits: int, *, rectified: bool) -> None:
        super().__init__()
        self.bits, self.rectified = bits, rectified
        self.register_buffer("spread", torch.full((channels, 1, 1), torch.nan))
        self.spread: Tensor

    @override
    def forward(self, features: Features) -> Features:
        spread = spread_or_batch(self.spread, features)
        last = 2**self.bits - 1
        step = (4 * spread / last).clamp(min=1e-12)
        first = 0 if self.rectified else -2 * spread
        rounded = ((features - first) / step).round().clamp(0, last) * step + first
        # a sum with features would leave traces of them in the last bits of what is published
        return features + (rounded - features).detach() if features.requires_grad else rounded
