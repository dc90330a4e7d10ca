"""A module that makes rows up: what is published of statistics, where no row is any image's."""

from abc import abstractmethod
from collections.abc import Iterator

import torch
from torch import Tensor, nn


class Drawing(nn.Module):
    """Knows statistics of many rows, and draws labeled rows from them."""

    @abstractmethod
    def draw(self, generator: torch.Generator, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Features [batch, channels, height, width] in fp32 and labels [batch]; the generator decides all of them."""
