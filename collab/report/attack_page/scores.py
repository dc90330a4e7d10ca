"""Means over the victims of an attack, with intervals in which victims and their images vary."""

from collections.abc import Mapping, Sequence

from collab.results.catalog import is_share
from collab.results.figure import Figure, mean_of_groups
from collab.results.table import Result

Scored = Mapping[str, Result]
"""What one adversary's attack on one victim scored: results by metric."""


def pooled(victims: Sequence[Scored], metric: str) -> Figure | None:
    """The mean of a metric over `victims`, of those that have it, as `mean_of_groups` says; None if none has.

    The interval of a share is cut off at 0 and at 1.
    """
    figures = [each[metric].figure for each in victims if metric in each]
    known = [figure for figure in figures if figure is not None]
    if not known:
        return None
    mean = mean_of_groups(known)
    return mean.within(0.0, 1.0) if is_share(metric) else mean
