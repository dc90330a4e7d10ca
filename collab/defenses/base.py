"""What every defense is: something fitted on private rows that turns features into what is published."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor, nn
from typing_extensions import override

from collab.defenses.options import Encoding, ImageDefenseOptions, PublicAnswers, PublicGaussian
from collab.errors import CollabError
from collab.guarantee import Guarantee
from collab.models.answerer import Answerer
from collab.scenario.base import DefenseOptions, Form
from collab.scenario.kinds import Plugin
from collab.seeding import Stream
from collab.training.feeds import FeatureFeed, ImageSet
from collab.training.options import FromOptions
from collab.training.precision import Compute
from collab.training.progress import Progress
from collab.training.tasks import Task


@dataclass(frozen=True)
class PrivateView:
    """What a defense may look at while it is fitted, all inside its entity's process.

    `features` are F(x) of the entity's own rows, in a chain as what stands before left them; `images` holds row i of
    them at i; `public` are images of other classes. `task` says what labels are, and what it costs to miss them; row i
    of `private` are attributes to be hidden, where there are any. `decider`, `reconstructor` and `featurizer` are the
    released networks, frozen. `stream` is private: whoever knows it can make the module again. `another` trains a
    further reconstructor of a kind on the public set, `identifier` a network that names the people of the own images
    from F(x), and says how many they are; `like_decider` builds an untrained network like the decider with so many
    outputs. `people` are numbers of whom own images show [rows], where the scenario asks for them. `after` is what the
    module's output goes through next, as far as that is known while this one is fitted.
    """

    features: FeatureFeed
    images: ImageSet
    public: ImageSet
    task: Task
    decider: nn.Module
    reconstructor: nn.Module
    stream: Stream
    compute: Compute
    progress: Progress
    featurizer: nn.Module
    another: Callable[[str], nn.Module]
    identifier: Callable[[], tuple[nn.Module, int]]
    like_decider: Callable[[int], nn.Module]
    private: Tensor | None = None
    people: Int[Tensor, " rows"] | None = None
    after: nn.Module = field(default_factory=nn.Identity)

    def at(self, rows: np.ndarray) -> "PrivateView":
        """The view of some of the own rows, by their numbers, ascending."""
        kept = torch.from_numpy(rows)
        private, people = (None if each is None else each[kept] for each in (self.private, self.people))
        return replace(
            self, features=self.features.at(rows), images=self.images.at(rows), private=private, people=people
        )


class Defense(FromOptions, Plugin, ABC):
    """Changes features before they are published: a plugin, which a scenario names.

    `is_private` says that others can use what it publishes without its module.

    `is_learned` off says that the module does what it does before it is fitted too, so that one that stands before it
    in a chain is trained through it. `keeps_values` says that what it publishes holds unpoisoned values
    on purpose, as they are or rearranged, so that the audit of a run does not take them for a leak.
    """

    group: ClassVar[str] = "defenses"
    Options: ClassVar[type[DefenseOptions]] = DefenseOptions
    is_private: ClassVar[bool]
    is_learned: ClassVar[bool] = True
    keeps_values: ClassVar[bool] = False

    @property
    def form(self) -> Form:
        """What it is given and what its entity publishes."""
        return self.Options.form

    def guarantee(self, rows: int, people: int | None = None) -> Guarantee | None:
        """What holds of all that an entity with `rows` images publishes by it; None: nothing is guaranteed.

        These show so many `people`, where that is known.
        """
        return None

    @property
    def batch_size(self) -> int:
        """Rows of a batch of the private view's features; what learns by steps says its own."""
        return 256

    @abstractmethod
    def build(self, channels: int, *, rectified: bool) -> nn.Module:
        """The module that features [batch, channels, height, width] pass through, untrained.

        `rectified` says that features are never negative, since the hook follows a ReLU.
        """

    @abstractmethod
    def fit(self, module: nn.Module, view: PrivateView) -> tuple[float, ...]:
        """Trains `module` in place on the private view and leaves it frozen; returns the mean loss of each epoch.

        What learns is left in eval mode. What follows in a chain is fitted through the module in the mode it is left
        in; publishing and scoring take eval mode.
        """

    def vary(self, number: int, epochs: int | None) -> "Defense":
        """This defense as an adversary guesses it who trains shadow `number` itself, for `epochs` where they are given.

        What has no sizes to be mistaken about is guessed as it is.
        """
        return self


class FixedDefense(Defense):
    """A defense that learns nothing: its module is public, and what it does is known before any row is."""

    is_private = False
    is_learned = False

    @override
    def fit(self, module: nn.Module, view: PrivateView) -> tuple[float, ...]:
        return ()


class ImageDefense(FixedDefense):
    """A defense that publishes images: its options say so, and its module turns images in [0, 1] into such.

    What it publishes is rounded to 8 bits. `build` is asked for 3 channels. Peers compute F of what they read.
    """

    Options: ClassVar[type[DefenseOptions]] = ImageDefenseOptions

    def shown(self, module: nn.Module, images: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        """What `module` makes of images [batch, 3, side, side], and what else to tell of each: values [batch]."""
        return module(images), {}


class AnsweringDefense(Defense):
    """A defense that publishes answers about public images: its module is an `Answerer`, begun as C, and stays private.

    `images` is how many of them are answered about, all where it is None; `choose` says which, `mixes` about how many
    mixes beside each (`collab.participants.asking`).
    """

    Options: ClassVar[type[DefenseOptions]] = PublicAnswers
    is_private = True
    images: int | None
    choose: Literal["random", "unsure"]
    mixes: int

    @abstractmethod
    def begin(self, decider: nn.Module) -> Answerer:
        """The module before it has learned, from the released C."""

    @override
    def build(self, channels: int, *, rectified: bool) -> nn.Module:
        raise CollabError(f"{self.kind} answers about public images: its module begins as C, and is not built.")


class DrawingDefense(Defense):
    """A defense that publishes rows drawn from statistics of the own ones; its module is a `Drawing`."""

    Options: ClassVar[type[DefenseOptions]] = PublicGaussian
    is_private = True


class EncodingDefense(Defense):
    """A defense that makes features of images itself: its module is an `Encoder`, public, and others train on it."""

    Options: ClassVar[type[DefenseOptions]] = Encoding
    is_private = False

    @override
    def build(self, channels: int, *, rectified: bool) -> nn.Module:
        raise CollabError(f"{self.kind} encodes images: its module begins as F and C, and is not built for features.")
