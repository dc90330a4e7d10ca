"""Options of entities that attack what others publish."""

from collections.abc import Sequence
from typing import ClassVar, Self

from pydantic import Field, model_validator
from typing_extensions import override

from collab.errors import ScenarioError
from collab.meant import did_you_mean
from collab.scenario.base import AttackOptions, EntityOptions, Name
from collab.scenario.kinds import AnyAttack


class Attacking(EntityOptions):
    """What it tries, and on whom."""

    says_what_is_played: ClassVar[frozenset[str]] = frozenset({"attacks", "victims", "best_of"})

    attacks: tuple[AnyAttack, ...] = Field(
        ("straw_man",), validate_default=True, description="Attack plugins, by name or as mappings."
    )
    victims: tuple[Name, ...] | None = Field(None, description="Whom it attacks; all who publish unless given.")

    best_of: bool = Field(
        False, description="Also score the best that its attacks rebuilt of each image, as if it knew which that is."
    )

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        labels = [attack.label for attack in self.attacks if isinstance(attack, AttackOptions)]  # others: as written
        if twice := sorted({label for label in labels if labels.count(label) > 1}):
            raise ValueError(f"two attacks are called {twice[0]}; give one of them a `name`")
        return self

    @override
    def attacks_on(self, peers: Sequence[str]) -> Sequence[tuple[str, AttackOptions]]:
        victims = peers if self.victims is None else self.victims
        if nobody := sorted(set(victims) - set(peers)):
            among = f"{', '.join(peers) or 'nobody'}{did_you_mean(nobody[0], peers)}"
            raise ScenarioError(f"nobody else publishes as {', '.join(nobody)}; victims are among {among}")
        known = [attack for attack in self.attacks if isinstance(attack, AttackOptions)]  # others: as written
        if nobody := sorted({other for attack in known for other in _others_of(attack)} - set(peers)):
            among = f"{', '.join(peers) or 'nobody'}{did_you_mean(nobody[0], peers)}"
            raise ScenarioError(
                f"nobody else publishes as {', '.join(nobody)}; second releases and allies are of {among}"
            )
        return [
            (victim, attack)
            for victim in victims
            for attack in self.attacks
            if attack not in known or victim not in _others_of(attack)
        ]


def _others_of(attack: AttackOptions) -> tuple[str, ...]:
    """Whose second release an attack looks at, and who colludes in it: no victims of it."""
    second = () if attack.second_release is None else attack.second_release[:1]
    return (*second, *(() if attack.hand_out is None else attack.hand_out.allies))
