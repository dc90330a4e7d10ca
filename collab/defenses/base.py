"""What every defense is: something fitted on private rows that turns features into what is published."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from torch import nn

from collab.scenario.base import DefenseOptions
from collab.seeding import Stream
from collab.training.feeds import FeatureFeed, ImageSet
from collab.training.precision import Compute
from collab.training.progress import Progress


@dataclass(frozen=True)
class PrivateView:
    """What a defense may look at while it is fitted, all inside its entity's process.

    `features` are F(x) of the entity's own rows, `images` holds row i of them at i; `decider` and `reconstructor` are
    the released networks, frozen. `stream` is private: whoever knows it can make the module again.
    """

    features: FeatureFeed
    images: ImageSet
    decider: nn.Module
    reconstructor: nn.Module
    stream: Stream
    compute: Compute
    progress: Progress


class Defense(ABC):
    """Protects features before they are published; `is_private` says that others can use them without the module."""

    group: ClassVar[str] = "defenses"
    kind: ClassVar[str]
    Options: ClassVar[type[DefenseOptions]] = DefenseOptions
    is_private: ClassVar[bool]

    @property
    @abstractmethod
    def batch_size(self) -> int:
        """Rows of a batch of the private view's features."""

    @classmethod
    @abstractmethod
    def from_options(cls, options: Any) -> Self:
        """The defense that validated options of its kind ask for."""

    @abstractmethod
    def build(self, channels: int, *, rectified: bool) -> nn.Module:
        """The module that features [batch, channels, height, width] pass through, untrained.

        `rectified` says that features are never negative, since the hook follows a ReLU.
        """

    @abstractmethod
    def fit(self, module: nn.Module, view: PrivateView) -> tuple[float, ...]:
        """Trains `module` in place on the private view and leaves it frozen; returns the mean loss of each epoch."""
