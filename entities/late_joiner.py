"""An entity that comes when the others are done."""

from collab.participants.entity import Entity

from . import options


class LateJoiner(Entity):
    """Takes the released networks, and publishes, only after all who were there from the start have published."""

    Options = options.LateJoiner
