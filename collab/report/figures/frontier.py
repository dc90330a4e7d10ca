"""What sharing brings against what the released reconstructor is shown, as a picture of a sweep."""

from collections.abc import Sequence

from collab.report.cells import format_value
from collab.report.drawing import inline_svg
from collab.report.figures.curves import COLORS, INK, MARKS, MOST_PANELS, draw_panels, name_point
from collab.results.aggregate import Mean, Point
from collab.scenario.stage_rows import TABLES_1_2
from collab.tasks import find_main_metric


def draw_frontier(means: Sequence[Mean], axes: Sequence[str], gains: Sequence[Mean]) -> str:
    """What sharing brings an entity against what it discloses to the released reconstructor, as SVG.

    Across: SSIM of reconstructions from what the entity publishes, mean over seeds. Up: its gain there, one of `gains`.
    Nothing where no entity has both.
    """
    main = find_main_metric(mean.metric for mean in means)
    gains_of: dict[tuple[Point, str | None], list[Mean]] = {}
    for gain in gains:
        gains_of.setdefault((gain.values, gain.entity), []).append(gain)
    points_of: dict[str, list[tuple[float, float, Point]]] = {}
    for mean in means:
        if mean.row == TABLES_1_2 and mean.quantity == "ssim_poisoned" and mean.entity:
            for gain in gains_of.get((mean.values, mean.entity), ()):
                point = (mean.figure.value, main.scale * gain.figure.value, mean.values)
                points_of.setdefault(mean.entity, []).append(point)
    if not points_of:
        return ""
    figure, (panel,) = draw_panels(1)
    for index, (name, points) in enumerate(sorted(points_of.items())):
        style = {"color": COLORS[index % len(COLORS)], "marker": MARKS[index % len(MARKS)], "zorder": 3}
        panel.scatter([point[0] for point in points], [point[1] for point in points], s=36, label=name, **style)
        if axes and len(points) <= MOST_PANELS:
            for across, up, values in points:
                name_point(panel, ", ".join(format_value(value) for _, value in values), (across, up))
    panel.axhline(0, color=INK, linewidth=0.8)
    panel.set_xlabel("SSIM of the released reconstructor on what is published (right: more disclosed)")
    panel.set_ylabel(f"gain of sharing, {main.points}")
    panel.set_title(f"each point: {', '.join(axes) or 'an entity, mean over seeds'}", fontsize=9, loc="left")
    panel.legend(fontsize=8, frameon=False, title="entity", title_fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    return inline_svg(figure)
