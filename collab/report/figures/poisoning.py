"""Tables 1 and 2 of a sweep: what poisoned features cost and still show, against an axis."""

from collections.abc import Sequence
from typing import Any

from collab.report.cells import Table, text
from collab.report.figures.curves import COLORS, MARKS, draw_line, draw_panels, set_across
from collab.report.svg import inline_svg
from collab.results.aggregate import Mean, is_number
from collab.tasks import find_main_metric

MOST_LINES = 24
LIKENESS = ("l1_original", "l1_poisoned", "ssim_original", "ssim_poisoned")


def columns_of(found: Sequence[Mean]) -> tuple[str, ...]:
    """The metrics of the table: the task's main one and those of reconstructions, of original and poisoned features."""
    main = find_main_metric(each.metric for each in found)
    return (f"{main.name}_original", f"{main.name}_poisoned", *LIKENESS)


def poisoning_table(found: Sequence[Mean], axes: Sequence[str]) -> Table:
    """A line for each point and entity, in the order of the cells; a dash where nothing was measured."""
    main = find_main_metric(each.metric for each in found)
    means: dict[tuple[Any, str], dict[str, float]] = {}
    for each in _of_tables(found):
        means.setdefault((each.values, str(each.entity)), {})[each.quantity] = each.figure.value
    wanted = [(column, main.scale, 1) for column in columns_of(found)[:2]] + [(column, 1, 3) for column in LIKENESS]
    lines = [
        (
            *(text(value) for _, value in values),
            entity,
            *(
                "—" if (mean := of_point.get(column)) is None else f"{scale * mean:.{digits}f}"
                for column, scale, digits in wanted
            ),
        )
        for (values, entity), of_point in means.items()
    ]
    columns = (
        *axes, "entity", f"{main.head} original", "poisoned", "L1 original", "poisoned", "SSIM original", "poisoned"
    )  # fmt: skip
    note = (
        "Tables 1 and 2: the released decider and the released reconstructor on held-out images. SSIM near zero says "
        "that this reconstructor is fooled, not that the image is gone."
    )
    return Table("Poisoned features", columns, tuple(lines), (note,))


def poisoning_curves(found: Sequence[Mean], axes: Sequence[str]) -> str:
    """Main metric and SSIM of poisoned features against the first axis, as SVG; lines are entities and other points."""
    shown = _of_tables(found)
    lines = list(dict.fromkeys((each.entity, each.values[1:]) for each in shown))[:MOST_LINES]
    if not lines:
        return ""
    main = find_main_metric(each.metric for each in found)
    figure, panels = draw_panels(2)
    for panel, column, title, scale in zip(
        panels,
        (f"{main.name}_poisoned", "ssim_poisoned"),
        (f"{main.title} of C, {main.unit}", "SSIM of R's images"),
        (main.scale, 1),
        strict=True,
    ):
        for index, (entity, others) in enumerate(lines):
            points = [
                each for each in shown if (each.entity, each.values[1:], each.quantity) == (entity, others, column)
            ]
            label = _label(str(entity), others)
            draw_line(panel, points, label, "-", index, scale=scale)
        set_across(panel, axes[0], found)
        panel.set_title(f"{title}, on poisoned features", fontsize=9, loc="left")
    figure.legend(
        *panels[0].get_legend_handles_labels(), fontsize=7, frameon=False, loc="outside lower center", ncols=2
    )
    return inline_svg(figure)


def cost_frontier(found: Sequence[Mean], axes: Sequence[str]) -> str:
    """What poisoning costs against what the released reconstructor still shows, a point for each cell, as SVG.

    Up: how much better C does on original than on poisoned features. Across: SSIM of the image or its negative.
    """
    means: dict[tuple[str, Any], dict[str, float]] = {}
    for each in found:
        if each.row == "tables_1_2":
            means.setdefault((str(each.entity), each.values), {})[each.quantity] = each.figure.value
    main = find_main_metric(each.metric for each in found)
    wanted = ("ssim_max_poisoned", f"{main.name}_original", f"{main.name}_poisoned")
    known = {point: each for point, each in means.items() if all(metric in each for metric in wanted)}
    if len({values for _, values in known}) < 2:
        return ""
    figure, (panel,) = draw_panels(1)
    groups = list(dict.fromkeys((entity, values[1:]) for entity, values in known))
    for index, (entity, others) in enumerate(groups[:MOST_LINES]):
        points = [
            (each[wanted[0]], main.gain(each[wanted[1]], each[wanted[2]]), values)
            for (name, values), each in known.items()
            if (name, values[1:]) == (entity, others)
        ]
        label = _label(entity, others)
        style = {"color": COLORS[index % len(COLORS)], "marker": MARKS[index % len(MARKS)], "linewidth": 0.8}
        panel.plot([point[0] for point in points], [point[1] for point in points], label=label, **style)
        for across, up, values in points:
            told = f"{values[0][1]:g}" if is_number(values[0][1]) else str(values[0][1])
            panel.annotate(told, (across, up), fontsize=6, xytext=(4, 3), textcoords="offset points", color="#787774")
    panel.axhline(0, color="#787774", linewidth=0.8)
    panel.set_xlabel("SSIM of R's images from poisoned features, of the image or its negative")
    panel.set_ylabel(f"cost, {main.points}")
    panel.set_title(f"each point: {axes[0]}", fontsize=9, loc="left")
    figure.legend(fontsize=7, frameon=False, loc="outside lower center", ncols=2)
    return inline_svg(figure)


def _label(entity: str, others: Sequence[tuple[str, Any]]) -> str:
    """An entity, and where it stands on all axes but the first, each by the last word of its path."""
    return ", ".join([entity, *(f"{axis.rpartition('.')[2]} = {value}" for axis, value in others)])


def _of_tables(found: Sequence[Mean]) -> list[Mean]:
    columns = columns_of(found)
    return [each for each in found if each.row == "tables_1_2" and each.quantity in columns]
