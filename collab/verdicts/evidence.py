"""Result rows of one scenario, for claims to ask."""

from collections.abc import Sequence
from functools import cached_property
from typing import Literal

from collab.results.table import Result
from collab.scenario.model import Scenario
from collab.scenario.rows import find_owners, list_played_rows
from collab.tasks import MainMetric
from collab.verdicts.judging import Comparison, Found, Region, difference

Key = tuple[str, str, str]
"""Row, entity (or nothing) and metric of a result."""


class Evidence:
    """What a scenario plays and what was found, for claims to ask."""

    def __init__(self, scenario: Scenario, rows: Sequence[Result]) -> None:
        self.scenario = scenario
        self._found = {(row.row, row.entity or "", row.metric): row for row in rows if row.attack is None}
        self._attacked = {
            (row.row, row.entity or "", row.attack, row.metric): row for row in rows if row.attack is not None
        }
        self.played = {str(row.name): row for row in list_played_rows(scenario)}
        """Refinements that are played, control rows too, by what results call them."""

    def row(self, key: Key) -> Result | None:
        """The result under a key."""
        return self._found.get(key)

    def attacked(self, adversary: str, victim: str, attack: str, metric: str) -> Result | None:
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
        """Where a refinement, or a control row, stands in the results; its main metric unless another is named."""
        played = self.played.get(row)
        return row, (played.entity or "") if played else "", metric or self.main.name

    @cached_property
    def window(self) -> str:
        """The SSIM window that stands in this run's names of metrics, such as `[11]`."""
        return self.metric("ssim[", otherwise="ssim[11]_").removeprefix("ssim").partition("_")[0]

    def metric(self, start: str, end: str = "", *, otherwise: str) -> str:
        """The first metric of this run whose name has these ends, with its window, such as `vfe[8]_published`."""
        names = (metric for _, _, metric in self._found if metric.startswith(start) and metric.endswith(end))
        return next(names, otherwise)

    @property
    def poisoners(self) -> list[str]:
        """Who publishes from a DPM."""
        return self.protected_by("dpm")

    def find_owners(self, row: str) -> list[str | None]:
        """Entities that have results of a row; None for one that is nobody's."""
        return list(find_owners(self.scenario).get(row) or (None,))

    def images(self, name: str) -> int | None:
        """How many images an entity published, None if that was not counted."""
        row = self.row(("publish", name, "rows_published"))
        return None if row is None or row.value is None else int(row.value)

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
