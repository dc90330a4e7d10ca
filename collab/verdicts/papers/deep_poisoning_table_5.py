"""Guo et al., Deep Poisoning, WACV 2021, Table 5: who gains by refining on poisoned features of others."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, lru_cache

from collab.defenses.options import Dpm
from collab.papers import paper_figure
from collab.results.table import Result
from collab.scenario.model import Refinement
from collab.verdicts.evidence import Evidence
from collab.verdicts.judging import ABOVE, NOT_BELOW, Claim, Comparison, Found, Region
from collab.verdicts.table import Place, Setup, Table

TABLE = "dp_table5"
SHARES = [0.1, 0.1, 0.1, 0.01]
"""Of X, of e1 to e4."""

Extreme = Callable[[Iterable[tuple[float, str]]], tuple[float, str]]
PAPER_ROWS = {
    "1": ("e1", "images", (), ()), "2": ("e2", "images", (), ()), "3": ("e3", "images", (), ()),
    "4": ("e4", "images", (), ()), "5": (None, "images", (), ()), "6": ("e1", "features", (), ("e2",)),
    "7": ("e1", "features", ("e2",), ()), "8": ("e2", "features", ("e1",), ()),
    "9": ("e3", "features", ("e1", "e2"), ()), "10": ("e3", "features", ("e1", "e2", "e4"), ()),
    "11": ("e4", "features", ("e1", "e2"), ()), "12": ("e4", "features", ("e1", "e2", "e3"), ()),
}  # fmt: skip
"""Who trains on what in Table 5 as we read it (SCIENCE 3.5): trainer, own, pool, unpoisoned."""


class RowsOfTable5:
    """How the rows that a scenario plays relate to the paper's of the same number."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence

    @cached_property
    def roles(self) -> Mapping[str, str]:
        """Which entity plays e1 to e4 of the paper, by who trains its rows."""
        roles: dict[str, str] = {}
        for name, (trainer, *_) in PAPER_ROWS.items():
            stated = self.evidence.played.get(name)
            if trainer and stated and stated.entity and stated.entity not in roles.values():
                roles.setdefault(trainer, stated.entity)
        return roles

    @cached_property
    def like_the_paper(self) -> set[str]:
        """Names of the rows that are trained on what the paper's row of that name is trained on."""
        return {name for name in PAPER_ROWS if (row := self.evidence.played.get(name)) and self._is_like(name, row)}

    def _is_like(self, name: str, row: Refinement) -> bool:
        trainer, own, pool, unpoisoned = PAPER_ROWS[name]
        if row.own != own or row.share != (1.0 if trainer is None else None):
            return False
        if row.entity != (None if trainer is None else self.roles.get(trainer)):
            return False
        for stated, wanted in ((row.pool, pool), (row.unpoisoned, unpoisoned)):
            known = {self.roles[who] for who in wanted if who in self.roles}
            if len(stated) != len(wanted) or not known <= set(stated):
                return False
        return True

    def pairs(self, pairs: Sequence[tuple[str, str]], region: Region) -> tuple[Comparison, ...]:
        """How much better the first row of each pair is than the second, by the main metric."""
        return tuple(self._pair(first, second, region) for first, second in pairs)

    def against_own(self, rows: Sequence[str], region: Region) -> tuple[Comparison, ...]:
        """Each row minus its entity's control row, own features alone; rows that the scenario lacks are passed over."""
        played = [(row, self.evidence.played[row].entity) for row in rows if row in self.evidence.played]
        return self.pairs([(row, f"c_own_{name}") for row, name in played if name], region)

    def against_extreme(self, row: str, pick: Extreme, region: Region) -> tuple[Comparison, ...]:
        """A row above the best (`max`), or below the worst (`min`), of all other rows of the paper."""
        others = [
            (found.value, name)
            for name in PAPER_ROWS
            if name != row
            and name in self.like_the_paper
            and (found := Found.of(self.evidence.row(self.evidence.key(name))))
        ]
        if not others:
            return ()
        other = pick(others)[1]
        if pick is max:
            return (self._pair(row, other, region),)
        return (self._pair(other, row, region, self._has_not_fewest("e4")),)

    def _pair(self, first: str, second: str, region: Region, why: str = "") -> Comparison:
        expected = f"row {first} {'above' if region.is_strict else 'not below'} row {second}"
        printed = [paper_figure(TABLE, row, self.evidence.main.name) for row in (first, second)]
        paper = None if printed[0] is None or printed[1] is None else printed[0] - printed[1]
        absent = [row for row in (first, second) if row not in self.evidence.played and row != "c_public"]
        unlike = [row for row in (first, second) if row in PAPER_ROWS and row not in self.like_the_paper]
        if absent:
            missing = f"the scenario plays no row {' and no row '.join(absent)}"
            return Comparison(expected, region, None, paper, True, missing, False)
        why = f"row {unlike[0]} is not trained on what the paper's is" if unlike else why
        return self.evidence.better(
            expected, self.evidence.key(first), self.evidence.key(second), region, paper=paper, incomparable=why
        )

    def _has_not_fewest(self, who: str) -> str:
        """A sentence where an entity has no fewer images than others that Table 5 names; nothing if that is unknown."""
        stated = {each.name: each.share for each in self.evidence.scenario.entities}
        shares = {role: share for role, name in self.roles.items() if (share := stated[name]) is not None}
        least = min((share for role, share in shares.items() if role != who), default=math.inf)
        return f"{self.roles[who]} has no fewer images than others" if shares.get(who, 0.0) >= least else ""


