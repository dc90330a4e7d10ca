"""What a scenario may expect of its results: figures of the papers, or bounds of its own."""

import math
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from collab.scenario.base import METRIC, Name, Part, RowName


class PaperTable(Part):
    """A table of the papers: its figures where data and network are the paper's, its qualitative claims everywhere."""

    paper: Literal[
        "dp_table1",
        "dp_table2",
        "dp_table3",
        "dp_table4",
        "dp_table5",
        "dp_fig5",
        "dpf_fig5",
        "dpf_fig10",
        "apt_table1",
        "apt_table2",
        "do_headline",
        "vm_headline",
    ] = Field(
        description="Table 1: accuracy on poisoned features; 2: reconstructions from them; 3: filters, noise, the DPM; "
        "4: DeepObfuscator; 5: who gains by refining; dp_fig5: unseen reconstructors; dpf_fig5: the secondary attack; "
        "dpf_fig10: pose without identity; do_headline: DeepObfuscator's headline figures; "
        "apt_table1, apt_table2: adversarial representations, and their weight; "
        "vm_headline: shuffled images beside noise."
    )
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
