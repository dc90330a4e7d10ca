"""An entity that takes from the pool and gives nothing."""

from typing import ClassVar

from collab.participants.entity import Entity
from collab.scenario.base import EntityOptions

from .options import FreeRider as FreeRiderOptions


class FreeRider(Entity):
    """Refines on what others publish and publishes nothing, so it discloses nothing and fits no defense."""

    kind: ClassVar[str] = "free_rider"
    Options: ClassVar[type[EntityOptions]] = FreeRiderOptions
