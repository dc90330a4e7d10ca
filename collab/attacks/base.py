"""What every attack is: something that is given an adversary's knowledge and answers with images, matches or scores."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NoReturn, get_args

from torch import Tensor, nn

from collab.defenses.base import Defense
from collab.errors import EntityError
from collab.scenario.base import AttackOptions
from collab.scenario.kinds import Plugin
from collab.seeding import Stream
from collab.training.feeds import ImageSet
from collab.training.options import FromOptions
from collab.training.precision import Compute
from collab.training.progress import Progress
from collab.training.tasks import Classification, Task

__all__ = [
    "ADVERSARIES",
    "Attack",
    "Compute",
    "Heard",
    "Knowledge",
    "Map",
    "Move",
    "Need",
    "Pairs",
    "Progress",
    "Stream",
]
"""What a file of an attack takes from here, the types of what it is given among it."""

Need = Literal[
    "images", "featurizer", "decider", "reconstructor", "public_data", "public_attributes", "public_identities",
    "victim_defense", "own_module", "own_data",
    "allies", "candidates", "candidate_labels", "moves", "pairs", "planted", "second", "victim_module",
    "victim_encoder", "victim_weights",
]  # fmt: skip
"""What an attack may ask for beside the shard that it is about: the flags of ATTACKS 1.1."""

Map = Callable[[Tensor], Tensor]
"""What is asked of a module or an encoder: rows to rows, or images to rows."""


Heard = nn.Module | tuple[Tensor, Tensor] | None
"""What tells of a network: its weights, or rows [rows, channels, height, width] with its answers [rows, classes] about
them; None for the released C."""

Move = tuple[Heard, Heard]
"""What all of a round's networks begin with, and one of them after it."""


@dataclass(frozen=True)
class Pairs:
    """Rows of the victim's shard whose images the adversary has: `features` [k, channels, height, width] in fp32.

    `images` [k, 3, side, side] in [0, 1] and `labels` [k] are theirs, and `attributes` [k, names], 1 or 0, the private
    ones that whoever looks at them sees, where the attack asks for these. None of them is among the rows attacked.
    """

    features: Tensor
    images: Tensor
    labels: Tensor
    attributes: Tensor | None = None


class Knowledge:
    """What an adversary has of what its attack asks for, and nothing else.

    `features` [rows, channels, height, width] in fp32 and `labels` [rows] are the first rows that the victim published,
    those that the attack is scored on; `shard()` yields all `published` of them, in its order, some at a time. While an
    attack rehearses there are none. `task` says what labels are, `rehearsed` what an attack kept of its rehearsal.
    `featurizer`, `decider`, `reconstructor` are the released networks, frozen; `public_data` are images of other
    classes, `public_attributes` [images, names], 1 or 0, and `public_identities` [images], what whoever looks at them
    sees: the private attributes of the scenario, and who is who; `victim_defense` is how the victim makes its module,
    untrained. `own_module` (features to features, in eval mode) and `own_data` are a collaborator's own; `allies` are
    modules and images of others who collude with it; `candidates` [images, 3, side, side] in [0, 1] may hold images of
    the victim's, and `candidate_labels` say what the task asks of each; `pairs` are images of the victim's with what it
    published of them; `planted` [k, 3, side, side] are such images alone, and which rows they became it has to find;
    `second` [rows, channels, height, width] in fp32 are rows that another entity published. `moves` are what the victim
    began each round with and what it published then (`Move`). `victim_module` is the victim's, where it is released or
    stolen and changes features, `victim_encoder` (images to features) what it makes of any image, and `victim_weights`
    the frozen module itself. Of a victim that publishes images, `images` [rows, 3, side, side] in [0, 1] are those, and
    `features` F of them.

    `attack` names the attack in messages. Raises EntityError where the adversary lacks something that the attack asks
    for, and on use of what it does not ask for.
    """

    features: Tensor
    labels: Tensor
    shard: Callable[[], Iterator[tuple[Tensor, Tensor]]]
    published: int
    task: Task
    rehearsed: Mapping[str, Tensor]
    images: Tensor
    featurizer: nn.Module
    decider: nn.Module
    reconstructor: nn.Module
    public_data: ImageSet
    public_attributes: Tensor
    public_identities: Tensor
    victim_defense: Defense
    own_module: Map
    own_data: ImageSet
    allies: tuple[tuple[Map, ImageSet], ...]
    candidates: Tensor
    candidate_labels: Tensor
    pairs: Pairs
    planted: Tensor
    moves: tuple["Move", ...]
    second: Tensor
    victim_module: Map
    victim_encoder: Map
    victim_weights: nn.Module

    def __init__(self, attack: str, features: Tensor, labels: Tensor, needs: frozenset[Need], **had: Any) -> None:
        self._attack, self.features, self.labels, self.rehearsed = attack, features, labels, {}
        self.shard = had.pop("shard", lambda: iter([(features, labels)]))
        self.published = had.pop("published", len(labels))
        self.task = had.pop("task", Classification(()))
        if missing := sorted(needs - had.keys()):
            raise EntityError(
                f"{attack} needs {', '.join(missing)}, which this adversary does not have. Who publishes has a module "
                "of its own; a victim's is there if its entity says `release_module: true`, images if it publishes "
                "them."
            )
        for name in needs:
            setattr(self, name, had[name])

    def __getattr__(self, name: str) -> NoReturn:
        if name in get_args(Need):
            raise EntityError(f"{self._attack} uses {name}, which it does not ask for. Add it to its `needs`.")
        raise AttributeError(name)


class Attack(FromOptions, Plugin, ABC):
    """Tells something of the images that lie behind published features.

    The truth is out of its reach: others score what it answered. Whatever it chooses (when to stop, which variant), it
    chooses on its own data. What it answers is said by its options (`AttackOptions.answers`).
    """

    group: ClassVar[str] = "attacks"
    Options: ClassVar[type[AttackOptions]] = AttackOptions
    needs: ClassVar[frozenset[Need]] = frozenset()

    @property
    def asks_for(self) -> frozenset[Need]:
        """What this attack is given: `needs`, unless its options ask for more."""
        return self.needs

    def rehearse(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> dict[str, Tensor]:
        """What it learns before it sees a shard, once for all victims of one recipe; its options say that it does."""
        return {}

    @abstractmethod
    def rebuild(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> Tensor:
        """What lies behind `known.features`, as far as it can tell; finite, and higher scores are surer.

        images: [rows, 3, side, side] in [0, 1]; matches: [rows, candidates]; members: [candidates]; classes: [classes],
        shares that sum to 1;
        attributes: [rows, 4], the mean brightness, red, green and blue of each image, in [0, 1]; private: [rows,
        names], above 0 where a row is taken to have that private attribute; embeddings: [rows, values], near each other
        where rows are of one individual.
        """


ADVERSARIES: tuple[tuple[str, frozenset[Need]], ...] = (
    ("module leaked", frozenset({"victim_module", "victim_encoder", "victim_weights"})),
    ("insider", frozenset({"pairs", "planted"})),
    ("collaborator", frozenset({"own_module", "own_data", "allies"})),
)
"""Classes of adversaries, the most knowing first, and what tells them from an outsider (ATTACKS 1.2)."""


def classify_adversary(asks_for: frozenset[Need]) -> str:
    """The least knowing class of adversary that has all of this."""
    return next((name for name, marks in ADVERSARIES if marks & asks_for), "outsider")
