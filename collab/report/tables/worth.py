"""What is left of plain sharing (rho) against label writing (G): a table and a picture of a sweep."""

from collections.abc import Sequence

from collab.report.cells import ABSENT, Table, format_value
from collab.report.drawing import inline_svg
from collab.report.figures.curves import INK, MOST_PANELS, draw_panels, name_point, pick_style
from collab.results.aggregate import Values
from collab.results.gains import Worth
from collab.results.words import format_signed
from collab.tasks import MainMetric

Placed = tuple[Values, Worth]
"""Where all axes stand, and a row there."""

MOST_NAMED = 24
"""Points of a picture that are named; more names would hide each other."""


def format_rho(worth: Worth | None) -> str:
    """Rho with the ends of its interval, or that it is undefined; nothing for a row that has none."""
    return "" if worth is None else "undefined" if worth.rho is None else str(worth.rho)


def describe_change(values: Values, base: Values) -> str:
    """Where the axes stand that do not stand as in `base`, each by the last word of its path: `epochs = 2`."""
    changed = [
        f"{axis.rpartition('.')[2]} = {format_value(values[axis])}" for axis in base if values[axis] != base[axis]
    ]
    return ", ".join(changed) or "base cell"


def tabulate_worths(main: MainMetric, base: Values, worths: Sequence[Placed]) -> Table:
    """Rho and G of each row that reads a pool, at each point of a sweep, which is told by what differs from `base`."""
    lines = [
        (
            describe_change(values, base),
            worth.row,
            worth.entity,
            format_rho(worth),
            ABSENT if worth.gap is None else format_signed(worth.gap, main.scale),
        )
        for values, worth in worths
    ]
    notes = (
        "ρ = (row - own features alone) / (the same pool unpoisoned - own features alone): 1 keeps all that plain "
        "sharing brings, 0 nothing; undefined where plain sharing does not clearly bring anything.",
        f"G, in {main.points}: how much better C reads the rows that the pool published than poisoned held-out ones.",
    )
    return Table("What is left of plain sharing", ("cell", "row", "entity", "ρ", "G"), tuple(lines), notes)


def draw_worths(main: MainMetric, base: Values, worths: Sequence[Placed]) -> str:
    """Rho against G with both intervals, a point for each row and point of the sweep, as SVG; nothing without two.

    A point has the name of what differs from `base`, and a color for the axis that does.
    """
    shown = [(values, worth.row, worth.gap, worth.rho) for values, worth in worths if worth.rho and worth.gap]
    if len(shown) < 2:
        return ""
    axes = list(base)
    figure, (panel,) = draw_panels(1)
    labeled = set[str]()
    for values, row, gap, up in shown:
        changed = [axis for axis in axes if values[axis] != base[axis]]
        label = " and ".join(axis.rpartition(".")[2] for axis in changed[:MOST_PANELS]) or "base"
        style = pick_style(1 + axes.index(changed[0]) if changed else 0) | {"linestyle": "", "markersize": 6}
        across = main.scale * gap
        xerr, yerr = (each.arms and [[end] for end in each.arms] for each in (across, up))
        style |= {"label": None if label in labeled else label, "elinewidth": 0.7}
        panel.errorbar(across.value, up.value, xerr=xerr, yerr=yerr, **style)
        labeled.add(label)
        if len(shown) <= MOST_NAMED:
            name_point(panel, f"{describe_change(values, base)}, row {row}", (across.value, up.value))
    for level in (0, 1):
        panel.axhline(level, color=INK, linewidth=0.8)
    panel.set_xlabel(f"G, {main.points}: label writing")
    panel.set_ylabel("ρ: what is left of plain sharing")
    panel.set_title("each point: a row of a cell", fontsize=9, loc="left")
    panel.legend(fontsize=7, frameon=False, title="what varies", title_fontsize=7, loc="best")
    return inline_svg(figure)
