"""The paper's entity: trains a private DPM, publishes poisoned features, refines on what the others published."""

from typing import ClassVar

from collab.participants.entity import Entity
from collab.scenario.base import EntityOptions

from .options import Contributor as ContributorOptions


class Contributor(Entity):
    """Plays all three steps of the regime as Guo et al. describe them."""

    kind: ClassVar[str] = "contributor"
    Options: ClassVar[type[EntityOptions]] = ContributorOptions
