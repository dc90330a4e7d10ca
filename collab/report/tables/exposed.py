"""What published features give away beside the task: a table, what decoders rebuild, and maps (APT Tables 1 to 3)."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from collab.report.cells import Table, cell, lines_of
from collab.report.drawing import inline_svg
from collab.report.figures.curves import COLORS, draw_panels
from collab.report.figures.sheets import ContactSheet, Line, urls
from collab.results.catalog import Place, columns_in
from collab.results.results import Results
from collab.results.words import basis
from collab.scenario.model import EntityPart, Scenario
from collab.store.pictures import Exhibit

MOST_LINES = 30
"""The most lines of the sheet of decoders."""


def exposure_tables(scenario: Scenario, found: Results) -> Iterator[Table]:
    """One line for each entity and decoder; then one for each entity and attribute that was asked."""
    asked, entities = scenario.exposure, scenario.entities
    if asked is None:
        return
    decoders = [decoder.name for decoder in asked.decoders] or ["—"]
    priors = [found.find("embedding", "", f"face_similarity_prior_{what}") for what in ("unrelated", "mean")]
    guess = f" A guess has face similarity: unrelated image {cell(priors[0])} · mean image {cell(priors[1])}."
    yield _table(
        "What published features give away",
        "decoders",
        "decoder",
        [(entity, decoder) for entity in entities for decoder in decoders],
        found,
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
        found,
        "MCC: of the decider. neighbors: how often most of the 15 nearest published features have the image's own "
        "attribute; guess: the more frequent answer.",
    )


def _table(
    title: str, place: Place, noun: str, asked: Sequence[tuple[EntityPart, str]], found: Results, note: str
) -> Table:
    """A line for each entity and setting, such as a decoder: metrics with that setting, and those of the entity."""
    metrics = {(name.without_setting, name.setting): result.metric for name, result in found.named("exposure")}
    heads = columns_in(place, (quantity for quantity, _ in metrics))
    lines, measured = lines_of(
        found,
        "exposure",
        (
            (entity, setting, [metrics.get((quantity, setting), quantity) for quantity in heads])
            for entity, setting in asked
        ),
    )
    return Table(title, ("entity", "defense", noun, *heads.values()), lines, (note, basis(measured)))


def decoded_sheet(exhibits: Mapping[str, Exhibit]) -> ContactSheet | None:
    """The same images as R shows them, before and as published, and as each decoder of each entity does (DP Fig. 7)."""
    known = [(name, each) for name, each in exhibits.items() if len(each.decoders)]
    if not known:
        return None
    first, lines = known[0][1], list[Line]()

    def add(name: str, images: np.ndarray) -> None:
        lines.append(Line(name, urls(images), ("",) * len(images)))

    add("original", first.original)
    add("R, plain features", first.from_original)
    for name, each in known:
        add(f"{name}: R", each.from_published)
        for decoder, images in zip(each.decoders.tolist(), each.decoded, strict=True):
            add(f"{name}: {decoder}", images)
    side = first.original.shape[-1]
    drawn = 2 * side if side < 48 else min(side, 96)
    return ContactSheet(tuple(lines[:MOST_LINES]), "", 0, drawn, max(len(lines) - MOST_LINES, 0))


def feature_maps(exhibits: Mapping[str, Exhibit]) -> str:
    """Where t-SNE puts published features, a panel for each entity and attribute, as SVG; empty if nobody asked."""
    panels = [(who, at, each) for who, each in exhibits.items() for at in range(len(each.attributes))]
    if not panels:
        return ""
    figure, drawn = draw_panels(len(panels))
    for panel, (who, at, each) in zip(drawn, panels, strict=True):
        has_it = each.is_true[:, at].astype(bool)
        for which, color, label in ((~has_it, COLORS[6], "without"), (has_it, COLORS[1], "with")):
            places = np.round(each.positions[which], 1)
            panel.plot(places[:, 0], places[:, 1], ".", markersize=2.5, color=color, label=label)
        panel.set_title(f"{who}: {each.attributes[at]}", fontsize=9, loc="left")
        panel.set_xticks([])
        panel.set_yticks([])
    drawn[0].legend(fontsize=7, frameon=False)
    return inline_svg(figure)
