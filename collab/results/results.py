"""The rows of a run, to be asked for: by row, entity and metric, by what a metric is of, or by attack."""

from collections.abc import Iterable, Mapping

from collab.metric import MetricName
from collab.results.table import Result

Key = tuple[str, str, str, str]
"""Row, entity, attack and metric: what makes two numbers the same one of two runs; nothing where a row has none."""

BY = "by "
"""What a row of an attack begins with, before the name of who attacks."""


class Results:
    """Result rows of one run. `find("7", "a1", "top1")` is one of them; None is nobody's where an entity is asked.

    `rows`, and what is said of quantities, is about rows of no attack.
    """

    def __init__(self, rows: Iterable[Result]) -> None:
        self.all = tuple(rows)
        self.rows = tuple(row for row in self.all if row.attack is None)
        self.by_key: Mapping[Key, Result] = {
            (row.row, row.entity or "", row.attack or "", row.metric): row for row in self.all
        }
        self._named = dict[str, list[tuple[MetricName, Result]]]()
        for row in self.rows:
            self._named.setdefault(row.row, []).append((MetricName.parse(row.metric), row))

    def find(self, row: str, entity: str | None, metric: str, attack: str = "") -> Result | None:
        """The one result with this key, of an attack where one is named; None if it was not measured."""
        return self.by_key.get((row, entity or "", attack, metric))

    def named(self, row: str, entity: str | None = None) -> list[tuple[MetricName, Result]]:
        """Results under a row's name, of one entity or of all, in their order, and what each is of."""
        return [each for each in self._named.get(row, ()) if entity in (None, each[1].entity)]

    def of(self, row: str, entity: str | None = None, quantity: str | None = None) -> list[Result]:
        """The same without names, of one quantity (`ssim`) or of all."""
        return [found for name, found in self.named(row, entity) if quantity in (None, name.quantity)]

    def has(self, metric: str) -> bool:
        """Whether any row was measured by it."""
        return any(row.metric == metric for row in self.rows)

    def like(self, row: str, entity: str | None, quantity: str, of: str = "", statistic: str = "") -> Result | None:
        """The first result of a quantity whatever its setting: `ssim` of `poisoned` finds `ssim[7]_poisoned`."""
        for name, found in self._named.get(row, ()):
            if (name.quantity, name.of, name.statistic) == (quantity, of, statistic) and found.entity == entity:
                return found
        return None

    @property
    def attacks(self) -> tuple[Result, ...]:
        """Results of attacks."""
        return tuple(row for row in self.all if row.attack is not None)


def adversary_of(row: Result) -> str:
    """Who attacked, of a result of an attack."""
    return row.row.removeprefix(BY)
