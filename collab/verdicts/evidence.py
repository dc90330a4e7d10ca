"""Results of one scenario, for claims to ask."""

from collections.abc import Sequence
from functools import cached_property
from typing import Literal

from collab.results.results import BY, Results
from collab.results.table import Result
from collab.scenario.model import Scenario
from collab.scenario.rows import find_owners, list_played_rows
from collab.tasks import MainMetric
from collab.verdicts.judging import Comparison, Found, Region, subtract

Key = tuple[str, str, str] | tuple[str, str, str, str]
"""Row, entity (or nothing) and metric of a result; of an attack also its name, and the entity is the victim."""


class Evidence:
    """What a scenario plays and what was found, for claims to ask."""

    def __init__(self, scenario: Scenario, rows: Sequence[Result]) -> None:
        self.scenario = scenario
        self._results = Results(rows)
        self.played = {str(row.name): row for row in list_played_rows(scenario)}
        """Refinements that are played, control rows too, by what results call them."""

    def row(self, key: Key) -> Result | None:
        """The result under a key."""
        return self._results.find(*key)

    def attacked(self, adversary: str, victim: str, attack: str, metric: str) -> Key:
        """Where what the oracle found of an attack stands in the results."""
        return f"{BY}{adversary}", victim, metric, attack

    @cached_property
    def attacks(self) -> list[tuple[str, str, str]]:
        """Adversary, victim and name of every attack that was played."""
        played = ((each.row.removeprefix(BY), each.entity, each.attack) for each in self._results.attacks)
        return [(adversary, victim or "", attack or "") for adversary, victim, attack in dict.fromkeys(played)]

    def protected_by(self, *protections: str) -> list[str]:
        """Publishers with one of these defenses, or chains such as `mean_filter+dpm`."""
        entities = self.scenario.entities
        return [each.name for each in entities if each.is_publishing_party and each.protection in protections]

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
        names = (result.metric for result in self._results.rows)
        return next((name for name in names if name.startswith(start) and name.endswith(end)), otherwise)

    @property
    def poisoners(self) -> list[str]:
        """Who publishes from a DPM."""
        return self.protected_by("dpm")

    def find_owners(self, row: str) -> list[str | None]:
        """Entities that have results of a row; None for one that is nobody's."""
        return list(find_owners(self.scenario).get(row) or (None,))

    def images(self, name: str) -> int | None:
        """How many images an entity published, None if that was not counted."""
        result = self.row(("publish", name, "rows_published"))
        return None if result is None or result.value is None else int(result.value)

    def single(self, expected: str, key: Key, region: Region) -> Comparison:
        """One number against a region."""
        about = f"{key[3]} on {key[1]}" if len(key) > 3 else key[1] or key[0]
        return Comparison(expected, region, Found.of(self.row(key)), missing=f"no {key[2]} of {about}")

    def compare(
        self, expected: str, a: Key, b: Key, region: Region, *, times: float = 1.0, is_points: bool = True,
        paper: float | None = None, incomparable: str = "",
    ) -> Comparison:  # fmt: skip
        """`a - times * b` against a region; tells which of both is not there."""
        absent = [
            f"{key[2]} of {f'{key[3]} on {key[1]}' if len(key) > 3 else f'row {key[0]}'}"
            for key in (a, b)
            if Found.of(self.row(key)) is None
        ]
        return Comparison(
            expected, region, subtract(self.row(a), self.row(b), times), paper, is_points,
            missing=f"no {' and no '.join(absent)}", incomparable=incomparable,
        )  # fmt: skip

    def better(
        self, expected: str, a: Key, b: Key, region: Region, *, paper: float | None = None, incomparable: str = ""
    ) -> Comparison:
        """How much better `a` is than `b`, keys of the main metric, against a region; errors that fall are better."""
        first, second = (a, b) if self.main.is_higher_better else (b, a)
        is_points = self.main.scale == 100
        return self.compare(
            expected, first, second, region, is_points=is_points, paper=paper, incomparable=incomparable
        )

    def poisoned(self, name: str, what: Literal["original", "poisoned"]) -> Key:
        """Where the main metric of C on an entity's original or poisoned features stands."""
        return ("tables_1_2", name, f"{self.main.name}_{what}")
