"""Which classes the entities of a run hold, as a figure and in words."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from collab.report.cells import Table
from collab.report.drawing import inline_svg
from collab.results.words import join_names
from collab.scenario.model import Scenario

Labels = Mapping[str, Sequence[int]]
"""How many images of each class every entity holds."""

MOST_COUNTS = 16
"""Classes up to which each cell tells its count: beyond, figures of four digits touch."""
MOST_COUNTED = 100
"""Entities up to which each cell tells its count: beyond, rows are lower than the figures, which hide one another."""
MOST_NAMES = 60
"""Classes and entities up to which each has its name beside the map, and its counts in the table."""
LETTERS = 24
MOST_WORDS = 8
"""Statements about single entities below the table."""
VECTOR_CELLS = 1000
"""A map of more cells is drawn as an image: each cell would be some hundred bytes of the page."""


def tabulate_holdings(labels: Labels, classes: Sequence[str], dealt: str) -> Table:
    """Images and classes of each entity; `dealt` says how they came to them."""
    lines = []
    for name, counts in labels.items():
        images, most = sum(counts), max(counts)
        held = f"{sum(count > 0 for count in counts)} of {len(classes)}"
        frequent = f"{classes[counts.index(most)]} ({100 * most / max(images, 1):.1f} %)"
        lines.append((name, str(images), held, f"{count_effective_classes(counts):.1f}", frequent))
    columns = ("entity", "images", "classes", "effective classes", "most frequent")
    effective = "Effective classes: as many classes of equal size would be as uneven (the exponential of the entropy)."
    return Table("Images and classes of each entity", columns, tuple(lines), (dealt, effective))


def tabulate_counts(labels: Labels, classes: Sequence[str]) -> Table:
    """A line for each class, a column for each entity."""
    lines = [
        (name, *map(str, counts)) for name, counts in zip(classes, zip(*labels.values(), strict=True), strict=True)
    ]
    return Table("Images of each class", ("class", *labels), tuple(lines))


def describe_partition(scenario: Scenario) -> str:
    """How the entities came to their images: the partition of those that have a share, and whose images are listed."""
    listing = [entity.name for entity in scenario.entities if entity.rows is not None]
    if all(entity.rows is not None or entity.is_onlooker for entity in scenario.entities):
        return "Partition: none; the scenario lists every entity's images (`rows`)."
    partition = scenario.partition
    parts = [f"Partition: {partition.kind}" + ("" if partition.kind == "iid" else f", alpha {partition.alpha:g}")]
    parts += [f"images listed by the scenario (`rows`): {join_names(listing)}"] if listing else []
    parts += [
        f"{entity.name} draws from {len(entity.classes)} classes only"
        for entity in scenario.entities
        if entity.classes is not None
    ]
    parts += [
        f"{entity.name} shares {100 * entity.overlap.fraction:g} % of its images with {entity.overlap.entity}"
        for entity in scenario.entities
        if entity.overlap is not None
    ]
    if len(parts) > MOST_WORDS:
        parts[MOST_WORDS:] = [f"and {len(parts) - MOST_WORDS} more such entities"]
    return f"{'; '.join(parts)}."


def count_effective_classes(counts: Sequence[int]) -> float:
    r"""How many classes of equal size have the entropy of `counts`; 0 if there is nothing.

    $$ e^H, \qquad H = -\sum_k q_k \ln q_k, \qquad q_k = n_k / \sum_j n_j $$

    Hill's number of order 1 (Hill 1973).
    """
    total = sum(counts)
    shares = [count / total for count in counts if count]
    return math.exp(-sum(share * math.log(share) for share in shares)) if shares else 0.0


def draw_label_map(labels: Labels, classes: Sequence[str]) -> str:
    """A row for each entity, a column for each class; the darker, the more of the entity's images are of it. SVG."""
    from matplotlib.figure import Figure

    shares = [[count / max(sum(counts), 1) for count in counts] for counts in labels.values()]
    longest = max(map(len, classes)) if len(classes) <= MOST_NAMES else 0
    width, map_height = min(max(6.4, 2.2 + 0.5 * len(classes)), 10.8), min(max(0.3 * len(labels), 0.9), 13.0)
    height = map_height + 0.6 + 0.07 * min(longest, LETTERS)
    figure = Figure(figsize=(width, height), layout="constrained")
    panel = figure.subplots()
    is_large = len(labels) * len(classes) > VECTOR_CELLS
    # the scale ends at the largest share there is, so that 2 % of one class among hundreds can be seen
    cells = panel.pcolormesh(shares, cmap="Blues", vmin=0, rasterized=is_large, linewidth=0 if is_large else 1)
    cells.set_edgecolor("none" if is_large else "#d6dbe1")
    panel.invert_yaxis()
    _named(panel.set_yticks, [f"{name} ({sum(counts)})" for name, counts in labels.items()])
    _named(panel.set_xticks, list(classes), rotation=45 if len(classes) <= MOST_COUNTS else 90)
    panel.tick_params(length=0, labelsize=8)
    panel.set_title("images by entity (its total) and class", fontsize=9, loc="left")
    if len(classes) > MOST_NAMES or len(labels) > MOST_NAMES:
        panel.set_xlabel(f"{len(classes)} classes, {len(labels)} entities from top to bottom", fontsize=8)
    if len(classes) <= MOST_COUNTS and len(labels) <= MOST_COUNTED and not is_large:
        _write_counts(panel, list(labels.values()), shares)
    bar = figure.colorbar(cells, ax=panel, pad=0.01, aspect=map_height / 0.15)
    bar.ax.yaxis.set_major_formatter(lambda share, _: f"{100 * share:g} %")
    bar.ax.tick_params(labelsize=7)
    bar.set_label("of its images", fontsize=7)
    bar.outline.set_visible(False)
    panel.spines[:].set_visible(False)
    return inline_svg(figure)


def _named(set_ticks: Any, names: Sequence[str], rotation: int = 0) -> None:
    """A tick in the middle of each row or column, with its name where there is room."""
    if len(names) > MOST_NAMES:
        set_ticks([])
        return
    shown = [name if len(name) <= LETTERS else name[: LETTERS - 1] + "…" for name in names]
    places = [at + 0.5 for at in range(len(names))]
    # parse_math: a class may be called $x$; anchor: the end of a slanted name stands under its column
    slant = {"rotation": rotation, "ha": "right", "rotation_mode": "anchor"} if rotation else {}
    if rotation == 90:
        slant |= {"va": "center"}
    set_ticks(places, shown, parse_math=False, **slant)


def _write_counts(panel: Any, counts: Sequence[Sequence[int]], shares: Sequence[Sequence[float]]) -> None:
    darkest = max(max(row) for row in shares)
    for line, row in enumerate(counts):
        for at, count in enumerate(row):
            ink = "#ffffff" if shares[line][at] > 0.6 * darkest else "#1c2430"
            text = panel.text(at + 0.5, line + 0.5, str(count), ha="center", va="center", fontsize=7, color=ink)
            text.set_in_layout(False)  # it stands in its cell; to ask hundreds of texts for their size takes long
