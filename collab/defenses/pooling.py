"""Pooled features: fewer places, so less of an image (ATTACKS 6)."""

from dataclasses import dataclass

from torch import nn
from typing_extensions import override

from collab.defenses import options
from collab.defenses.base import FixedDefense
from collab.models.filters import Pool


@dataclass(frozen=True)
class Pooling(FixedDefense):
    """Publishes the mean of each square of `side` places, in all of them: the shape of features is F's.

    Behind a DPM, which is then trained through it, it takes detail away that R has not looked for. The mean is public
    and cannot be undone.
    """

    Options = options.Pooling

    side: int

    @override
    def build(self, channels: int, *, rectified: bool) -> nn.Module:
        return Pool(self.side)
