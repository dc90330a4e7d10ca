"""Tables 1 and 2 of a sweep: what poisoned features cost and still show, against an axis."""

from collections.abc import Sequence
from typing import Any

from collab.report.aggregate import Mean
from collab.report.curves import draw_line, draw_panels, set_across
from collab.report.svg import inline_svg

MOST_LINES = 24
COLUMNS = ("top1_original", "top1_poisoned", "l1_original", "l1_poisoned", "ssim_original", "ssim_poisoned")


def poisoning_table(found: Sequence[Mean]) -> list[tuple[tuple[Any, ...], str, tuple[float | None, ...]]]:
    """Of each point and entity, in the order of the cells: its values on the axes, its name, and a mean per column."""
    means: dict[tuple[Any, str], dict[str, float]] = {}
    for each in _of_tables(found):
        means.setdefault((each.values, str(each.entity)), {})[_plain(each.metric)] = each.mean
    return [
        (tuple(value for _, value in values), entity, tuple(of_point.get(column) for column in COLUMNS))
        for (values, entity), of_point in means.items()
    ]


def poisoning_curves(found: Sequence[Mean], axes: Sequence[str]) -> str:
    """Top-1 and SSIM of poisoned features against the first axis, as SVG; a line for each entity and other point."""
    shown = _of_tables(found)
    lines = list(dict.fromkeys((each.entity, each.values[1:]) for each in shown))[:MOST_LINES]
    if not lines:
        return ""
    figure, panels = draw_panels(2)
    for panel, column, title, scale in zip(
        panels, ("top1_poisoned", "ssim_poisoned"), ("top-1 of C, %", "SSIM of R's images"), (100, 1), strict=True
    ):
        for index, (entity, others) in enumerate(lines):
            points = [
                each
                for each in shown
                if (each.entity, each.values[1:], _plain(each.metric)) == (entity, others, column)
            ]
            label = ", ".join([str(entity), *(f"{axis} = {value}" for axis, value in others)])
            draw_line(panel, points, label, "-", index, scale=scale)
        set_across(panel, axes[0], found)
        panel.set_title(f"{title}, on poisoned features", fontsize=9, loc="left")
        panel.legend(fontsize=6.5, frameon=False)
    return inline_svg(figure)


def _of_tables(found: Sequence[Mean]) -> list[Mean]:
    return [each for each in found if each.row == "tables_1_2" and _plain(each.metric) in COLUMNS]


def _plain(metric: str) -> str:
    """A metric without its window: `ssim[11]_poisoned` is `ssim_poisoned`."""
    head, bracket, rest = metric.partition("[")
    return head + rest.partition("]")[2] if bracket else metric
