"""A task network of blocks that keep their width."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from collab.api import Backbone, Network

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class AKind(Backbone):
    """Halves the side twice, then `blocks` residual blocks of one width; it can be split after each of them."""

    class Options(Network):
        """What may stand beside `backbone: a_kind`."""

        blocks: int = Field(3, ge=1, le=32, description="Blocks after the stem; time grows with them.")

    kind: ClassVar[str] = "a_kind"
    sides: ClassVar[tuple[int, int]] = (16, 128)  # of the images that it takes
    width: ClassVar[int] = 32  # channels where a scenario states none

    blocks: int

    @property
    def hooks(self) -> tuple[str, ...]:
        """Where it can be split, shallow first."""
        return tuple(f"block{number}" for number in range(1, self.blocks + 1))

    def is_rectified(self, hook: str) -> bool:
        """Whether features at `hook` are never negative: each block ends in a ReLU."""
        return True

    def pieces(self, outputs: int, width: int | None) -> "dict[str, nn.Module]":
        """The network in pieces that are applied in turn: each hook is one, and `head` the last."""
        from torch import nn  # here, so that a scenario is checked without torch

        from collab.api import Residual, convolution

        assert width is not None  # of the scenario, or of this class
        stem = nn.Sequential(
            *convolution(3, width, 3, stride=2), nn.ReLU(), *convolution(width, width, 3, stride=2), nn.ReLU()
        )
        blocks = {
            hook: Residual(nn.Sequential(*convolution(width, width, 3), nn.ReLU(), *convolution(width, width, 3)))
            for hook in self.hooks
        }
        head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, outputs))
        return {"stem": stem, **blocks, "head": head}
