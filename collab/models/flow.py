"""A conditional normalizing flow: a density of short vectors, of which one may ask how likely each is."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from typing_extensions import override

MOST_SCALE = 2.0
"""Largest log-scale of one coupling: no value is stretched by more than e^2 at a time."""


class Coupling(nn.Module):
    """Scales and shifts every second value as the others and the condition say; at first it changes nothing.

    The affine coupling layer of RealNVP (Dinh, Sohl-Dickstein and Bengio, ICLR 2017).
    """

    def __init__(self, size: int, condition: int, width: int, *, is_odd: bool) -> None:
        super().__init__()
        self.register_buffer("kept", (torch.arange(size) % 2 == int(is_odd)).float(), persistent=False)
        self.kept: Tensor
        last = nn.Linear(width, 2 * size)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.body = nn.Sequential(
            nn.Linear(size + condition, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), last
        )  # fmt: skip

    def terms(self, values: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Log-scale and shift [batch, size], 0 where values are kept; they depend on those alone."""
        scale, shift = self.body(torch.cat([values * self.kept, condition], 1)).chunk(2, 1)
        return MOST_SCALE * torch.tanh(scale / MOST_SCALE) * (1 - self.kept), shift * (1 - self.kept)


class ConditionalFlow(nn.Module):
    r"""$\log p(z \mid c)$ of vectors z [batch, size], given conditions c [batch, condition].

    $$ \log p(z \mid c) = \log \mathcal N(u; 0, 1) + \log |\det \partial u / \partial z| $$

    First each value is moved and scaled as c alone says (with no `layers`, a normal density with a diagonal covariance
    for each c), then `layers` couplings follow. Untrained it is the standard normal density. In fp32 under any
    autocast.
    """

    def __init__(self, size: int, condition: int, *, layers: int = 6, width: int = 128) -> None:
        super().__init__()
        self.first = nn.Linear(condition, 2 * size)
        nn.init.zeros_(self.first.weight)
        nn.init.zeros_(self.first.bias)
        self.couplings = nn.ModuleList(
            Coupling(size, condition, width, is_odd=bool(number % 2)) for number in range(layers)
        )

    @override
    def forward(
        self, values: Float[Tensor, "batch size"], condition: Float[Tensor, "batch condition"]
    ) -> Float[Tensor, " batch"]:
        """log p of each vector, in nats."""
        with torch.autocast(values.device.type, enabled=False):
            u, logdet = self.encode(values.float(), condition.float())
            return logdet - (u.square() + math.log(2 * math.pi)).sum(1) / 2

    def encode(self, values: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """u [batch, size], which is standard normal where the density is right, and the log-determinant [batch]."""
        scale, shift = self.first(condition).chunk(2, 1)
        u, logdet = (values - shift) * torch.exp(-scale), -scale.sum(1)
        for coupling in self.couplings:
            assert isinstance(coupling, Coupling)  # by the constructor
            scale, shift = coupling.terms(u, condition)
            u, logdet = u * torch.exp(scale) + shift, logdet + scale.sum(1)
        return u, logdet

    def decode(self, u: Tensor, condition: Tensor) -> Tensor:
        """The values [batch, size] that `encode` made u of; of standard normal u a sample."""
        for coupling in reversed(self.couplings):
            assert isinstance(coupling, Coupling)
            scale, shift = coupling.terms(u, condition)
            u = (u - shift) * torch.exp(-scale)
        scale, shift = self.first(condition).chunk(2, 1)
        values: Tensor = u * torch.exp(scale) + shift
        return values
