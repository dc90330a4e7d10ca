"""The paper's entity: trains a private DPM, publishes poisoned features, refines on what the others published."""

from collab.participants.entity import Entity

from . import options


class Contributor(Entity):
    """Plays all three steps of the regime as Guo et al. describe them."""

    Options = options.Contributor
