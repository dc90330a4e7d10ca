"""An entity that takes from the pool and gives nothing."""

from typing import ClassVar

from collab.participants.entity import Entity
from collab.scenario.base import EntityOptions


class FreeRider(Entity):
    """Refines on what others publish and publishes nothing, so it discloses nothing and fits no defense."""

    class Options(EntityOptions):
        """It has none."""

        publishes: ClassVar[bool] = False

    kind: ClassVar[str] = "free_rider"
