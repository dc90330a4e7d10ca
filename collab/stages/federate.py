"""Federated averaging, for comparison: entities exchange weights of C in rounds, in place of features."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from collab.scenario.base import RowName
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

    name, version = "federate", 4
    is_brief = True

    def jobs(self, planning: Planning) -> Iterator[Job]:
        """One of each entity in each round, after all of the round before."""
        for place, federation in enumerate(planning.scenario.federated):
            for number in range(1, federation.rounds + 1):
                for participant in federation.entities:
                    yield Job(
                        _round_of(participant, federation, number), participant, self.name,
                        (Urgency.FEDERATE, place, number),
                        needs=(f"featurize {participant}", *_aggregated(federation, number - 1)),
                        order=Round(federation, number),
                    )  # fmt: skip

    def key(self, keys: Keys, job: Job) -> str:
        """How is trained, the own features, and the round before."""
        return _federated(keys, job.participant, job.order.federation, job.order.number)

    def play(self, entity: "Entity", job: Job, playing: Playing, progress: Progress, /) -> Report:
        """Asks the entity."""
        return entity.federate(job.order.federation, job.order.number, progress)


class Aggregate(Stage["Entity"]):
    """The first entity by name averages what arrived in a round, for all."""

    name, version = "aggregate", 1
    is_brief = True

    def jobs(self, planning: Planning) -> Iterator[Job]:
        """One of each round, after all of it."""
        for place, federation in enumerate(planning.scenario.federated):
            for number in range(1, federation.rounds + 1):
                (name,) = _aggregated(federation, number)
                needs = tuple(_round_of(each, federation, number) for each in federation.entities)
                yield Job(
                    name, min(federation.entities), self.name, (Urgency.FEDERATE, place, number, 1),
                    needs=(*needs, *_aggregated(federation, number - 1)), order=Round(federation, number),
                )  # fmt: skip

    def key(self, keys: Keys, job: Job) -> str:
        """The weights that are averaged, the average before, and the momentum."""
        return _averaged(keys, job.order.federation, job.order.number)

    def play(self, entity: "Entity", job: Job, playing: Playing, progress: Progress, /) -> Report:
        """Asks the entity."""
        return entity.aggregate(job.order.federation, job.order.number, progress)


class Average(Stage["Entity"]):
    """An entity scores what has come of the last round."""

    name, version = "average", 5

    def jobs(self, planning: Planning) -> Iterator[Job]:
        """One of each entity that took part."""
        for place, federation in enumerate(planning.scenario.federated):
            for participant in federation.entities:
                yield Job(
                    f"average {participant} row {federation.name}", participant, self.name,
                    (Urgency.FEDERATE, place, federation.rounds + 1),
                    needs=("featurize heldout", *_aggregated(federation, federation.rounds)),
                    labels=((str(federation.name), participant),), order=federation,
                )  # fmt: skip

    def key(self, keys: Keys, job: Job) -> str:
        """The last round, and F of the held-out images."""
        federation: Federation = job.order
        used = [FeaturizeHeldout.key_of(keys), _averaged(keys, federation, federation.rounds)]
        options = {"rounds": federation.rounds, **_told(keys, federation)}
        used.append(Featurize.key_of(keys, job.participant))
        return keys.make(Average, job.participant, options, used)

    def play(self, entity: "Entity", job: Job, playing: Playing, progress: Progress, /) -> Report:
        """Asks the entity."""
        return entity.average(job.order, progress)


def last_average(planning: Planning, row: RowName | None) -> tuple[str, ...]:
    """The job that ends a row of `federated`; none of no row."""
    return tuple(
        name for each in planning.scenario.federated if each.name == row for name in _aggregated(each, each.rounds)
    )


def key_of_row(keys: Keys, row: RowName | None) -> list[str]:
    """Of all weights of a row of `federated`; none of no row."""
    return [_averaged(keys, each, each.rounds) for each in keys.scenario.federated if each.name == row]


def _round_of(participant: str, federation: Federation, number: int) -> str:
    return f"federate {participant} row {federation.name} round {number}"


def _aggregated(federation: Federation, number: int) -> tuple[str, ...]:
    """The job that averages a round; none before the first."""
    return (f"aggregate row {federation.name} round {number}",) if number else ()


@remember
def _federated(keys: Keys, participant: str, federation: Federation, number: int) -> str:
    refine = {name: value for name, value in plain(keys.scenario.refine).items() if name not in _NOT_OF_ROUNDS}
    options = {"refine": refine, "local_epochs": federation.local_epochs, "round": number}
    options |= _told(keys, federation)
    used = [Featurize.key_of(keys, participant)]
    used += [_averaged(keys, federation, number - 1)] if number > 1 else []
    return keys.make(Federate, participant, options, used)


@remember
def _averaged(keys: Keys, federation: Federation, number: int) -> str:
    """Of a round from 1; jobs come in order, so the one before is remembered."""
    used = [_federated(keys, name, federation, number) for name in sorted(federation.entities)]
    used += [_averaged(keys, federation, number - 1)] if number > 1 else []
    return keys.make(Aggregate, min(federation.entities), {"round": number, **_told(keys, federation)}, used)


def _told(keys: Keys, federation: Federation) -> dict[str, Any]:
    """What of it is not plain averaging, and what decides who is drawn."""
    return {"extras": federation.extras, "drawn_by": keys.scenario.seed} if federation.extras else {}


_NOT_OF_ROUNDS = ("vet", "epochs", "budget", "repeats", "leave_out")
"""What `refine` says of refining that rounds have no use for."""
