"""All that can be wrong with a scenario before anything is played: who takes part, and who holds which rows.

`run`, `sweep` and `validate` begin here, so that none of them refuses what another lets pass. Labels are read, no
pixels, and torch is not imported (but by the sources of torchvision).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from collab.data.decoding import Encoded, WithEncoded
from collab.data.looking import find_strangers
from collab.data.words import say_count, say_lines
from collab.errors import DataError, ScenarioError
from collab.participants.assignment import Assignment, assign
from collab.participants.holding import Holding
from collab.participants.sources import Sources, open_part
from collab.scenario.model import Scenario
from collab.scenario.rows import refuse_mistakes
from collab.scenario.sources import Data, OwnSource
from collab.scenario.sweep import Cell, list_refusals

HELDOUT, UNSCORED, PUBLIC = "held-out images", "images that are not scored", "public images"
OF_NOBODY = "images of nobody"
"""Private images that no entity has, where a row from scratch takes a share of all."""

MEND_STRANGERS = (
    "Repair or remove them, or leave them out: --set data.broken=skip. `collab check-data` looks at all images to "
    "their end, and lists what else does not decode."
)

Tell = Callable[[str], None]
"""Whom a sentence is told that somebody should read before a run."""


def deal(scenario: Scenario, sources: Sources | None = None, tell: Tell = lambda text: None) -> Assignment:
    """Deals the rows of a scenario.

    `sources` are opened as the scenario says unless given; `tell` is told what they passed over, before rows are dealt,
    as that may be why they are too few. Raises DataError for what the sources cannot deliver, and ScenarioError where
    rows and kinds of entities do not go together.
    """
    refuse_mistakes(scenario)
    sources = sources or Sources.open(scenario)
    passed_over = tuple(sources.notices())
    for notice in passed_over:
        tell(notice)
    assignment = assign(scenario, sources)
    _refuse_too_many_public(scenario, len(assignment.public))
    _refuse_unknown_rounds(scenario)
    for notice in assignment.notices[len(passed_over) :]:
        tell(notice)
    return assignment


def _refuse_too_many_public(scenario: Scenario, there: int) -> None:
    for entity in scenario.entities:
        for defense in entity.defenses if entity.options.publishes else ():
            if defense.public_images > there:
                raise ScenarioError(
                    f"{defense.kind} of entity {entity.name!r} asks for {defense.public_images} public images, and "
                    f"there are {there}. Ask for fewer, or leave more of them public (`data.public_images`)."
                )


def _refuse_unknown_rounds(scenario: Scenario) -> None:
    rows = [federation.name for federation in scenario.federated]
    for entity in scenario.entities:
        for _, attack in entity.options.attacks_on(sorted({each.name for each in scenario.entities} - {entity.name})):
            if attack.federated_row is not None and attack.federated_row not in rows:
                raise ScenarioError(
                    f"{attack.label} of entity {entity.name!r} looks at weights of row {attack.federated_row}, and "
                    f"`federated` has {', '.join(map(str, rows)) or 'none'}."
                )


class Look:
    """A first look at the files that are to be played, at each once: which cannot be read, or do not begin as an image.

    Each is opened, and its first bytes are read; whether an image decodes to its end is seen when it is decoded.
    """

    def __init__(self) -> None:
        self._seen, self._strangers = set[str](), dict[str, list[str]]()

    def at(self, scenario: Scenario, sources: Sources, assignment: Assignment) -> None:
        """Opens the files that a scenario plays and nobody has looked at yet; none where broken ones are left out."""
        if scenario.data.broken == "skip":
            return
        for whose, holding in list_holdings(scenario, assignment).items():
            for origin, part in assignment.divide(holding):
                source = sources.by_origin[origin.name]
                if isinstance(source, WithEncoded) and source.is_of_files:
                    for split, rows in origin.find(part.split, part.rows):
                        strangers = find_strangers(self._not_seen(source.encoded(split, rows))).values()
                        self._strangers.setdefault(whose, []).extend(strangers)

    def refuse(self) -> None:
        """Raises DataError with all files that are no images."""
        parts = [
            f"{whose}: {say_count(len(strangers), 'file is no image', 'files are no images')}:{say_lines(strangers)}"
            for whose, strangers in self._strangers.items()
            if strangers
        ]
        if parts:
            raise DataError("\n".join([*parts, MEND_STRANGERS]))

    def _not_seen(self, files: Iterable[Encoded]) -> Iterator[Encoded]:
        for file, where in files:
            if where not in self._seen:
                self._seen.add(where)
                yield file, where


def list_holdings(scenario: Scenario, assignment: Assignment) -> dict[str, Holding]:
    """All images that a scenario plays, each once but for such as several entities hold, by whose they are."""
    holdings = dict(assignment.holders)
    held = np.concatenate([holding.rows for holding in holdings.values()])
    read = assignment.oracle(scenario)
    others = {
        OF_NOBODY: read.part(np.flatnonzero(~np.isin(read.rows, held))),
        HELDOUT: assignment.heldout,
        UNSCORED: assignment.unscored,
        PUBLIC: assignment.public,
    }
    return holdings | {whose: holding for whose, holding in others.items() if len(holding)}


Visit = Callable[[Cell, Sources, Assignment], None]
"""Who looks at a cell of a sweep when it has been dealt and its sources are open."""


def deal_cells(
    cells: Sequence[Cell],
    tell: Tell = lambda text: None,
    visit: Visit = lambda cell, sources, assignment: None,
) -> tuple[Assignment, ...]:
    """Deals every cell of a sweep; `tell` is told what their sources passed over.

    Raises ScenarioError with all cells that cannot be dealt, by values and seed.
    """
    dealt, refusals = deal_possible(cells, tell, visit)
    if refusals:
        raise ScenarioError(list_refusals(refusals, len(cells)))
    return tuple(assignment for assignment in dealt if assignment is not None)


def deal_possible(
    cells: Sequence[Cell],
    tell: Tell = lambda text: None,
    visit: Visit = lambda cell, sources, assignment: None,
) -> tuple[list[Assignment | None], dict[str, str]]:
    """What each cell of a sweep is dealt, None where that cannot be, and why not, by the labels of those cells.

    Raises ScenarioError if there is no cell that can be dealt.
    """
    dealt, refusals = list[Assignment | None](), dict[str, str]()
    opened: tuple[object, Sources] | None = None
    for cell in cells:
        asked = (cell.scenario.sources, cell.scenario.data_seed)
        try:
            if opened is None or opened[0] != asked:  # cells of one source stand together where data do not vary
                opened = (asked, Sources.open(cell.scenario))
            assignment = deal(cell.scenario, opened[1], tell=tell)
        except ScenarioError as error:
            dealt.append(None)
            refusals[cell.label] = str(error)
        else:
            visit(cell, opened[1], assignment)
            dealt.append(assignment)
    if len(refusals) == len(cells):
        raise ScenarioError(list_refusals(refusals, len(cells)))
    return dealt, refusals


def will_be_fetched(scenario: Scenario) -> bool:
    """Whether the first run downloads images of a scenario: it may, and they are not on this machine."""
    return any(getattr(part, "download", False) and _is_missing(scenario, part) for part in scenario.sources.values())


def _is_missing(scenario: Scenario, part: Data | OwnSource) -> bool:
    """Whether a source that may be downloaded is not on this machine."""
    as_it_is = part.model_copy(update={"download": False})
    try:
        open_part(scenario, as_it_is)
    except DataError as error:
        return error.__cause__ is not None  # torchvision misses files; without a cause the scenario asks for too much
    return False
