"""Result rows of one scenario, and how its rows of Table 5 relate to the paper's."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Literal

from collab.defenses.options import Dpm
from collab.results.table import Row
from collab.scenario.model import Refinement, Scenario
from collab.scenario.rows import owners, played_rows
from collab.tasks import MainMetric
from collab.verdicts.judging import Comparison, Found, Region, difference
from collab.verdicts.papers import paper_figure

Key = tuple[str, str, str]
"""Row, entity (or nothing) and metric of a result."""

Extreme = Callable[[Iterable[tuple[float, str]]], tuple[float, str]]

PAPER_ROWS = {
    "1": ("e1", "images", (), ()), "2": ("e2", "images", (), ()), "3": ("e3", "images", (), ()),
    "4": ("e4", "images", (), ()), "5": (None, "images", (), ()), "6": ("e1", "features", (), ("e2",)),
    "7": ("e1", "features", ("e2",), ()), "8": ("e2", "features", ("e1",), ()),
    "9": ("e3", "features", ("e1", "e2"), ()), "10": ("e3", "features", ("e1", "e2", "e4"), ()),
    "11": ("e4", "features", ("e1", "e2"), ()), "12": ("e4", "features", ("e1", "e2", "e3"), ()),
}  # fmt: skip
"""Who trains on what in Table 5 as we read it (SCIENCE 3.5): trainer, own, pool, unpoisoned."""


class Evidence:
    """What a scenario plays and what was found, for claims to ask."""

    def __init__(self, scenario: Scenario, rows: Sequence[Row]) -> None:
        self.scenario = scenario
        self._found = {(row.row, row.entity or "", row.metric): row for row in rows if row.attack is None}
        self._attacked = {
            (row.row, row.entity or "", row.attack, row.metric): row for row in rows if row.attack is not None
        }
        self._played = {str(row.row): row for row in played_rows(scenario)}

    def row(self, key: Key) -> Row | None:
        """The result under a key."""
        return self._found.get(key)

    def attacked(self, adversary: str, victim: str, attack: str, metric: str) -> Row | None:
        """What the oracle found of an attack."""
        return self._attacked.get((f"by {adversary}", victim, attack, metric))

    @property
    def attacks(self) -> list[tuple[str, str, str]]:
        """Adversary, victim and name of every attack that was played."""
        return list(dict.fromkeys((row.removeprefix("by "), who, attack) for row, who, attack, _ in self._attacked))

    def protected_by(self, *protections: str) -> list[str]:
        """Publishers with one of these defenses, or chains such as `mean_filter+dpm`."""
        entities = self.scenario.entities
        return [each.name for each in entities if each.options.publishes and each.protection in protections]

    @property
    def main(self) -> MainMetric:
        """The figure that says how well the task is done."""
        return self.scenario.data.main_metric

    def key(self, row: str, metric: str | None = None) -> Key:
        """Where a row of Table 5, or a control row, stands in the results; its main metric unless another is named."""
        played = self._played.get(row)
        return row, (played.entity or "") if played else "", metric or self.main.name

    @cached_property
    def window(self) -> str:
        """The SSIM window that stands in this run's names of metrics, such as `[11]`."""
        named = next((metric for _, _, metric in self._found if metric.startswith("ssim[")), "ssim[11]_")
        return named.removeprefix("ssim").partition("_")[0]

    @cached_property
    def ms_ssim(self) -> str:
        """The name of MS-SSIM in this run, such as `ms_ssim[2,7]`."""
        named = (metric for _, _, metric in self._found if metric.startswith("ms_ssim["))
        return next(named, "ms_ssim[5,11]_").rpartition("_")[0]

    @property
    def poisoners(self) -> list[str]:
        """Who publishes from a DPM."""
        return self.protected_by("dpm")

    @property
    def from_scratch(self) -> Mapping[str, str]:
        """The row that trains from scratch on what an entity alone published as images, by its name."""
        return {str(row.entity): name for name, row in self._played.items() if row.own == "published" and not row.pool}

    @cached_property
    def entropy(self) -> str:
        """The name of visual feature entropy of published images in this run, such as `vfe[8]_published`."""
        names = (metric for _, _, metric in self._found if metric.startswith("vfe[") and metric.endswith("_published"))
        return next(names, "vfe[8]_published")

    def equally_hidden(self, one: str, other: str) -> list[tuple[str, str]]:
        """Entities of two kinds of defense that publish images of the same wanted entropy, and are trained on."""
        gain = {each.name: getattr(each.defenses[0], "gain", None) for each in self.scenario.entities}
        pairs = [(a, b) for a in self.protected_by(one) for b in self.protected_by(other) if gain[a] == gain[b]]
        return [pair for pair in pairs if all(name in self.from_scratch for name in pair)]

    def owners(self, row: str) -> list[str | None]:
        """Entities that have results of a row; None for one that is nobody's."""
        return list(owners(self.scenario).get(row) or (None,))

    @property
    def is_by_logits(self) -> bool:
        """Whether every DPM keeps C's own output, not its labels."""
        defenses = [defense for each in self.scenario.entities for defense in each.defenses]
        found = [each for each in defenses if isinstance(each, Dpm)]
        return bool(found) and all(each.equivalence == "logits" for each in found)

    def images(self, name: str) -> int | None:
        """How many images an entity published, None if that was not counted."""
        row = self.row(("publish", name, "rows_published"))
        return None if row is None or row.value is None else int(row.value)

    @cached_property
    def roles(self) -> Mapping[str, str]:
        """Which entity plays e1 to e4 of the paper, by who trains its rows."""
        roles: dict[str, str] = {}
        for name, (trainer, *_) in PAPER_ROWS.items():
            stated = self._played.get(name)
            if trainer and stated and stated.entity and stated.entity not in roles.values():
                roles.setdefault(trainer, stated.entity)
        return roles

    @cached_property
    def like_the_paper(self) -> set[str]:
        """Names of the rows that are trained on what the paper's row of that name is trained on."""
        return {name for name in PAPER_ROWS if (row := self._played.get(name)) and self._is_like(name, row)}

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

    def single(self, expected: str, key: Key, region: Region) -> Comparison:
        """One number against a region."""
        return Comparison(expected, region, Found.of(self.row(key)), missing=f"no {key[2]} of {key[1] or key[0]}")

    def single_attack(
        self, expected: str, adversary: str, victim: str, attack: str, metric: str, region: Region
    ) -> Comparison:
        """One number of an attack against a region."""
        row = self.attacked(adversary, victim, attack, metric)
        return Comparison(expected, region, Found.of(row), missing=f"no {metric} of {attack} on {victim}")

    def compare(
        self, expected: str, a: Key, b: Key, region: Region, *, times: float = 1.0, is_points: bool = True,
        paper: float | None = None, incomparable: str = "",
    ) -> Comparison:  # fmt: skip
        """`a - times * b` against a region; tells which of both is not there."""
        absent = [
            f"{metric} of row {row}" for row, who, metric in (a, b) if Found.of(self.row((row, who, metric))) is None
        ]
        return Comparison(
            expected, region, difference(self.row(a), self.row(b), times), paper, is_points,
            missing=f"no {' and no '.join(absent)}", incomparable=incomparable,
        )  # fmt: skip

    def better(
        self, expected: str, a: Key, b: Key, region: Region, *, paper: float | None = None, incomparable: str = ""
    ) -> Comparison:
        """How much better `a` is than `b`, keys of the main metric, against a region; errors that fall are better."""
        first, second = (a, b) if self.main.is_higher_better else (b, a)
        return self.compare(
            expected, first, second, region,
            is_points=self.main.scale == 100, paper=paper, incomparable=incomparable,
        )  # fmt: skip

    def poisoned(self, name: str, what: Literal["original", "poisoned"]) -> Key:
        """Where the main metric of C on an entity's original or poisoned features stands."""
        return ("tables_1_2", name, f"{self.main.name}_{what}")

    def pairs(self, pairs: Sequence[tuple[str, str]], region: Region) -> tuple[Comparison, ...]:
        """How much better the first row of each pair is than the second, by the main metric."""
        return tuple(self._pair(first, second, region) for first, second in pairs)

    def against_own(self, rows: Sequence[str], region: Region) -> tuple[Comparison, ...]:
        """Each row minus its entity's control row, own features alone; rows that the scenario lacks are passed over."""
        stated = [(row, str(played.entity)) for row in rows if (played := self._played.get(row)) and played.entity]
        return self.pairs([(row, f"c_own_{name}") for row, name in stated], region)

    def against_extreme(self, row: str, pick: Extreme, region: Region) -> tuple[Comparison, ...]:
        """A row above the best (`max`), or below the worst (`min`), of all other rows of the paper."""
        others = [
            (found.value, name)
            for name in PAPER_ROWS
            if name != row and name in self.like_the_paper and (found := Found.of(self.row(self.key(name))))
        ]
        if not others:
            return ()
        other = pick(others)[1]
        if pick is max:
            return (self._pair(row, other, region),)
        return (self._pair(other, row, region, self._has_not_fewest("e4")),)

    def _pair(self, first: str, second: str, region: Region, why: str = "") -> Comparison:
        told = "above" if region.is_strict else "not below"
        absent = [row for row in (first, second) if row not in self._played and row != "c_public"]
        unlike = [row for row in (first, second) if row in PAPER_ROWS and row not in self.like_the_paper]
        if absent:
            missing = f"the scenario plays no row {' and no row '.join(absent)}"
            return Comparison(
                f"row {first} {told} row {second}", region, None, self._paper_pair(first, second), True, missing, False
            )
        why = f"row {unlike[0]} is not trained on what the paper's is" if unlike else why
        return self.better(
            f"row {first} {told} row {second}", self.key(first), self.key(second), region,
            paper=self._paper_pair(first, second), incomparable=why,
        )  # fmt: skip

    def _has_not_fewest(self, who: str) -> str:
        """A sentence where an entity has no fewer images than others that Table 5 names; nothing if that is unknown."""
        stated = {each.name: each.share for each in self.scenario.entities}
        shares = {role: share for role, name in self.roles.items() if (share := stated[name]) is not None}
        least = min((share for role, share in shares.items() if role != who), default=math.inf)
        return f"{self.roles[who]} has no fewer images than others" if shares.get(who, 0.0) >= least else ""

    def _paper_pair(self, first: str, second: str) -> float | None:
        printed = [paper_figure("dp_table5", row, self.main.name) for row in (first, second)]
        return None if printed[0] is None or printed[1] is None else printed[0] - printed[1]
