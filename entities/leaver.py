"""An entity that withdraws what it has published."""

from typing import ClassVar

from pydantic import Field
from typing_extensions import override

from collab.participants.entity import Entity
from collab.scenario.base import EntityOptions, RowName


class Leaver(Entity):
    """Publishes, and after one of the rows marks its shards as withdrawn; rows that follow do without them.

    What others have learned from them by then stays learned: withdrawing is no deletion.
    """

    class Options(EntityOptions):
        """When it leaves."""

        after: RowName = Field(description="The last row of the scenario that may use its shards.")

        @property
        @override
        def leaves_after(self) -> str:
            return str(self.after)

    kind: ClassVar[str] = "leaver"
