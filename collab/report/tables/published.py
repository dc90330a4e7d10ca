"""Published images: how hard they are to discern, and what a network learns from them; a table and a curve."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from collab.report.cells import Table, cell, scaled
from collab.report.figures.curves import COLORS, MARKS, draw_panels
from collab.report.svg import inline_svg
from collab.results.results import Results
from collab.results.table import Result
from collab.results.words import basis
from collab.scenario.model import Scenario
from collab.scenario.rows import played_rows


@dataclass(frozen=True)
class Shown:
    """What was measured of one entity's images; `scratch` is the row that trains on them alone."""

    entity: str
    defense: str
    original: Result | None
    published: Result | None
    likeness: Result | None
    saturated: Result | None
    scratch: str
    score: Result | None
    score_published: Result | None

    @property
    def gain(self) -> float | None:
        """VFE as published in multiples of that of the images."""
        if self.original is None or self.published is None or not self.original.value:
            return None
        return (self.published.value or 0.0) / self.original.value


def shown_images(scenario: Scenario, found: Results) -> Iterator[Shown]:
    """Every entity that publishes images."""
    main = scenario.data.main_metric
    alone = {str(row.entity): str(row.name) for row in played_rows(scenario) if row.own == "published" and not row.pool}
    for entity in scenario.entities:
        original, published, likeness = (
            found.like("tables_1_2", entity.name, quantity, of)
            for quantity, of in (("vfe", "original"), ("vfe", "published"), ("ssim", "published"))
        )
        if entity.form.publishes_images and found.of("tables_1_2", entity.name):
            row = alone.get(entity.name, "")
            yield Shown(
                entity.name, entity.protection, original, published, likeness,
                found.find("tables_1_2", entity.name, "is_saturated"), row, found.find(row, entity.name, main.name),
                found.find(row, entity.name, f"{main.name}_published"),
            )  # fmt: skip


def published_images(scenario: Scenario, found: Results) -> Table:
    """Accuracy beside visual feature entropy, for each defense that publishes images."""
    lines, told, main = [], list(shown_images(scenario, found)), scenario.data.main_metric
    for each in told:
        gain = "—" if each.gain is None else f"{each.gain:.2f}"
        cells = (cell(each.original), cell(each.published), gain, cell(each.saturated), cell(each.likeness))
        scores = (scaled(row, main.scale) for row in (each.score_published, each.score))
        lines.append((each.entity, each.defense, *cells, *scores))
    columns = ("entity", "defense", "VFE", "published", "times", "out of reach %", "SSIM", main.head, "on raw images")
    notes = (
        "VFE: visual feature entropy of held-out images in [0, 1], higher is harder to discern. out of reach: images "
        "that no shuffling makes as hard as wanted. SSIM of what is published itself: no attack is needed for it.",
        f"{main.title} of a network trained from scratch on what was published, on held-out images published alike, "
        "and on raw ones.",
        basis([each.published for each in told if each.published]),
    )
    return Table("Published images", columns, tuple(lines), notes)


def entropy_curve(scenario: Scenario, rows: Sequence[Result]) -> str:
    """The main metric from scratch against the gain of VFE, as SVG: a line for each defense; dashed: raw images."""
    found = Results(rows)
    main = scenario.data.main_metric
    points = [each for each in shown_images(scenario, found) if each.gain and each.score_published]
    if not points:
        return ""
    figure, (panel,) = draw_panels(1)
    for index, defense in enumerate(dict.fromkeys(each.defense for each in points)):
        line = sorted(_point(each, main.scale) for each in points if each.defense == defense)
        gains, values, below, above = zip(*line, strict=True)
        style = {"color": COLORS[index], "marker": MARKS[index], "markersize": 4, "linewidth": 1.4, "capsize": 2}
        panel.errorbar(gains, values, (below, above), label=defense, **style)
    names = {each.entity for each in points}
    unprotected = [str(row.name) for row in played_rows(scenario) if row.own == "images" and row.entity in names]
    raw = next((row for row in found.rows if row.row in unprotected and row.metric == main.name), None)
    if raw is not None:
        panel.axhline(main.scale * (raw.value or 0), linestyle="--", color="#787774", linewidth=1, label="raw images")
    panel.set_xlabel("visual feature entropy as published, times that of the images")
    panel.set_ylabel(f"{main.title} from scratch, on images published alike, {main.unit}")
    panel.legend(fontsize=8, frameon=False)
    return inline_svg(figure)


def _point(each: Shown, scale: float) -> tuple[float, float, float, float]:
    """Gain, the main metric as it is shown, and how far its interval reaches below and above."""
    row = each.score_published
    value, low, high = (scale * (bound or 0.0) for bound in ((row.value, row.low, row.high) if row else (0, 0, 0)))
    return each.gain or 0.0, value, max(0.0, value - low), max(0.0, high - value)
