"""The answer of a run, out of its files: what its page, the terminal and Python begin with."""

from collections.abc import Sequence
from dataclasses import replace

from collab.report.attack_page.cells import Cell, judge_attacks
from collab.report.cells import ABSENT, Table
from collab.report.pages.facts import list_told_of_images
from collab.report.pages.summary import Summary, summarize
from collab.report.tables.crossings import Boundary, sum_crossings
from collab.report.tables.tables import make_tables
from collab.results.opened import Opened
from collab.results.table import Result
from collab.scenario.model import Scenario

TABLE_5 = "Table 5"


def answer_run(run: Opened, cells: Sequence[Cell] | None = None) -> Summary:
    """Who gained, what was disclosed, what it cost; `cells` are those of the audit, if at hand."""
    cells = judge_attacks(run) if cells is None else cells
    notices = (*list_told_of_images(run.record), *run.record.get("notices", ()))
    return summarize(run.scenario, run.rows, find_sent(run), run.pictures, cells, notices)


def find_sent(run: Opened) -> tuple[Boundary, ...]:
    """What crossed the boundary of each entity."""
    names = [entity.name for entity in run.scenario.entities]
    return sum_crossings(names, run.crossings, run.scenario.data.image_size, run.rows)


def shorten_table_5(scenario: Scenario, rows: Sequence[Result]) -> Table | None:
    """Table 5 as it fits a terminal: the rows of the scenario with the main figure and the gain; None without any."""
    made = next((table for table in make_tables(scenario, rows) if table.title.startswith(TABLE_5)), None)
    if made is None:
        return None
    kept = [made.columns.index(name) for name in ("row", "entity", "trained on", scenario.data.main_metric.head)]
    kept += [made.columns.index("gain")]
    stated = {str(row.name) for row in scenario.refinements} | {"c_public"}
    lines = [tuple(line[at] for at in kept) for line in made.lines if line[0] in stated]
    columns = tuple(made.columns[at] for at in kept)
    has_gain = any(line[-1] not in ("", ABSENT) for line in lines)
    if not has_gain:
        lines, columns = [line[:-1] for line in lines], columns[:-1]
    gain = f"gain: {scenario.data.main_metric.points} better than without anybody's features; ± half of its interval."
    return replace(made, columns=columns, lines=tuple(lines), notes=(gain,) if has_gain else (), rules=())
