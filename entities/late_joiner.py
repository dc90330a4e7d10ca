"""An entity that comes when the others are done."""

from typing import ClassVar

from collab.participants.entity import Entity
from collab.scenario.base import EntityOptions

from .options import LateJoiner as LateJoinerOptions


class LateJoiner(Entity):
    """Takes the released networks, and publishes, only after all who were there from the start have published."""

    kind: ClassVar[str] = "late_joiner"
    Options: ClassVar[type[EntityOptions]] = LateJoinerOptions
