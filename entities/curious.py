"""An entity that plays by the rules and attacks what the others publish."""

from collab.participants.entity import Entity

from . import options


class Curious(Entity):
    """An honest but curious collaborator: it has the pool, the released networks, its own DPM and its own images."""

    Options = options.Curious
