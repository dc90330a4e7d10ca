"""What classifiers read from published features that nobody meant to tell: private attributes, and who it is."""

from collab.report.cells import Table, fill_lines
from collab.results.catalog import columns_in
from collab.results.results import Results
from collab.results.words import state_basis
from collab.scenario.model import Scenario

SUFFIXES = ("plain", "fixed", "fresh", "chance")
"""Of the metrics of one question: who reads which features, and a guess."""


def tabulate_inference(scenario: Scenario, results: Results) -> Table:
    """One line for each entity and question: classifiers on features as they are and on published ones."""
    titles = columns_in("inference", (result.metric for result in results.of("inference")))
    questions = {metric.rpartition("_")[0]: title for metric, title in titles.items()}
    lines, measured = fill_lines(
        results,
        "inference",
        (
            (entity, title, [f"{question}_{suffix}" for suffix in SUFFIXES])
            for question, title in questions.items()
            for entity in scenario.entities
        ),
    )
    columns = ("entity", "defense", "read from features", "plain", "published", "trained anew", "guess")
    notes = (
        "Rows that no classifier has learned from. plain, published: by one trained on features as they are, against "
        "which a DPM that confuses identification was trained; trained anew: by one that learned from published "
        "features. A DPM that fools the first alone hides nothing from who has the labels.",
        state_basis(measured),
    )
    return Table("Private facts that are read from published features", columns, lines, notes)
