"""An outsider that attacks what everybody publishes, and publishes nothing."""

from typing import ClassVar

from collab.participants.entity import Entity
from collab.scenario.base import EntityOptions

from .options import Auditor as AuditorOptions


class Auditor(Entity):
    """It reads the store and the release, and publishes nothing; what it holds itself tells no attack of an audit."""

    kind: ClassVar[str] = "auditor"
    Options: ClassVar[type[EntityOptions]] = AuditorOptions
