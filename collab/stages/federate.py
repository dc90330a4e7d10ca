"""Federated averaging, for comparison: entities exchange weights of C in rounds, in place of features."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from collab.scenario.federated import Federation
from collab.stages.base import Job, Planning, Playing, Stage, Urgency
from collab.stages.featurize import Featurize, FeaturizeHeldout
from collab.stages.keys import Keys, plain, remember
from collab.training.progress import Progress
from collab.types import Report

if TYPE_CHECKING:
    from collab.participants.entity import Entity


@dataclass(frozen=True)
class Round:
    """A round of a federation, the first is 1."""

    federation: Federation
    number: int


class Federate(Stage["Entity"]):
    """An entity trains C on its own features for a round, and publishes its weights."""

    name, version = "federate", 3
    is_brief = True

    def jobs(self, planning: Planning) -> Iterator[Job]:
        """One of each entity in each round, after all of the round before."""
        for place, federation in enumerate(planning.scenario.federated):
            for number in range(1, federation.rounds + 1):
                for participant in federation.entities:
                    yield Job(
                        _round_of(participant, federation, number), participant, self.name,
                        (Urgency.FEDERATE, place, number),
                        needs=(f"featurize {participant}", *_all_of_round(federation, number - 1)),
                        order=Round(federation, number),
                    )  # fmt: skip

    def key(self, keys: Keys, job: Job) -> str:
        """How is trained, the own features, and the round before."""
        return _federated(keys, job.participant, job.order.federation, job.order.number)

    def play(self, entity: "Entity", job: Job, playing: Playing, progress: Progress, /) -> Report:
        """Asks the entity."""
        return entity.federate(job.order.federation, job.order.number, progress)


class Average(Stage["Entity"]):
    """An entity scores what has come of the last round."""

    name, version = "average", 4

    def jobs(self, planning: Planning) -> Iterator[Job]:
        """One of each entity that took part."""
        for place, federation in enumerate(planning.scenario.federated):
            for participant in federation.entities:
                yield Job(
                    f"average {participant} row {federation.name}", participant, self.name,
                    (Urgency.FEDERATE, place, federation.rounds + 1),
                    needs=("featurize heldout", *_all_of_round(federation, federation.rounds)),
                    labels=((str(federation.name), participant),), order=federation,
                )  # fmt: skip

    def key(self, keys: Keys, job: Job) -> str:
        """The last round, and F of the held-out images."""
        federation: Federation = job.order
        used = [FeaturizeHeldout.key_of(keys), *_round(keys, federation, federation.rounds)]
        options = {"rounds": federation.rounds, **({"extras": federation.extras} if federation.extras else {})}
        used.append(Featurize.key_of(keys, job.participant))
        return keys.make(Average, job.participant, options, used)

    def play(self, entity: "Entity", job: Job, playing: Playing, progress: Progress, /) -> Report:
        """Asks the entity."""
        return entity.average(job.order, progress)


def _round_of(participant: str, federation: Federation, number: int) -> str:
    return f"federate {participant} row {federation.name} round {number}"


def _all_of_round(federation: Federation, number: int) -> tuple[str, ...]:
    return tuple(_round_of(participant, federation, number) for participant in federation.entities) if number else ()


@remember
def _federated(keys: Keys, participant: str, federation: Federation, number: int) -> str:
    refine = {name: value for name, value in plain(keys.scenario.refine).items() if name not in _NOT_OF_ROUNDS}
    options = {"refine": refine, "local_epochs": federation.local_epochs, "round": number}
    if federation.extras:
        options |= {"extras": federation.extras, "drawn_by": keys.scenario.seed}
    used = [Featurize.key_of(keys, participant), *_round(keys, federation, number - 1)]
    return keys.make(Federate, participant, options, used)


def _round(keys: Keys, federation: Federation, number: int) -> list[str]:
    """The keys of a round, none for that before the first; jobs come in order, so the one before is remembered."""
    return [_federated(keys, name, federation, number) for name in sorted(federation.entities)] if number else []


_NOT_OF_ROUNDS = ("vet", "epochs", "budget", "repeats", "leave_out")
"""What `refine` says of refining that rounds have no use for."""
