"""An entity that withdraws what it has published."""

from typing import ClassVar

from collab.participants.entity import Entity
from collab.scenario.base import EntityOptions

from .options import Leaver as LeaverOptions


class Leaver(Entity):
    """Publishes, and after one of the rows marks its shards as withdrawn; rows that follow do without them.

    What others have learned from them by then stays learned: withdrawing is no deletion.
    """

    kind: ClassVar[str] = "leaver"
    Options: ClassVar[type[EntityOptions]] = LeaverOptions
