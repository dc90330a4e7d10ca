"""An entity that takes from the pool and gives nothing."""

from collab.participants.entity import Entity

from . import options


class FreeRider(Entity):
    """Refines on what others publish and publishes nothing, so it discloses nothing and fits no defense."""

    Options = options.FreeRider
