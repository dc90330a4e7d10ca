"""What a scenario may expect of its results: figures of the papers, or bounds of its own."""

import math
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from collab.papers import describe_expectable, expectable
from collab.scenario.base import METRIC, Name, Part, RowName

TableId = Literal[tuple(expectable("scenario"))]  # type: ignore[valid-type]
"""The id of a table that one run fills; what is printed there and what it is about stands in `collab/papers.json`."""


class PaperTable(Part):
    """A table of the papers: its figures where data and network are the paper's, its qualitative claims everywhere."""

    paper: TableId = Field(description=describe_expectable("scenario"))  # type: ignore[valid-type]
    against: tuple[str, ...] = Field(
        (),
        description="What is known to speak against the paper here: lines of its claims as they stand under `expected` "
        "in the table of verdicts. Such a line passes while its whole interval lies outside, and fails otherwise.",
    )


class Bound(Part):
    """One bound on one number of results.parquet; it fails when the whole 95 % interval lies outside."""

    metric: str = Field(pattern=METRIC, description="The metric as it stands in the results: top1, ssim[11]_poisoned.")
    row: RowName = Field(
        description="Row of the results: a refinement, a control row, c_public, tables_1_2, disclosure, inference, ..."
    )
    entity: Name | None = Field(None, description="Whose number; that of everybody who has this row unless given.")
    at_least: float | None = Field(None, description="Smallest value, as it stands in the results: 0.5 is 50 %.")
    at_most: float | None = Field(None, description="Largest value.")
    near: float | None = Field(None, description="Value, give or take `within`; not with the other two.")
    within: float | None = Field(None, ge=0, description="How far from `near` is near.")

    @property
    def limits(self) -> tuple[float, float]:
        """Smallest and largest value, infinite where there is no such limit."""
        if self.near is not None:
            return self.near - (self.within or 0.0), self.near + (self.within or 0.0)
        low = -math.inf if self.at_least is None else self.at_least
        return low, math.inf if self.at_most is None else self.at_most


def _kind(item: Any) -> str:
    """Which of the two an item of a file, or a part, is meant to be."""
    is_bound = isinstance(item, dict) and "paper" not in item and not Bound.model_fields.keys().isdisjoint(item)
    return "Bound" if is_bound or isinstance(item, Bound) else "PaperTable"


Expectation = Annotated[Annotated[PaperTable, Tag("PaperTable")] | Annotated[Bound, Tag("Bound")], Discriminator(_kind)]
