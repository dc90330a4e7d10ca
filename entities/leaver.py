"""An entity that withdraws what it has published."""

from collab.participants.entity import Entity

from . import options


class Leaver(Entity):
    """Publishes, and after one of the rows marks its shards as withdrawn; rows that follow do without them.

    What others have learned from them by then stays learned: withdrawing is no deletion.
    """

    Options = options.Leaver
