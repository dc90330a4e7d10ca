"""The most that attacks got of what a party publishes, as a share of what there is to find, by class of adversary."""

import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from collab.report.attack_page.cells import Cell
from collab.report.attack_page.verdicts import ADVERSARIES
from collab.report.attack_page.words import CONTROL_FAILED
from collab.results.figure import Figure
from collab.scenario.model import Scenario

FALSE_ALARMS = 0.01
"""At which members are counted that an attack finds; as many would be found by a guess."""

MEMBERS = "members"


@dataclass(frozen=True)
class Got:
    """What one attack by one class of adversary got of a defense: a share from 0 to 1 of `what`, with its interval.

    Of `images` it is normalized leakage, of `rows` the share that was matched, of `members` the share that was found
    beyond the false alarms. `victims` are the entities with this defense that were attacked.
    """

    defense: str
    victims: tuple[str, ...]
    adversary: str
    attack: str
    what: str
    share: Figure

    @classmethod
    def of_kept(cls, kept: Mapping[str, Any]) -> "Got":
        """One that was kept as JSON; of its share the number, the interval and n, which is what pages read."""
        share = kept["share"]
        figure = Figure(share["value"], share["low"], share["high"], share["n"])
        return cls(**{**kept, "victims": tuple(kept["victims"]), "share": figure})


@dataclass(frozen=True)
class Most:
    """The attack that got most over seeds: the mean of its share, the lowest and the highest of so many `seeds`."""

    attack: str
    what: str
    share: float
    low: float
    high: float
    seeds: int

    def __str__(self) -> str:
        """`98 % of rows (97 to 100), matching`."""
        told = [f"{100 * each:.0f}" for each in (self.low, self.high)]
        spread = f" ({' to '.join(told)})" if self.seeds > 1 else ""
        return f"{100 * self.share:.0f} % of {self.what}{spread}, {self.attack}"


def pick_victims(scenario: Scenario, publishers: Collection[str]) -> set[str]:
    """Of `publishers` those whom attacks are counted on: all but whoever pre-trained, where others publish too.

    F and C know the images of whoever pre-trained, whatever its defense does.
    """
    return {name for name in publishers if name != scenario.model.pretrain.leader} or {*publishers}


def list_got(cells: Sequence[Cell], victims: Collection[str]) -> list[Got]:
    """All that attacks on `victims` got; nothing of an attack whose control failed."""
    found = []
    for cell in cells:
        if cell.word == CONTROL_FAILED or not {*victims} & {*cell.victims}:
            continue
        members = cell.members
        if members is not None:
            beyond = members - Figure(FALSE_ALARMS, FALSE_ALARMS, FALSE_ALARMS)
            members = replace(beyond, value=max(0.0, beyond.value)).within(0.0, 1.0)
        shares = {"images": cell.leakage, "rows": cell.matches, MEMBERS: members}
        found += [
            Got(cell.defense, cell.victims, cell.adversary, cell.attack, what, share)
            for what, share in shares.items()
            if share is not None
        ]
    return found


def find_most(seeds: Sequence[Sequence[Got]], only: str | None = None) -> dict[str, Most]:
    """By class of adversary, who knows least first: the attack whose mean over `seeds` is largest, of `only` one thing.

    A share below 0, as leakage of an attack that does worse than a guess, counts as 0.
    """
    shares: dict[tuple[str, str, str], list[float]] = {}
    for got in (each for found in seeds for each in found if only in (None, each.what)):
        shares.setdefault((got.adversary, got.attack, got.what), []).append(max(0.0, got.share.value))
    most: dict[str, Most] = {}
    for (adversary, attack, what), found in shares.items():
        one = Most(attack, what, statistics.fmean(found), min(found), max(found), len(found))
        if adversary not in most or one.share > most[adversary].share:
            most[adversary] = one
    return {name: most[name] for name in sorted(most, key=_rank)}


def pick_most(most: Mapping[str, Most], adversaries: Collection[str]) -> Most | None:
    """The largest share that one of `adversaries` got; None where none of them attacked."""
    here = [each for name, each in most.items() if name in adversaries]
    return max(here, key=lambda each: each.share, default=None)


def _rank(adversary: str) -> int:
    order = list(ADVERSARIES)
    return order.index(adversary) if adversary in order else len(order)
