"""What classifiers read from published features that nobody meant to tell: private attributes, and who it is."""

from collections.abc import Iterator

from collab.report.cells import Table, cell
from collab.results.catalog import entry_of
from collab.results.results import Results
from collab.results.table import Result
from collab.results.words import basis
from collab.scenario.model import Scenario

ASKED = ("privacy_map", "privacy_accuracy", "identity_top1")
"""Metrics without their suffixes."""

SUFFIXES = ("plain", "fixed", "fresh", "chance")


def inference_table(scenario: Scenario, found: Results) -> Table:
    """One line for each entity and question: classifiers on features as they are and on published ones."""
    lines, measured = [], list[Result]()

    def cells(entity: str, metric: str) -> Iterator[Result | None]:
        return (found.find("inference", entity, f"{metric}_{suffix}") for suffix in SUFFIXES)

    for metric in ASKED:
        for entity in scenario.entities:
            rows = tuple(cells(entity.name, metric))
            if rows[0] is not None:
                lines.append((entity.name, entity.protection, entry_of(f"{metric}_plain").title, *map(cell, rows)))
                measured += [row for row in rows if row is not None]
    columns = ("entity", "defense", "read from features", "plain", "published", "trained anew", "guess")
    notes = (
        "Rows that no classifier has learned from. plain, published: by one trained on features as they are, against "
        "which a DPM that confuses identification was trained; trained anew: by one that learned from published "
        "features. A DPM that fools the first alone hides nothing from who has the labels.",
        basis(measured),
    )
    return Table("Private facts that are read from published features", columns, tuple(lines), notes)
