"""An outsider that attacks what everybody publishes, and publishes nothing."""

from typing import ClassVar

from collab.participants.entity import Entity
from collab.scenario.attacking import Attacking


class Auditor(Entity):
    """It reads the store and the release, and publishes nothing; what it holds itself tells no attack of an audit."""

    class Options(Attacking):
        """What it tries, and on whom."""

        publishes: ClassVar[bool] = False

    kind: ClassVar[str] = "auditor"
