"""No defense: what plain features disclose, for comparison."""

from dataclasses import dataclass

from torch import nn
from typing_extensions import override

from collab.defenses import options
from collab.defenses.base import FixedDefense


@dataclass(frozen=True)
class NoDefense(FixedDefense):
    """Publishes F(x) as it is; anyone with the released reconstructor sees the images."""

    keeps_values = True
    Options = options.NoDefense

    @override
    def build(self, channels: int, *, rectified: bool) -> nn.Module:
        return nn.Identity()
