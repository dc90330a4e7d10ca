"""What perturbs features without learning: filters over their map, and noise that belongs to a row."""

import hashlib

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


def channel_std(features: Features) -> Float[Tensor, "channel 1 1"]:
    """The standard deviation of each channel over rows and places."""
    return features.std(dim=(0, 2, 3), correction=0).view(-1, 1, 1)


class Noise(nn.Module):
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
        self.register_buffer("key", torch.zeros((), dtype=torch.int64))
        self.spread: Tensor
        self.key: Tensor

    def fit(self, spread: Float[Tensor, "channel 1 1"], key: int) -> None:
        """Sets $s_c$, and the key."""
        self.spread.copy_(spread)
        self.key.fill_(key)

    @override
    def forward(self, features: Features, source: Features | None = None) -> Features:
        if not self.training:
            drawn = self._of_rows(features.shape[1:], features if source is None else source)
            return features + (self.sigma * self.spread * drawn.to(features.device)).to(features.dtype)
        # not fitted yet: what comes before it is being trained, so the batch at hand stands for all rows
        spread = channel_std(features.detach()) if self.spread.isnan().any() else self.spread
        return features + self.sigma * spread * torch.randn_like(features)

    def _of_rows(self, shape: torch.Size, source: Features) -> Features:
        secret = int(self.key).to_bytes(8, "big")
        drawn = torch.empty((len(source), *shape))
        for place, row in enumerate(source.detach().float().cpu().contiguous().numpy()):
            digest = hashlib.blake2b(row.tobytes(), key=secret, digest_size=8).digest()
            generator = torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)
            torch.randn(shape, generator=generator, out=drawn[place])
        return drawn
