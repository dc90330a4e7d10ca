"""Published images: how hard they are to discern, and what a network learns from them; a table and a curve."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from collab.report.cells import ABSENT, Table, format_cell
from collab.report.drawing import inline_svg
from collab.report.figures.curves import COLORS, draw_panels, pick_style
from collab.results.catalog import columns_in
from collab.results.results import Results
from collab.results.table import Result
from collab.results.words import state_basis
from collab.scenario.model import EntityPart, Scenario
from collab.scenario.rows import list_played_rows


@dataclass(frozen=True)
class Shown:
    """What was measured of one entity's images, and of networks that learned from them alone.

    `original` and `published` are visual feature entropies, `score` and `score_published` the main metric of a network
    from scratch, on raw images and on images published alike.
    """

    entity: EntityPart
    original: Result | None
    published: Result | None
    score: Result | None
    score_published: Result | None

    @property
    def gain(self) -> float | None:
        """VFE as published in multiples of that of the images."""
        if self.original is None or self.published is None or not self.original.value:
            return None
        return (self.published.value or 0.0) / self.original.value


def find_images(scenario: Scenario, results: Results) -> Iterator[Shown]:
    """Every entity that publishes images."""
    main = scenario.data.main_metric.name
    alone = {
        str(row.entity): str(row.name) for row in list_played_rows(scenario) if row.own == "published" and not row.pool
    }
    for entity in scenario.entities:
        if entity.form.publishes_images and results.of("tables_1_2", entity.name):
            original, published = (
                results.like("tables_1_2", entity.name, "vfe", state) for state in ("original", "published")
            )
            row = alone.get(entity.name, "")
            scores = (results.find(row, entity.name, metric) for metric in (main, f"{main}_published"))
            yield Shown(entity, original, published, *scores)


def tabulate_published_images(scenario: Scenario, results: Results) -> Table:
    """Accuracy beside visual feature entropy, for each defense that publishes images."""
    lines, images, main = [], list(find_images(scenario, results)), scenario.data.main_metric
    placed = columns_in("published", (result.metric for result in results.of("tables_1_2")))
    for shown in images:
        name = shown.entity.name
        line = [name, shown.entity.protection, format_cell(shown.original), format_cell(shown.published)]
        line += [ABSENT if shown.gain is None else f"{shown.gain:.2f}"]
        ssim = results.like("tables_1_2", name, "ssim", "published")
        measured = [results.find("tables_1_2", name, metric) for metric in ("is_saturated", *placed)]
        line += map(format_cell, (measured[0], ssim, *measured[1:]))
        lines.append((*line, *(format_cell(score, main.scale) for score in (shown.score_published, shown.score))))
    columns = ("entity", "defense", "VFE", "published", "times", "out of reach %", "SSIM", *placed.values())
    columns += (main.head, "on raw images")
    notes = (
        "VFE: visual feature entropy of held-out images in [0, 1], higher is harder to discern. out of reach: images "
        "that no shuffling makes as hard as wanted. SSIM of what is published itself: no attack is needed for it.",
        f"{main.title} of a network trained from scratch on what was published, on held-out images published alike, "
        "and on raw ones.",
        state_basis([shown.published for shown in images if shown.published]),
    )
    return Table("Published images", columns, tuple(lines), notes)


def draw_entropy(scenario: Scenario, rows: Sequence[Result]) -> str:
    """The main metric from scratch against the gain of VFE, as SVG: a line for each defense; dashed: raw images."""
    results = Results(rows)
    main = scenario.data.main_metric
    lines: dict[str, list[tuple[float, ...]]] = {}
    names = set[str]()
    for shown in find_images(scenario, results):
        if shown.gain and shown.score_published and shown.score_published.figure:
            score = main.scale * shown.score_published.figure
            lines.setdefault(shown.entity.protection, []).append((shown.gain, score.value, *(score.arms or (0.0, 0.0))))
            names.add(shown.entity.name)
    if not lines:
        return ""
    figure, (panel,) = draw_panels(1)
    for index, (defense, points) in enumerate(lines.items()):
        gains, values, below, above = zip(*sorted(points), strict=True)
        panel.errorbar(gains, values, (below, above), label=defense, capsize=2, **pick_style(index))
    unprotected = [str(row.name) for row in list_played_rows(scenario) if row.own == "images" and row.entity in names]
    raw = next((each for each in results.rows if each.row in unprotected and each.metric == main.name), None)
    if raw is not None:
        panel.axhline(main.scale * (raw.value or 0), linestyle="--", color=COLORS[6], linewidth=1, label="raw images")
    panel.set_xlabel("visual feature entropy as published, times that of the images")
    panel.set_ylabel(f"{main.title} from scratch, on images published alike, {main.unit}")
    panel.legend(fontsize=8, frameon=False)
    return inline_svg(figure)
