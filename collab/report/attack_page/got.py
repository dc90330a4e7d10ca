"""The most that attacks got of what a party publishes, as a share of what there is to find, by class of adversary."""

import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from collab.report.attack_page.attempts import WEIGHTS_OF, is_of_weights
from collab.report.attack_page.cells import Cell, name_attack
from collab.report.attack_page.verdicts import ADVERSARIES
from collab.report.attack_page.words import CONTROL_FAILED
from collab.results.figure import Figure
from collab.results.gains import list_largest_pools
from collab.scenario.model import Scenario
from collab.scenario.rows import list_played_rows

FALSE_ALARMS = 0.01
"""At which members are counted that an attack finds; as many would be found by a guess."""

MEMBERS = "members"


@dataclass(frozen=True)
class Got:
    """What one attack by one class of adversary got of a defense: a share from 0 to 1 of `what`, with its interval.

    Of `images` it is normalized leakage, of `rows` the share that was matched, of `members` the share that was found
    beyond the false alarms. `victims` are those with this defense whom attacks are counted on, `rows` the rows of the
    scenario that tell what the defense brings. `by` is as that of a `Cell`.
    """

    defense: str
    victims: tuple[str, ...]
    rows: tuple[str, ...]
    adversary: str
    attack: str
    what: str
    share: Figure
    by: str = ""

    @classmethod
    def of_kept(cls, kept: Mapping[str, Any]) -> "Got":
        """One that was kept as JSON; of its share the number, the interval and n, which is what pages read."""
        share = kept["share"]
        figure = Figure(share["value"], share["low"], share["high"], share["n"])
        return cls(**{**kept, "victims": tuple(kept["victims"]), "rows": tuple(kept["rows"]), "share": figure})


@dataclass(frozen=True)
class Most:
    """The attack that got most over seeds: the mean of its share, the lowest and the highest of so many `seeds`.

    Of `of` seeds: in the others its control failed, or it was not tried.
    """

    attack: str
    what: str
    share: float
    low: float
    high: float
    seeds: int
    of: int

    def __str__(self) -> str:
        """`98 % of rows (97 to 100), matching`; without lowest and highest where these read alike."""
        told = [f"{100 * each:.0f}" for each in (self.low, self.high)]
        spread = f" ({' to '.join(told)})" if told[0] != told[1] else ""
        some = "" if self.seeds == self.of else f" in {self.seeds} of {self.of} seeds"
        return f"{100 * self.share:.0f} % of {self.what}{spread}, {self.attack}{some}"


def pick_victims(scenario: Scenario) -> set[str]:
    """On whom attacks on what is published are counted: whose rows others read; where nobody reads, all who publish.

    But for whoever pre-trained, where others publish too: F and C know its images, whatever its defense does.
    """
    parties = {each.name for each in scenario.entities if each.is_publishing_party}
    read = parties & {name for row in list_played_rows(scenario) for name in row.pool}
    counted = read or parties
    return counted - {scenario.model.pretrain.leader} or counted


def list_got(scenario: Scenario, cells: Sequence[Cell]) -> list[Got]:
    """All that attacks got of what is shared; nothing of an attack whose control failed.

    What several victims of one defense gave away is one figure, of all that were attacked.
    """
    published, found = pick_victims(scenario), list[Got]()
    for cell in cells:
        of_weights = is_of_weights(cell.defense)
        victims = tuple(name for name in cell.victims if of_weights or name in published)
        if cell.word == CONTROL_FAILED or not victims:
            continue
        row = cell.defense.removeprefix(WEIGHTS_OF).removesuffix(f" of {scenario.model.pretrain.leader}")
        rows = (row,) if of_weights else _list_rows(scenario, victims[0])
        members = cell.members
        if members is not None:
            beyond = members - Figure(FALSE_ALARMS, FALSE_ALARMS, FALSE_ALARMS)
            members = replace(beyond, value=max(0.0, beyond.value)).within(0.0, 1.0)
        shares = {"images": cell.leakage, "rows": cell.matches, MEMBERS: members}
        found += [
            Got(cell.defense, victims, rows, cell.adversary, cell.attack, what, share, cell.by)
            for what, share in shares.items()
            if share is not None
        ]
    return found


def find_most(seeds: Sequence[Sequence[Got]], only: str | None = None) -> dict[str, Most]:
    """By class of adversary, who knows least first: the attack whose mean over `seeds` is largest, of `only` one thing.

    One that says something of every seed comes before all others. A share below 0, as leakage of an attack that does
    worse than a guess, counts as 0, one above 1 as 1.
    """
    shares: dict[tuple[str, str, str], list[float]] = {}
    for got in (each for found in seeds for each in found if only in (None, each.what)):
        key = got.adversary, name_attack(got.attack, got.by), got.what
        shares.setdefault(key, []).append(min(1.0, max(0.0, got.share.value)))
    most: dict[str, Most] = {}
    for (adversary, attack, what), found in shares.items():
        one = Most(attack, what, statistics.fmean(found), min(found), max(found), len(found), len(seeds))
        if adversary not in most or (one.seeds, one.share) > (most[adversary].seeds, most[adversary].share):
            most[adversary] = one
    return {name: most[name] for name in sorted(most, key=_rank)}


def pick_most(most: Mapping[str, Most], adversaries: Collection[str]) -> Most | None:
    """The largest share that one of `adversaries` got; None where none of them attacked."""
    here = [each for name, each in most.items() if name in adversaries]
    return max(here, key=lambda each: each.share, default=None)


def _list_rows(scenario: Scenario, victim: str) -> tuple[str, ...]:
    """The rows that read nothing but what is defended as the victim's is: of each entity those of its largest pool."""
    defenses = {each.name: each.defenses for each in scenario.entities}
    alone = [
        row
        for row in list_played_rows(scenario)
        if row.pool and all(defenses[name] == defenses[victim] for name in row.pool)
    ]
    largest = (list_largest_pools(alone, each.name) for each in scenario.entities)
    return tuple(str(row.name) for rows in largest for row in rows)


def _rank(adversary: str) -> int:
    order = list(ADVERSARIES)
    return order.index(adversary) if adversary in order else len(order)
