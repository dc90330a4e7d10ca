"""An entity that comes when the others are done."""

from typing import ClassVar

from collab.participants.entity import Entity
from collab.scenario.base import EntityOptions


class LateJoiner(Entity):
    """Takes the released networks, and publishes, only after all who were there from the start have published."""

    class Options(EntityOptions):
        """It has none."""

        is_late: ClassVar[bool] = True

    kind: ClassVar[str] = "late_joiner"
