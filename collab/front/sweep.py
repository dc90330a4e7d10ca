"""A sweep as Python holds it: its answer, its numbers by point and by seed, its page."""

from dataclasses import asdict
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import pyarrow as pa

from collab.front.frames import to_frame
from collab.results.figure import Figure
from collab.runtime.sweep import Failure, Swept
from collab.store.tables import open_table
from collab.verdicts import verdicts
from collab.verdicts.verdicts import Verdict


class Sweep:
    """A sweep that has ended, read from its folder.

    >>> import collab
    >>> sweep = collab.sweep("scenario.yaml", vary={"refine.epochs": [1, 2]}, backend="inprocess")
    >>> sweep.means["refine.epochs"].unique().tolist()
    [1.0, 2.0]
    >>> print(sweep.answer[-1])
    One seed: intervals are over held-out images, and say nothing of other seeds.
    """

    def __init__(self, folder: str | PathLike[str]) -> None:
        """Raises StoreError where `folder` holds no sweep."""
        self._swept = Swept.open(Path(folder).resolve())
        self.folder: Path = self._swept.folder

    @property
    def answer(self) -> tuple[str, ...]:
        """Sentences: what sharing brings at each point, what is disclosed, and what that rests on."""
        return self._swept.answer

    @property
    def failed_defenses(self) -> tuple[str, ...]:
        """A warning for each defense that failed in some cells; read these first."""
        return self._swept.failed_defenses

    @cached_property
    def arrow(self) -> pa.Table:
        """Every number of every cell, a row each: results.parquet."""
        return open_table(self.folder / "results.parquet", what="the results")

    @property
    def results(self) -> Any:
        """The same as a DataFrame of pandas, or of polars where there is no pandas."""
        return to_frame(self.arrow)

    @property
    def means(self) -> Any:
        """Means over seeds, a row for each number at each point: means.parquet, as a DataFrame."""
        return to_frame(open_table(self.folder / "means.parquet", what="the means"))

    def list_means(self) -> list[tuple[str, str, Figure]]:
        """Row, metric and mean over seeds of every number that no attack made, at each point."""
        means = open_table(self.folder / "means.parquet", what="the means").to_pylist()
        return [
            (each["row"], each["metric"], Figure(each["mean"], each["low"], each["high"], each["seeds"]))
            for each in means
            if each["attack"] is None and each["mean"] is not None
        ]

    @property
    def failures(self) -> tuple[Failure, ...]:
        """Cells that did not end, and why."""
        return self._swept.failures

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """What is expected, and what became of it."""
        return self._swept.verdicts

    @property
    def cells(self) -> int:
        """How many there are."""
        return self._swept.cells

    @property
    def finished_before(self) -> int:
        """How many cells an earlier call had finished."""
        return self._swept.finished_before

    @property
    def seconds(self) -> float:
        """How long the last call took that played it."""
        return self._swept.seconds

    def to_dict(self) -> dict[str, Any]:
        """What it left as plain values: the answer, verdicts, failures."""
        return {**asdict(self._swept), "folder": str(self.folder)}

    def check(self) -> None:
        """Raises ExpectationFailed or ExpectationUndecided where it did not come out as expected."""
        verdicts.check(self.verdicts)

    def report(self) -> Path:
        """Where its page is: one file, to read and to send."""
        return self.folder / "report.html"

    def __str__(self) -> str:
        return "\n".join((*self.failed_defenses, *self.answer))

    def __repr__(self) -> str:
        return f"<Sweep of {self.cells} cells in {str(self.folder)!r}>"

    def _repr_html_(self) -> str:
        from collab.front.notebook import show_sweep

        return show_sweep(self)
