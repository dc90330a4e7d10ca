"""All that can be known of a scenario before anything is played: who holds which rows, and which tasks there are.

`run`, `sweep` and `validate` begin here, so that none of them refuses what another lets pass. Labels are read, no
pixels, and torch is not imported (but by the sources of torchvision).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from collab.data.source import Source
from collab.errors import DataError, ScenarioError
from collab.meant import did_you_mean
from collab.runtime.assign import Assignment, assign, open_scenario_source
from collab.runtime.plan import Task, plan
from collab.scenario.model import Scenario
from collab.scenario.sweep import Cell, told_cells

Tell = Callable[[str], None]
"""Whom a sentence is told that somebody should read before a run."""


@dataclass(frozen=True)
class Dealt:
    """A scenario with its rows dealt out and its tasks planned."""

    scenario: Scenario
    assignment: Assignment
    tasks: tuple[Task, ...]

    @property
    def images(self) -> Mapping[str, int]:
        """How many images each entity holds."""
        return {name: len(holding) for name, holding in self.assignment.entities.items()}


def deal(
    scenario: Scenario, source: Source | None = None, only: str | None = None, tell: Tell = lambda text: None
) -> Dealt:
    """Deals the rows of a scenario and plans its tasks: all of them, or the task called `only` and what it needs.

    `source` is opened as the scenario says unless given; `tell` is told what it passed over, before rows are dealt, as
    that may be why they are too few. Raises DataError for what the source cannot deliver, and
    ScenarioError for a task that there is not.
    """
    source = source or open_scenario_source(scenario)
    for notice in source.notices():
        tell(notice)
    assignment = assign(scenario, source)
    tasks = plan(scenario, {name: len(holding) for name, holding in assignment.entities.items()})
    return Dealt(scenario, assignment, tasks if only is None else _needed(tasks, only))


def deal_cells(cells: Sequence[Cell], tell: Tell = lambda text: None) -> tuple[Dealt, ...]:
    """Deals every cell of a sweep; `tell` is told what their sources passed over.

    Raises ScenarioError with all cells that cannot be dealt, by values and seed.
    """
    dealt, wrong = [], dict[str, str]()
    opened: tuple[object, Source | None] = (None, None)
    for cell in cells:
        asked = (cell.scenario.data, cell.scenario.seed)
        try:
            if opened[0] != asked:  # cells of one source stand together where data do not vary
                opened = (asked, open_scenario_source(cell.scenario))
            dealt.append(deal(cell.scenario, opened[1], tell=tell))
        except ScenarioError as error:
            wrong[cell.label] = str(error)
    if wrong:
        raise ScenarioError(told_cells(wrong, len(cells)))
    return tuple(dealt)


def will_be_fetched(scenario: Scenario) -> bool:
    """Whether the first run downloads the images of a scenario: it may, and they are not on this machine."""
    if not getattr(scenario.data, "download", False):
        return False
    as_it_is = scenario.data.model_copy(update={"download": False})
    try:
        open_scenario_source(scenario.model_copy(update={"data": as_it_is}))
    except DataError as error:
        return error.__cause__ is not None  # torchvision misses files; without a cause the scenario asks for too much
    return False


def _needed(tasks: Sequence[Task], only: str) -> tuple[Task, ...]:
    named = {task.name: task for task in tasks}
    if only not in named:
        meant = did_you_mean(only, named, "'")
        raise ScenarioError(f"there is no task {only!r}{meant or '.'} There are: {', '.join(named)}.")
    wanted, stack = set[str](), [only]
    while stack:
        name = stack.pop()
        wanted.add(name)
        stack.extend(named[name].needs)
    return tuple(task for task in tasks if task.name in wanted)
