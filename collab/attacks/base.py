"""What every attack is: something that is given an adversary's knowledge and answers with images."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Literal, NoReturn, Self, get_args

from torch import Tensor, nn

from collab.errors import EntityError
from collab.scenario.base import AttackOptions
from collab.seeding import Stream
from collab.training.feeds import ImageSet
from collab.training.precision import Compute
from collab.training.progress import Progress

Need = Literal[
    "images",
    "featurizer",
    "decider",
    "reconstructor",
    "public_data",
    "own_module",
    "own_data",
    "victim_module",
    "victim_encoder",
]
"""What an attack may ask for beside the shard that it is about."""


class Knowledge:
    """What an adversary has of what its attack asks for in `needs`, and nothing else.

    `features` [rows, channels, height, width] in fp32 and `labels` [rows] are what the victim published, in its order.
    `featurizer`, `decider`, `reconstructor` are the released networks, frozen; `public_data` are images of other
    classes. `own_module` (features to features, in eval mode) and `own_data` are a collaborator's own; `victim_module`
    is the victim's, where it releases it and changes features, and `victim_encoder` (images to features) what it makes
    of any image. Of a victim that publishes images, `images` [rows, 3, side, side] in [0, 1] are those, `features` F of
    them.

    Raises EntityError where something asked for is not had, and on use of what was not asked for.
    """

    features: Tensor
    labels: Tensor
    images: Tensor
    featurizer: nn.Module
    decider: nn.Module
    reconstructor: nn.Module
    public_data: ImageSet
    own_module: Callable[[Tensor], Tensor]
    own_data: ImageSet
    victim_module: Callable[[Tensor], Tensor]
    victim_encoder: Callable[[Tensor], Tensor]

    def __init__(self, who: str, features: Tensor, labels: Tensor, needs: frozenset[Need], **had: Any) -> None:
        self._who, self.features, self.labels = who, features, labels
        if missing := sorted(needs - had.keys()):
            raise EntityError(
                f"{who} needs {', '.join(missing)}, which this adversary does not have. Who publishes has a module of "
                "its own; a victim's is there if its entity says `release_module: true`, images if it publishes them."
            )
        for name in needs:
            setattr(self, name, had[name])

    def __getattr__(self, name: str) -> NoReturn:
        if name in get_args(Need):
            raise EntityError(f"{self._who} uses {name}, which it does not ask for. Add it to its `needs`.")
        raise AttributeError(name)


class Attack(ABC):
    """Rebuilds images from published features.

    The truth is out of its reach: others score what it answered. Whatever it chooses (when to stop, which variant), it
    chooses on its own data.
    """

    group: ClassVar[str] = "attacks"
    kind: ClassVar[str]
    Options: ClassVar[type[AttackOptions]] = AttackOptions
    needs: ClassVar[frozenset[Need]] = frozenset()

    @classmethod
    @abstractmethod
    def from_options(cls, options: Any) -> Self:
        """The attack that validated options of its kind ask for."""

    @abstractmethod
    def rebuild(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> Tensor:
        """The images [rows, 3, side, side] in [0, 1] that lie behind `known.features`, as far as it can tell."""
