"""A run as Python holds it: its answer, its numbers, its pictures, its pages."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from collab.errors import CollabError, ScenarioError
from collab.front.frames import to_frame
from collab.meant import did_you_mean
from collab.plugins.discovery import Plugins
from collab.report.attack_page.cells import Cell, judge_attacks
from collab.report.attack_page.failed import find_failures, tell_failures
from collab.report.cells import Table
from collab.report.pages.answer import answer_run, shorten_table_5
from collab.report.pages.decision import decide
from collab.report.pages.summary import Gain, Summary
from collab.report.tables.tables import make_tables
from collab.results.opened import open_run
from collab.results.results import Results
from collab.results.table import open_results
from collab.runtime.leak_check import LeakCheck
from collab.runtime.pages import Pages, draw_pages
from collab.store.pictures import Pictures
from collab.verdicts import verdicts
from collab.verdicts.verdicts import Verdict

if TYPE_CHECKING:
    from collab.runtime.play import Played


class Run:
    """A run that has ended, read from its folder; nothing of it is kept that the files do not hold.

    >>> import collab
    >>> run = collab.load(folder)
    >>> run.results[["row", "metric", "value"]].shape[1]
    3
    >>> run.table(5).columns[:3]
    ('row', 'entity', 'trained on')
    >>> gain = run.gain("a4")
    >>> gain.points.low <= gain.points.value <= gain.points.high
    True
    >>> print(run)
    tiny: ...
    Who gained: ...
    What was disclosed: ...
    What it cost: ...
    """

    def __init__(
        self,
        folder: str | PathLike[str],
        *,
        plugins: Plugins | None = None,
        played: "Played | None" = None,
    ) -> None:
        """`plugins` find its kinds where they are no files beside it; `played` is told by who has just played it.

        Raises StoreError where `folder` holds no run that ended.
        """
        self._opened = open_run(Path(folder))
        self._plugins = Plugins.of(Path.cwd()) if plugins is None else plugins
        self.folder: Path = self._opened.folder
        self.played = played

    @property
    def scenario(self) -> Any:
        """The scenario that was played, every default written out, as its parts."""
        return self._opened.scenario

    @property
    def failures(self) -> tuple[CollabError, ...]:
        """What failed and was gone past (`on_failure: continue`), of a run that this process has played."""
        return () if self.played is None else self.played.failures

    @property
    def seconds(self) -> float:
        """How long it took."""
        return float(self._opened.record["seconds"])

    @cached_property
    def answer(self) -> Summary:
        """Who gained (`gained`), what was `disclosed`, what it `cost`, what is to be read with care (`cautions`)."""
        return answer_run(self._opened)

    @cached_property
    def failed_defenses(self) -> tuple[str, ...]:
        """Warnings of entities whose defense does not hide their images; read these first."""
        return tell_failures(find_failures(self._opened))

    @cached_property
    def arrow(self) -> pa.Table:
        """Every number, a row each, with the columns of results.parquet."""
        return open_results(self.folder / "results.parquet")

    @cached_property
    def figures(self) -> Results:
        """The same rows, to be asked for one by one: `figures.find(row, entity, metric)`."""
        return self._opened.results

    @property
    def results(self) -> Any:
        """The same as a DataFrame of pandas, or of polars where there is no pandas."""
        return to_frame(self.arrow)

    @cached_property
    def tables(self) -> tuple[Table, ...]:
        """The tables of the report."""
        return make_tables(self.scenario, self._opened.rows)

    def table(self, name: int | str) -> Table:
        """The table of that number in the paper, or whose title begins like that.

        Raises ScenarioError for one that this run does not have, and says which there are.
        """
        start = f"table {name}:" if isinstance(name, int) else name.lower()
        found = [table for table in self.tables if table.title.lower().startswith(start)]
        if not found:
            titles = "; ".join(table.title for table in self.tables)
            raise ScenarioError(f"this run has no table {name!r}. There are: {titles or 'none'}.")
        return found[0]

    @cached_property
    def short_table(self) -> Table | None:
        """Table 5 as it fits a terminal: the scenario's own rows, the main figure and the gain; None without any."""
        return shorten_table_5(self.scenario, self._opened.rows)

    @property
    def gains(self) -> dict[str, Gain]:
        """What sharing brought each entity that it could bring anything, on the held-out images of all."""
        return {gain.entity: gain for gain in self.answer.gains}

    def gain(self, entity: str, *, of: Literal["all", "own"] = "all") -> Gain:
        """What the largest pool brought an entity, on the held-out images of all or on its own.

        Raises ScenarioError where that was not measured.
        """
        found = self.gains if of == "all" else {gain.entity: gain for gain in self.answer.local}
        if entity not in found:
            names = [each.name for each in self.scenario.entities]
            what = "no entity" if entity not in names else f"no gain on {of} held-out images of"
            meant = did_you_mean(entity, names) if entity not in names else ""
            raise ScenarioError(f"{what} {entity!r}{meant}. Gains were measured of: {', '.join(found) or 'nobody'}.")
        return found[entity]

    @cached_property
    def pictures(self) -> "Gallery":
        """Held-out images and what the released reconstructor makes of them, by entity."""
        return Gallery(self._opened.pictures, self._opened.record["classes"])

    @cached_property
    def verdicts(self) -> tuple[Verdict, ...]:
        """What the scenario expects, and what became of it."""
        return verdicts.judge(self.scenario, self._opened.rows)

    def check(self) -> None:
        """Raises ExpectationFailed or ExpectationUndecided where it did not come out as the scenario expects."""
        verdicts.check(self.verdicts)

    @cached_property
    def attacks(self) -> tuple[Cell, ...]:
        """What was found, one for each defense, attack and class of adversary: leakage, matches, members, a word."""
        return tuple(judge_attacks(self._opened))

    def draw(self) -> Pages:
        """Draws the pages again, and looks in them for what is private; BoundaryError where there is any."""
        return draw_pages(self.folder, LeakCheck(self.folder, self.scenario, self._plugins))

    def report(self) -> Path:
        """Draws the pages again; answers where the report is: one file, to read and to send."""
        return self.draw().report

    def decision(self) -> dict[str, Any]:
        """The report for who has to decide, as plain values: `decision.html` as JSON has it."""
        return asdict(decide(self._opened))

    def __str__(self) -> str:
        return "\n".join((*self.failed_defenses, f"{self.scenario.name}: {self.folder}", str(self.answer)))

    def __repr__(self) -> str:
        return f"<Run of {self.scenario.name!r} in {str(self.folder)!r}>"

    def _repr_html_(self) -> str:
        from collab.front.notebook import show_run

        return show_run(self)


class Gallery(Mapping[str, Pictures]):
    """Pictures by entity: `original`, `from_original` and `from_poisoned` are uint8 [n, 3, height, width]."""

    def __init__(self, pictures: Mapping[str, Pictures], classes: Sequence[str]) -> None:
        self._pictures, self._classes = pictures, classes

    def __getitem__(self, entity: str) -> Pictures:
        return self._pictures[entity]

    def __iter__(self) -> Iterator[str]:
        return iter(self._pictures)

    def __len__(self) -> int:
        return len(self._pictures)

    def __repr__(self) -> str:
        return f"<Pictures of {', '.join(self._pictures) or 'nobody'}>"

    def _repr_html_(self) -> str:
        from collab.front.notebook import show_pictures

        return show_pictures(self._pictures, self._classes)
