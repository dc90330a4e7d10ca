"""An entity that plays by the rules and attacks what the others publish."""

from typing import ClassVar

from pydantic import Field

from collab.participants.entity import Entity
from collab.scenario.attacking import Attacking
from collab.scenario.kinds import AnyAttack


class Curious(Entity):
    """An honest but curious collaborator: it has the pool, the released networks, its own DPM and its own images."""

    class Options(Attacking):
        """What it tries, and on whom."""

        attacks: tuple[AnyAttack, ...] = Field(
            ("straw_man", "own_module"), validate_default=True, description="Attack plugins, by name or as mappings."
        )

    kind: ClassVar[str] = "curious"
