"""All that can be wrong with a scenario before anything is played: who takes part, and who holds which rows.

`run`, `sweep` and `validate` begin here, so that none of them refuses what another lets pass. Labels are read, no
pixels, and torch is not imported (but by the sources of torchvision).
"""

from collections.abc import Callable, Sequence

from collab.data.source import Source
from collab.errors import DataError, ScenarioError
from collab.participants.assignment import Assignment, assign, open_scenario_source
from collab.scenario.model import Scenario
from collab.scenario.rows import refuse_mistakes
from collab.scenario.sweep import Cell, list_refusals

Tell = Callable[[str], None]
"""Whom a sentence is told that somebody should read before a run."""


def deal(scenario: Scenario, source: Source | None = None, tell: Tell = lambda text: None) -> Assignment:
    """Deals the rows of a scenario.

    `source` is opened as the scenario says unless given; `tell` is told what it passed over, before rows are dealt, as
    that may be why they are too few. Raises DataError for what the source cannot deliver, and ScenarioError where rows
    and kinds of entities do not go together.
    """
    refuse_mistakes(scenario)
    source = source or open_scenario_source(scenario)
    for notice in source.notices():
        tell(notice)
    return assign(scenario, source)


def deal_cells(cells: Sequence[Cell], tell: Tell = lambda text: None) -> tuple[Assignment, ...]:
    """Deals every cell of a sweep; `tell` is told what their sources passed over.

    Raises ScenarioError with all cells that cannot be dealt, by values and seed.
    """
    dealt, wrong = [], dict[str, str]()
    opened: tuple[object, Source | None] = (None, None)
    for cell in cells:
        asked = (cell.scenario.data, cell.scenario.data_seed)
        try:
            if opened[0] != asked:  # cells of one source stand together where data do not vary
                opened = (asked, open_scenario_source(cell.scenario))
            dealt.append(deal(cell.scenario, opened[1], tell=tell))
        except ScenarioError as error:
            wrong[cell.label] = str(error)
    if wrong:
        raise ScenarioError(list_refusals(wrong, len(cells)))
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