read_rows = lru_cache(maxsize=1)(RowsOfTable5)
"""The rows of a scenario as Table 5 has them: claims and every single result ask for it."""


def all_images_are_best(evidence: Evidence) -> Claim:
    """Row 5, raw images of all, above every other row."""
    found = read_rows(evidence).against_extreme("5", max, ABOVE)
    return Claim("all images are best", "Table 5: row 5, all raw images, has 81.1 %, the next best row 62.7 %", found)


def fewest_images_are_worst(evidence: Evidence) -> Claim:
    """Row 4, raw images of the smallest entity, below every other row."""
    sentence = '"the classification performance is severely limited by the number of training images" (4.3)'
    return Claim("fewest images are worst", sentence, read_rows(evidence).against_extreme("4", min, ABOVE))


def poisoning_costs_something(evidence: Evidence) -> Claim:
    """Row 6, unpoisoned, not below rows 7 and 8."""
    sentence = '"Compared with combining image features directly (row 6), there is certain loss" (4.3)'
    return Claim("plain sharing is no worse", sentence, read_rows(evidence).pairs([("6", "7"), ("6", "8")], NOT_BELOW))


def everybody_gains(evidence: Evidence) -> Claim:
    """Each pooled row above what its entity reaches from scratch on its own images."""
    pairs = [("7", "1"), ("8", "2"), ("9", "3"), ("10", "3"), ("11", "4"), ("12", "4")]
    sentence = '"much better classification performance than training models based on its own data" (4.3)'
    return Claim("everybody gains", sentence, read_rows(evidence).pairs(pairs, ABOVE))


def more_peers_bring_more(evidence: Evidence) -> Claim:
    """Row 12, three peers, above row 11, two."""
    sentence = '"when the number of collaborators increases [...] the performance can be further improved" (4.3)'
    return Claim("more peers bring more", sentence, read_rows(evidence).pairs([("12", "11")], ABOVE))


def sharing_costs_nothing(evidence: Evidence) -> Claim:
    """Ours: what a pool brings beyond own features alone; the papers do not tell it from the released network."""
    found = read_rows(evidence).against_own(["7", "8", "9", "10", "11", "12"], NOT_BELOW)
    sentence = "Ours: rows start from the released C, so the pool itself must not cost what own features alone reach"
    return Claim("sharing costs nothing", sentence, found)


def logits_share_more(evidence: Evidence) -> Claim:
    """Ours: with equivalence by logits the label is not written into the features, and sharing itself gains."""
    found: tuple[Comparison, ...] = ()
    defenses = [defense for each in evidence.scenario.entities for defense in each.defenses]
    if {each.equivalence for each in defenses if isinstance(each, Dpm)} == {"logits"}:
        found = read_rows(evidence).against_own(["7", "8"], ABOVE)
        found += read_rows(evidence).pairs([("12", "c_public")], NOT_BELOW)
    return Claim("logits share more", "Ours: with equivalence by logits rows 7 and 8 gain over own features", found)


def _beside_its_number(evidence: Evidence, result: Result) -> Place | None:
    """The row of that number, if it is trained on what the paper's is."""
    return (result.row, result.metric) if result.row in read_rows(evidence).like_the_paper else None


def _other_shares(evidence: Evidence) -> str:
    stated = {each.name: each.share for each in evidence.scenario.entities}
    shares = [stated[name] for _, name in sorted(read_rows(evidence).roles.items())]
    return "" if shares == SHARES else "other shares"


TABLES = (
    Table(
        TABLE,
        (
            all_images_are_best,
            fewest_images_are_worst,
            poisoning_costs_something,
            everybody_gains,
            more_peers_bring_more,
            sharing_costs_nothing,
            logits_share_more,
        ),
        Setup(other_shares=_other_shares),
        _beside_its_number,
    ),
)
