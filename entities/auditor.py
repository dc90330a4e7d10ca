"""An outsider that attacks what everybody publishes, and publishes nothing."""

from collab.participants.entity import Entity

from . import options


class Auditor(Entity):
    """It reads the store and the release, and publishes nothing; what it holds itself tells no attack of an audit."""

    Options = options.Auditor
