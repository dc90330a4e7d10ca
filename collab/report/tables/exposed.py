"""What published features give away beside the task: a table, what decoders rebuild, and maps (APT Tables 1 to 3)."""

from collections.abc import Iterator, Mapping

import numpy as np

from collab.metric import MetricName
from collab.report.cells import Table, cell, plain
from collab.report.figures.curves import COLORS, draw_panels
from collab.report.figures.sheets import ContactSheet, Line, urls
from collab.report.svg import inline_svg
from collab.results.catalog import entry_of
from collab.results.results import Results
from collab.results.table import Result
from collab.results.words import basis
from collab.scenario.model import Scenario
from collab.store.pictures import Exhibit

DECODED_SSIM = "decoded_ssim{number}"
"""In the catalog; the number is its window."""

MOST_LINES = 30
"""The most lines of the sheet of decoders."""


def exposure_tables(scenario: Scenario, found: Results) -> Iterator[Table]:
    """One line for each entity and decoder; then one for each entity and attribute that was asked."""
    asked = scenario.exposure
    if asked is None:
        return
    quantities = dict.fromkeys(name.quantity for name, _ in found.named("exposure"))
    ssim = next((name for name in quantities if entry_of(name).quantity == DECODED_SSIM), "decoded_ssim")
    wanted = ["face_similarity[{}]", "feature_similarity", f"{ssim}[{{}}]", "decoded_psnr[{}]"]
    wanted += ["within_variance", "between_variance", "lda"]
    wanted = [metric for metric in wanted if MetricName.parse(metric).quantity in quantities]
    lines, read = list[tuple[str, ...]](), list[Result]()
    for entity in scenario.entities:
        for name in [each.name for each in asked.decoders] or ["—"]:
            rows = [found.find("exposure", entity.name, metric.format(name)) for metric in wanted]
            if any(rows):
                lines.append((entity.name, entity.protection, name, *map(cell, rows)))
                read += [row for row in rows if row is not None]
    priors = [found.find("embedding", "", f"face_similarity_prior_{what}") for what in ("unrelated", "mean")]
    guess = f" A guess has face similarity: unrelated image {plain(priors[0])} · mean image {plain(priors[1])}."
    notes = (
        "Of held-out images. Decoders are trained anew on public images as the entity encodes them. Face and feature "
        "similarity: by an embedding of ours of the individuals on public images, of what the decoder rebuilds and of "
        f"what M reads from the features.{guess if any(priors) else ''} within, between: variances of features by "
        "individual; LDA: between over within.",
        basis(read),
    )
    columns = ("entity", "defense", "decoder", *(entry_of(metric).title for metric in wanted))
    yield Table("What published features give away", columns, tuple(lines), notes)
    yield _attributes(scenario, found)


def _attributes(scenario: Scenario, found: Results) -> Table:
    lines, read = list[tuple[str, ...]](), list[Result]()
    for name in scenario.exposure.attributes if scenario.exposure else ():
        for entity in scenario.entities:
            rows = [found.find("exposure", entity.name, f"{metric}[{name}]") for metric in ("mcc", "knn", "knn_chance")]
            if rows[0] is not None:
                lines.append((entity.name, entity.protection, name, plain(rows[0]), *map(cell, rows[1:])))
                read += [row for row in rows if row is not None]
    note = (
        "neighbors: how often most of the 15 nearest published features have the image's own attribute; guess: the "
        "more frequent answer."
    )
    columns = ("entity", "defense", "attribute", "MCC of the decider", "neighbors, %", "guess, %")
    return Table("Single attributes in published features", columns, tuple(lines), (note, basis(read)))


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
