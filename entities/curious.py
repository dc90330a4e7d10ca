"""An entity that plays by the rules and attacks what the others publish."""

from typing import ClassVar

from collab.participants.entity import Entity
from collab.scenario.base import EntityOptions

from .options import Curious as CuriousOptions


class Curious(Entity):
    """An honest but curious collaborator: it has the pool, the released networks, its own DPM and its own images."""

    kind: ClassVar[str] = "curious"
    Options: ClassVar[type[EntityOptions]] = CuriousOptions
