"""What published features give away beside the task: tables, what decoders rebuild, and maps (APT Tables 1 to 3)."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from collab.report.cells import Table, fill_lines, format_cell
from collab.report.drawing import inline_svg
from collab.report.figures.curves import COLORS, draw_panels
from collab.report.figures.sheets import ContactSheet, Line, fit_lines
from collab.results.catalog import Place, columns_in
from collab.results.results import Results
from collab.results.words import state_basis
from collab.scenario.model import EntityPart, Scenario
from collab.store.pictures import Exhibit

SUFFIXES = ("plain", "fixed", "fresh", "chance")
"""Of the metrics of one question: who reads which features, and a guess."""


def tabulate_exposure(scenario: Scenario, results: Results) -> Iterator[Table]:
    """One line for each entity and decoder; then one for each entity and attribute that was asked."""
    asked, entities = scenario.exposure, scenario.entities
    if asked is None:
        return
    decoders = [decoder.name for decoder in asked.decoders] or ["—"]
    priors = [results.find("embedding", "", f"face_similarity_prior_{what}") for what in ("unrelated", "mean")]
    guess = (
        f" A guess has face similarity: unrelated image {format_cell(priors[0])} · mean image {format_cell(priors[1])}."
    )
    yield _table(
        "What published features give away",
        "decoders",
        "decoder",
        [(entity, decoder) for entity in entities for decoder in decoders],
        results,
        "Of held-out images. Decoders are trained anew on public images as the entity encodes them. Face and feature "
        "similarity: by an embedding of ours of the individuals on public images, of what the decoder rebuilds and of "
        f"what M reads from the features.{guess if any(priors) else ''} within, between: variances of features by "
        "individual; LDA: between over within.",
    )
    yield _table(
        "Single attributes in published features",
        "attributes",
        "attribute",
        [(entity, attribute) for attribute in asked.attributes for entity in entities],
        results,
        "MCC: of the decider. neighbors: how often most of the 15 nearest published features have the image's own "
        "attribute; guess: the more frequent answer.",
    )


def _table(
    title: str, place: Place, noun: str, asked: Sequence[tuple[EntityPart, str]], results: Results, note: str
) -> Table:
    """A line for each entity and setting, such as a decoder: metrics with that setting, and those of the entity."""
    metrics = {(name.without_setting, name.setting): result.metric for name, result in results.named("exposure")}
    heads = columns_in(place, (quantity for quantity, _ in metrics))
    lines, measured = fill_lines(
        results,
        "exposure",
        (
            (entity, setting, [metrics.get((quantity, setting), quantity) for quantity in heads])
            for entity, setting in asked
        ),
    )
    return Table(title, ("entity", "defense", noun, *heads.values()), lines, (note, state_basis(measured)))


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


def make_decoded_sheet(exhibits: Mapping[str, Exhibit]) -> ContactSheet | None:
    """The same images as R shows them, before and as published, and as each decoder of each entity does (DP Fig. 7)."""
    filled = {name: exhibit for name, exhibit in exhibits.items() if len(exhibit.decoders)}
    if not filled:
        return None
    first = next(iter(filled.values()))
    lines = [Line.of("original", first.original), Line.of("R, plain features", first.from_original)]
    for name, exhibit in filled.items():
        lines.append(Line.of(f"{name}: R", exhibit.from_published))
        for decoder, images in zip(exhibit.decoders.tolist(), exhibit.decoded, strict=True):
            lines.append(Line.of(f"{name}: {decoder}", images))
    return fit_lines(lines, first.original.shape[-1])


def draw_feature_maps(exhibits: Mapping[str, Exhibit]) -> str:
    """Where t-SNE puts published features, a panel for each entity and attribute, as SVG; empty if nobody asked."""
    panels = [(name, at, exhibit) for name, exhibit in exhibits.items() for at in range(len(exhibit.attributes))]
    if not panels:
        return ""
    figure, drawn = draw_panels(len(panels))
    for panel, (name, at, exhibit) in zip(drawn, panels, strict=True):
        has_it = exhibit.is_true[:, at].astype(bool)
        for which, color, label in ((~has_it, COLORS[6], "without"), (has_it, COLORS[1], "with")):
            places = np.round(exhibit.positions[which], 1)
            panel.plot(places[:, 0], places[:, 1], ".", markersize=2.5, color=color, label=label)
        panel.set_title(f"{name}: {exhibit.attributes[at]}", fontsize=9, loc="left")
        panel.set_xticks([])
        panel.set_yticks([])
    drawn[0].legend(fontsize=7, frameon=False)
    return inline_svg(figure)
