"""Tables 1 and 2 of a sweep: what poisoned features cost and still show, against an axis."""

from collections.abc import Sequence

from collab.report.cells import ABSENT, Table, format_value
from collab.report.drawing import inline_svg
from collab.report.figures.curves import INK, draw_line, draw_panels, name_point, pick_style, set_across
from collab.results.aggregate import Mean, Point, is_number
from collab.results.catalog import columns_in, scale_and_digits
from collab.scenario.stage_rows import TABLES_1_2
from collab.tasks import find_main_metric

MOST_LINES = 24
LIKENESS = ("l1_original", "l1_poisoned", "ssim_original", "ssim_poisoned")


def tabulate_poisoning(means: Sequence[Mean], axes: Sequence[str]) -> Table:
    """A line for each point and entity, in the order of the cells; a dash where nothing was measured."""
    main, points = find_main_metric(mean.metric for mean in means), _by_point(means)
    placed = columns_in("reconstruction", (metric for of_point in points.values() for metric in of_point))
    heads = dict(zip(LIKENESS, ("L1 original", "poisoned", "SSIM original", "poisoned"), strict=True)) | placed
    lines = []
    for (entity, values), of_point in points.items():
        costs = [of_point.get(f"{main.name}_{state}") for state in ("original", "poisoned")]
        cells = [(mean, main.scale, 1) for mean in costs]
        cells += [(of_point.get(metric), *scale_and_digits(metric)) for metric in heads]
        shown = (ABSENT if mean is None else f"{scale * mean:.{digits}f}" for mean, scale, digits in cells)
        if any(mean is not None for mean, *_ in cells):
            lines.append((*(format_value(value) for _, value in values), entity, *shown))
    columns = (*axes, "entity", f"{main.head} original", "poisoned", *heads.values())
    note = (
        "Tables 1 and 2: the released decider and the released reconstructor on held-out images. SSIM near zero says "
        "that this reconstructor is fooled, not that the image is gone."
    )
    return Table("Poisoned features", columns, tuple(lines), (note,))


def draw_poisoning(means: Sequence[Mean], axes: Sequence[str]) -> str:
    """Main metric and SSIM of poisoned features against the first axis, as SVG; lines are entities and other points."""
    main = find_main_metric(mean.metric for mean in means)
    shown = [(f"{main.name}_poisoned", f"{main.title} of C, {main.unit}", main.scale)]
    shown += [("ssim_poisoned", "SSIM of R's images", 1)]
    lines: dict[tuple[str, Point], list[Mean]] = {}
    for mean in means:
        if mean.row == TABLES_1_2 and mean.quantity in (f"{main.name}_poisoned", "ssim_poisoned"):
            lines.setdefault((str(mean.entity), mean.values[1:]), []).append(mean)
    if not lines:
        return ""
    figure, panels = draw_panels(2)
    for panel, (metric, title, scale) in zip(panels, shown, strict=True):
        for index, ((entity, others), of_line) in enumerate(list(lines.items())[:MOST_LINES]):
            points = [mean for mean in of_line if mean.quantity == metric]
            draw_line(panel, points, _label(entity, others), "-", index, scale=scale)
        set_across(panel, axes[0], means)
        panel.set_title(f"{title}, on poisoned features", fontsize=9, loc="left")
    figure.legend(
        *panels[0].get_legend_handles_labels(), fontsize=7, frameon=False, loc="outside lower center", ncols=2
    )
    return inline_svg(figure)


def draw_costs(means: Sequence[Mean], axes: Sequence[str]) -> str:
    """What poisoning costs against what the released reconstructor still shows, a point for each cell, as SVG.

    Up: how much better C does on original than on poisoned features. Across: SSIM of the image or its negative.
    """
    main = find_main_metric(mean.metric for mean in means)
    metrics = ("ssim_max_poisoned", f"{main.name}_original", f"{main.name}_poisoned")
    points_of = _by_point(means).items()
    complete = {point: of_point for point, of_point in points_of if all(name in of_point for name in metrics)}
    if len({values for _, values in complete}) < 2:
        return ""
    figure, (panel,) = draw_panels(1)
    groups = list(dict.fromkeys((entity, values[1:]) for entity, values in complete))
    for index, (entity, others) in enumerate(groups[:MOST_LINES]):
        points = [
            (of_point[metrics[0]], main.gain(of_point[metrics[1]], of_point[metrics[2]]), values)
            for (name, values), of_point in complete.items()
            if (name, values[1:]) == (entity, others)
        ]
        label = _label(entity, others)
        is_in_order = all(is_number(values[0][1]) for *_, values in points)
        style = pick_style(index) | {"linewidth": 0.8 * is_in_order, "markersize": 6}
        panel.plot([point[0] for point in points], [point[1] for point in points], label=label, **style)
        for across, up, values in points:
            name_point(panel, format_value(values[0][1]), (across, up))
    panel.axhline(0, color=INK, linewidth=0.8)
    panel.set_xlabel("SSIM of R's images from poisoned features, of the image or its negative")
    panel.set_ylabel(f"cost, {main.points}")
    panel.set_title(f"each point: {axes[0]}", fontsize=9, loc="left")
    figure.legend(fontsize=7, frameon=False, loc="outside lower center", ncols=2)
    return inline_svg(figure)


def _label(entity: str, others: Point) -> str:
    """An entity, and where it stands on all axes but the first, each by the last word of its path."""
    return ", ".join([entity, *(f"{axis.rpartition('.')[2]} = {value}" for axis, value in others)])


def _by_point(means: Sequence[Mean]) -> dict[tuple[str, Point], dict[str, float]]:
    """Means of Tables 1 and 2 by entity and point of the axes, and by metric whatever its setting."""
    points: dict[tuple[str, Point], dict[str, float]] = {}
    for mean in means:
        if mean.row == TABLES_1_2:
            points.setdefault((str(mean.entity), mean.values), {})[mean.quantity] = mean.figure.value
    return points
