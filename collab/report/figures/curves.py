"""Figures of a sweep: accuracy against an axis, a line for each row, bands over seeds."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from collab.report.drawing import inline_svg
from collab.results.aggregate import Mean, is_number
from collab.tasks import find_main_metric

MOST_PANELS = 12
COLORS = ("#0b6e99", "#d9730d", "#448361", "#9065b0", "#c14c8a", "#937264", "#787774", "#cb912f")
MARKS = ("o", "s", "^", "D", "v", "P", "X", "*")
INK = "#787774"
"""Of what stands beside the data: zero lines and the names of points."""

MOST_LETTERS = 60
"""Of all names below an axis that still fit beside each other."""

WIDE = 20
"""Factor between the largest and the smallest value of an axis from which on it is logarithmic."""


def draw_accuracy(means: Sequence[Mean], axes: Sequence[str], labels: Mapping[str, str]) -> str:
    """The main metric of each row against the first axis, as SVG: a panel for each entity and point of the other axes.

    `labels` says what each row is trained on. Dashed: the entity's own features alone. Dotted: the public decider, and
    rows that belong to nobody, the same in every panel. Nothing where no entity refines.
    """
    main = find_main_metric(each.metric for each in means)
    scored = [each for each in means if each.metric == main.name]
    rest = list(dict.fromkeys(each.values[1:] for each in scored))
    names = sorted({each.entity for each in scored if each.entity and each.row in labels})
    shown = [(others, name) for others in rest for name in names][:MOST_PANELS]
    if not shown:
        return ""
    figure, panels = draw_panels(len(shown))
    for panel, (others, name) in zip(panels, shown, strict=True):
        here = [each for each in scored if each.values[1:] == others and each.entity in (name, None)]
        owners = {mean.row: mean.entity for mean in reversed(here)}
        own, shared = f"c_own_{name}", [row for row, owner in owners.items() if row in labels and owner is None]
        lines = [(row, labels[row], "-") for row in labels if row in owners and row not in shared]
        lines += [(own, f"F({name}) alone", "--")] if own in owners else []
        lines += [(row, labels[row], ":") for row in sorted(shared)]
        lines += [("c_public", "released C, untouched", ":")] if "c_public" in owners else []
        for index, (row, label, style) in enumerate(lines):
            name_of_line = f"{row}: {label}" if row in labels else label
            draw_line(panel, [mean for mean in here if mean.row == row], name_of_line, style, index, scale=main.scale)
        set_across(panel, axes[0], means)
        panel.set_ylabel(f"{main.title}, {main.unit}")
        bottom, top = panel.get_ylim()
        panel.set_ylim(max(bottom, 0), min(top, 100))
        title = ", ".join([f"entity {name}", *(f"{axis} = {value}" for axis, value in others)])
        panel.set_title(title, fontsize=9, loc="left")
        panel.legend(fontsize=6.5, frameon=False)
    return inline_svg(figure)


def set_across(panel: Any, axis: str, means: Iterable[Mean]) -> None:
    """Names the first axis, and makes it logarithmic if its values are numbers that span a factor of 20 or more.

    Texts that would not fit beside each other are turned.
    """
    panel.set_xlabel(axis)
    values = list(dict.fromkeys(each.values[0][1] for each in means if each.values))
    numbers = [float(value) for value in values if is_number(value)]
    if len(numbers) < len(values):
        if sum(len(str(value)) for value in values) > MOST_LETTERS:
            panel.tick_params(axis="x", labelsize=7)
            for label in panel.get_xticklabels():
                label.set(rotation=35, ha="right", rotation_mode="anchor")
    elif numbers and 0 < WIDE * min(numbers) <= max(numbers):
        panel.set_xscale("log")


def draw_line(panel: Any, points: Sequence[Mean], label: str, dashes: str, index: int, *, scale: float = 100) -> None:
    """Means over the first axis as a line, with its band where there are several seeds; `scale` 100 is for %.

    Over texts, which have no order, there are points with their intervals and no line between them; open ones where
    lines would be dashed or dotted.
    """
    values = {mean: mean.values[0][1] if mean.values else 0 for mean in points}
    is_numeric = all(is_number(value) for value in values.values())
    ordered = sorted(points, key=lambda mean: values[mean]) if is_numeric else points
    across = [values[mean] if is_numeric else str(values[mean]) for mean in ordered]
    figures, style = [scale * mean.figure for mean in ordered], pick_style(index)
    if not is_numeric:
        middle = [figure.value for figure in figures]
        arms = [figure.arms or (0.0, 0.0) for figure in figures]
        style |= {"linestyle": "none", "elinewidth": 0.8, "label": label}
        style |= {} if dashes == "-" else {"markerfacecolor": "white"}
        panel.errorbar(across, middle, yerr=list(zip(*arms, strict=True)) or None, **style)
        return
    panel.plot(across, [figure.value for figure in figures], label=label, linestyle=dashes, **style)
    if all(figure.low is not None for figure in figures):
        low, high = [figure.low for figure in figures], [figure.high for figure in figures]
        panel.fill_between(across, low, high, color=style["color"], alpha=0.12, linewidth=0)


def pick_style(index: int) -> dict[str, Any]:
    """Color and mark of the line of this number; beyond the last ones they begin anew."""
    color, mark = COLORS[index % len(COLORS)], MARKS[index % len(MARKS)]
    return {"color": color, "marker": mark, "markersize": 4, "linewidth": 1.4}


def name_point(panel: Any, name: str, point: tuple[float, float]) -> None:
    """Writes a small name beside a point."""
    panel.annotate(name, point, fontsize=6, xytext=(4, 3), textcoords="offset points", color=INK)


def draw_panels(count: int) -> tuple[Any, list[Any]]:
    """A figure of `count` panels, two side by side."""
    from matplotlib.figure import Figure

    columns = min(max(count, 1), 2)
    lines = -(-max(count, 1) // columns)
    figure = Figure(figsize=(6.4 if columns == 1 else 5.4 * columns, 4.2 * lines), layout="constrained")
    panels = figure.subplots(lines, columns, squeeze=False).ravel().tolist()
    for panel in panels[count or 1 :]:
        panel.remove()
    for panel in panels:
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(alpha=0.25)
    return figure, panels[: count or 1]
