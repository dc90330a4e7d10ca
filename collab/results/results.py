"""The results of a run, to be asked for: by row, entity and metric, by what a metric is of, or by attack."""

from collections.abc import Iterable, Mapping

from collab.metric import MetricName
from collab.results.table import Result

Key = tuple[str, str, str, str]
"""Row, entity, metric and attack: what makes two numbers the same one of two runs; nothing where a row has none."""

BY = "by "
"""What a row of an attack begins with, before the name of who attacks."""


class Results:
    """Result rows of one run. `find("7", "a1", "top1")` is one of them; None is nobody's where an entity is asked.

    `rows`, and what is said of quantities, is about results of no attack; `attacks` are the others.
    """

    def __init__(self, rows: Iterable[Result]) -> None:
        self.all = tuple(rows)
        self.rows = tuple(result for result in self.all if result.attack is None)
        self.attacks = tuple(result for result in self.all if result.attack is not None)
        self.by_key: Mapping[Key, Result] = {
            (result.row, result.entity or "", result.metric, result.attack or ""): result for result in self.all
        }
        self._named = dict[str, list[tuple[MetricName, Result]]]()
        self._owned = dict[tuple[str, str | None], list[tuple[MetricName, Result]]]()
        for result in self.rows:
            named = (MetricName.parse(result.metric), result)
            self._named.setdefault(result.row, []).append(named)
            self._owned.setdefault((result.row, result.entity), []).append(named)

    def find(self, row: str, entity: str | None, metric: str, attack: str = "") -> Result | None:
        """The one result with this key, of an attack where one is named; None if it was not measured."""
        return self.by_key.get((row, entity or "", metric, attack))

    def named(self, row: str, entity: str | None = None) -> list[tuple[MetricName, Result]]:
        """Results under a row's name, of one entity or of all, in their order, and what each is of."""
        return list(self._named.get(row, ()) if entity is None else self._owned.get((row, entity), ()))

    def of(self, row: str, entity: str | None = None, quantity: str | None = None) -> list[Result]:
        """The same without names, of one quantity (`ssim`) or of all."""
        return [result for name, result in self.named(row, entity) if quantity in (None, name.quantity)]

    def has(self, metric: str, row: str | None = None) -> bool:
        """Whether it was measured at all, or under a row's name."""
        return any(result.metric == metric and row in (None, result.row) for result in self.rows)

    def first(self, row: str, quantity: str, of: str = "") -> Result | None:
        """The first mean of a quantity under a row's name, whoever's it is and whatever its setting."""
        return next((result for name, result in self.named(row) if name.is_mean_of(quantity, of)), None)

    def like(self, row: str, entity: str | None, quantity: str, of: str = "") -> Result | None:
        """The same of one entity, or nobody's: `ssim` of `poisoned` finds `ssim[7]_poisoned`."""
        owned = self._owned.get((row, entity), ())
        return next((each for name, each in owned if name.is_mean_of(quantity, of)), None)


def name_adversary(result: Result) -> str:
    """Who attacked, of a result of an attack."""
    return result.row.removeprefix(BY)
