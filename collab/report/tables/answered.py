"""Answers about public images: who answers how well, and in how many bytes."""

from collab.report.cells import ABSENT, Table, format_cell
from collab.results.results import Results
from collab.results.table import Result
from collab.results.words import format_size, state_basis
from collab.scenario.model import Scenario
from collab.scenario.stage_rows import PUBLISH, TABLES_1_2


def find_answering(scenario: Scenario) -> tuple[str, ...]:
    """The entities that publish answers about public images."""
    return tuple(entity.name for entity in scenario.entities if entity.form.publishes_answers)


def tabulate_answers(scenario: Scenario, results: Results) -> Table:
    """A line for each entity that publishes answers."""
    main, names = scenario.data.main_metric, find_answering(scenario)
    lines, measured = list[tuple[str, ...]](), list[Result]()
    for entity in scenario.entities:
        scores = [results.find(TABLES_1_2, entity.name, f"{main.name}_{what}") for what in ("original", "answering")]
        if entity.name in names and all(scores):
            rows, size = (
                results.find(PUBLISH, entity.name, metric) for metric in ("rows_published", "bytes_published")
            )
            told = ABSENT if size is None else format_size(size.value or 0)
            cells = (format_cell(score, main.scale) for score in scores)
            lines.append((entity.name, entity.protection, *cells, format_cell(rows), told))
            measured += filter(None, scores)
    columns = ("entity", "defense", "released C", "its own C", "images answered", "published")
    notes = (
        f"On held-out images: {main.title} in {main.unit}, of the released decider and of the one that answers, which "
        "has learned of the entity's images. No published row is of any of them, so that no attack on rows is tried: "
        "what the answers tell of members is in the table of attacks, if one was (`answer_membership`).",
        state_basis(measured),
    )
    return Table("Answers about public images", columns, tuple(lines), notes)
