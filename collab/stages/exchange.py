"""Rounds of answers before the last: each entity that takes part answers, and reads what all answered before."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from collab.scenario.model import Scenario
from collab.stages.base import Job, Planning, Playing, Stage
from collab.stages.featurize import Featurize
from collab.stages.keys import Keys, digest, plain, remember
from collab.stages.reconstruct import Reconstruct
from collab.training.progress import Progress
from collab.types import Report

if TYPE_CHECKING:
    from collab.participants.entity import Entity


@dataclass(frozen=True)
class Round:
    """A round of answers before the last, from 1."""

    number: int


class Exchange(Stage["Entity"]):
    """An entity trains C on its own features for a round, and answers about public images."""

    name, version, runs = "exchange", 1, ("defenses",)

    def jobs(self, planning: Planning) -> Iterator[Job]:
        """One of each who takes part, in each round but the last, which is `poison` and `publish`."""
        for name in planning.scenario.answering_in_rounds if planning.publishers else ():
            for number in range(1, _rounds(planning.scenario, name)):
                before = name_round(planning.scenario, number - 1)
                needs = (f"featurize {name}", f"reconstruct {planning.leader}", *before)
                place = planning.publishing(name, 1)
                yield Job(_name_job(name, number), name, self.name, place, needs, order=Round(number))

    def key(self, keys: Keys, job: Job) -> str:
        """Of one entity's round."""
        return _key_of(keys, job.participant, job.order.number)

    def play(self, entity: "Entity", job: Job, playing: Playing, progress: Progress, /) -> Report:
        """Asks the entity."""
        return entity.exchange(job.order.number, progress)


def name_round(scenario: Scenario, number: int) -> tuple[str, ...]:
    """The jobs of all who take part in a round; none of that before the first."""
    return tuple(_name_job(name, number) for name in scenario.answering_in_rounds) if number else ()


def last_round(scenario: Scenario, name: str) -> int:
    """The round before the last of an entity, which that begins with; 0 where it answers once, or not at all."""
    return _rounds(scenario, name) - 1


def round_keys(keys: Keys, number: int) -> list[str]:
    """The keys of a round and how is learned from it; none of that before the first."""
    if not number:
        return []
    learned = {each: value for each, value in plain(keys.scenario.refine).items() if each not in _NOT_OF_ROUNDS}
    return [digest(learned), *(_key_of(keys, name, number) for name in keys.scenario.answering_in_rounds)]


@remember
def _key_of(keys: Keys, name: str, number: int) -> str:
    """The defense and its code, the own features, F of public images, and the round before."""
    (defense,) = keys.entity(name).defenses
    options = {"defense": plain(defense), "code": keys.code("defenses", defense.kind), "round": number}
    used = [Featurize.key_of(keys, name), Reconstruct.key_of(keys, keys.leader), *round_keys(keys, number - 1)]
    return keys.make(Exchange, name, options, used)


def _rounds(scenario: Scenario, name: str) -> int:
    return next(each for each in scenario.entities if each.name == name).defenses[0].public_rounds


def _name_job(name: str, number: int) -> str:
    return f"exchange {name} round {number}"


_NOT_OF_ROUNDS = ("bn", "budget", "repeats", "leave_out")
"""What `refine` says of refining that learning from the answers of a round has no use for."""
